"""Reading forms that carry files."""

from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.parsers import DataAndFiles

from kobatela.rest.errors import PayloadTooLarge
from kobatela.rest.parsers import BoundedMultiPartParser
from kobatela.uploads.errors import FileTooLarge


class FileFormParser(BoundedMultiPartParser):
    """A form with one file: what is too large for a form was too large a file."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> DataAndFiles:  # type: ignore[type-arg]  # generic in the stubs only
        """The form's fields and files."""
        try:
            return super().parse(stream, media_type, parser_context)
        except PayloadTooLarge as error:
            raise FileTooLarge(limit_bytes=settings.KOBATELA_FILE_MAX_BYTES) from error
