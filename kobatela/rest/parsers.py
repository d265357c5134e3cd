"""JSON and forms from strangers: exact numbers, bounded size and depth, no surprises."""

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import IO, Any, NoReturn, cast

from django.conf import settings
from django.http import UnreadablePostError
from rest_framework.parsers import BaseParser, DataAndFiles, MultiPartParser
from rest_framework.request import Request

from kobatela.kernel.errors import ValidationFailed
from kobatela.rest.errors import BadRequest, MalformedJSON, PayloadTooLarge

MAX_DEPTH = 32
MAX_NUMBER_CHARACTERS = 40
_MAX_EXPONENT = 100
_ENDED_EARLY = "The body ended before its announced length."
_SURROGATE = re.compile("[\ud800-\udfff]")


class ExactJSONParser(BaseParser):
    """JSON whose fractions are Decimal.

    Refused: NaN and Infinity, a key twice in one object, numbers of more than 40 characters,
    more than 32 levels, bytes that are not UTF-8 (all 400); NUL characters and lone surrogates
    in texts, and a body that is no object (422); more than KOBATELA_JSON_MAX_BYTES (413).
    """

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The object in the body."""
        limit = settings.KOBATELA_JSON_MAX_BYTES
        announced = _announced_bytes(parser_context)
        if announced > limit:
            raise PayloadTooLarge(max_bytes=limit)
        try:
            body = stream.read(limit + 1)
        except UnreadablePostError as error:
            raise BadRequest(_ENDED_EARLY) from error
        if len(body) > limit:
            raise PayloadTooLarge(max_bytes=limit)
        if len(body) < announced:
            raise BadRequest(_ENDED_EARLY)
        return parse_object(body)


class BoundedMultiPartParser(MultiPartParser):
    """A form with files.

    Refused with 413 when announced beyond KOBATELA_UPLOAD_MAX_BYTES, and with 400 when it ends
    before its announced length: half a file would pass for the whole one.
    """

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> DataAndFiles:  # type: ignore[type-arg]  # generic in the stubs only
        """The form's fields and files."""
        limit = settings.KOBATELA_UPLOAD_MAX_BYTES
        announced = _announced_bytes(parser_context)
        if announced > limit:
            raise PayloadTooLarge(max_bytes=limit)
        counted = _Counted(stream)
        try:
            parsed = super().parse(cast("IO[Any]", counted), media_type, parser_context)
        except UnreadablePostError as error:
            raise BadRequest(_ENDED_EARLY) from error
        if counted.bytes_read < announced:
            raise BadRequest(_ENDED_EARLY)
        return parsed


class _Counted:
    """A stream that knows how much was read from it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.bytes_read = 0

    def read(self, size: int = -1) -> bytes:
        """As the stream reads."""
        data = self._stream.read(size)
        self.bytes_read += len(data)
        return data


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`; see ExactJSONParser for what is refused."""
    try:
        value = json.loads(
            body.decode(),
            parse_float=_fraction,
            parse_int=_integer,
            parse_constant=_no_constant,
            object_pairs_hook=_unique_keys,
        )
    except UnicodeDecodeError as error:
        raise MalformedJSON("The body is not UTF-8.") from error
    except json.JSONDecodeError as error:
        raise MalformedJSON(f"{error.msg} (line {error.lineno}, column {error.colno}).") from error
    except RecursionError as error:
        raise MalformedJSON("The body is nested too deeply.") from error
    if not isinstance(value, dict):
        raise ValidationFailed.of("body", "not_an_object", "The body must be a JSON object.")
    # Both walks are needed only for bodies that could hold what they look for.
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        _check_depth(value)
    if b"\\u" in body:
        _check_texts(value)
    return value


def _announced_bytes(parser_context: Mapping[str, Any] | None) -> int:
    request: Request | None = (parser_context or {}).get("request")
    text = request.META.get("CONTENT_LENGTH") if request is not None else None
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else 0


def _integer(text: str) -> int:
    if len(text) > MAX_NUMBER_CHARACTERS:
        raise MalformedJSON("A number is too long.")
    return int(text)


def _fraction(text: str) -> Decimal:
    if len(text) > MAX_NUMBER_CHARACTERS:
        raise MalformedJSON("A number is too long.")
    value = Decimal(text)
    if abs(value.adjusted()) > _MAX_EXPONENT:
        raise MalformedJSON("A number is out of range.")
    return value


def _no_constant(text: str) -> NoReturn:
    raise MalformedJSON(f"{text} is not a JSON number.")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise MalformedJSON("An object names a key twice.")
    return result


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from ((str(index), item) for index, item in enumerate(value))


def _check_depth(value: Any) -> None:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH + 1:
            raise MalformedJSON("The body is nested too deeply.")
        level = [child for item in level for _, child in _children(item)]


def _check_texts(value: Any, path: str = "") -> None:
    for name, item in _children(value):
        _check_text(name, path or "body")
        here = f"{path}.{name}" if path else name
        if isinstance(item, str):
            _check_text(item, here)
        else:
            _check_texts(item, here)


def _check_text(text: str, field: str) -> None:
    if "\x00" in text:
        raise ValidationFailed.of(
            field, "null_characters_not_allowed", "Null characters are not allowed."
        )
    if _SURROGATE.search(text):
        raise ValidationFailed.of(
            field, "surrogate_characters_not_allowed", "Lone surrogates are not allowed."
        )
