"""Reading a body whose exact bytes are signed."""

from collections.abc import Mapping
from typing import IO, Any

from django.http import UnreadablePostError
from rest_framework.parsers import BaseParser

from kobatela.rest.errors import BadRequest
from payments.errors import WebhookBodyTooLarge

MAX_BODY_BYTES = 262_144


class ExactBytesParser(BaseParser):
    """The body as it came, whatever it says it is; 256 KB at most."""

    media_type = "*/*"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, bytes]:
        """The bytes, as `raw`."""
        try:
            body = stream.read(MAX_BODY_BYTES + 1)
        except UnreadablePostError as error:
            raise BadRequest("The body could not be read to its end.") from error
        if len(body) > MAX_BODY_BYTES:
            raise WebhookBodyTooLarge(max_bytes=MAX_BODY_BYTES)
        return {"raw": body}
