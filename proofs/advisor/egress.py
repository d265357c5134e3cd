"""The last look at a request before it leaves: nothing that the escrow knows of people is in it.

It reads the bytes that go over the wire, whoever put them together, so a mistake anywhere before
costs advice and not privacy.
"""

import base64
import json
from collections.abc import Iterator
from typing import Any

from proofs.advisor.folding import fold
from proofs.advisor.known import KnownValues
from proofs.advisor.prompt import PICTURE_PREFIX

MAX_BODY_BYTES = 12_000_000


class EgressRefused(Exception):
    """The body may not leave. `kind` says what sort of value is in it, never which."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"a request to the model was stopped: {kind}")
        self.kind = kind


def check_body(body: bytes, known: KnownValues) -> None:
    """Raise EgressRefused unless `body` is JSON without any known value, in whatever spelling."""
    if len(body) > MAX_BODY_BYTES:
        raise EgressRefused("too large")
    try:
        whole = json.loads(body.decode())
    except (ValueError, RecursionError) as error:
        raise EgressRefused("not JSON") from error
    for text in _texts(whole):
        if text.startswith(PICTURE_PREFIX):
            _check_picture(text.removeprefix(PICTURE_PREFIX), known)
        else:
            _check_text(text, known)


def _check_text(text: str, known: KnownValues) -> None:
    for _start, _stop, kind in known.find(fold(text)):
        raise EgressRefused(kind.value)


def _check_picture(encoded: str, known: KnownValues) -> None:
    try:
        picture = base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise EgressRefused("not a picture") from error
    # Ours are re-encoded without metadata; any other has not come through the readers.
    if not picture.startswith(b"\xff\xd8\xff") or b"Exif\0\0" in picture or b"<x:xmp" in picture:
        raise EgressRefused("a picture with metadata")
    lowered = picture.lower()
    if any(value in lowered for value in known.plain):
        raise EgressRefused("a picture with text")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif value is not None:
        yield str(value)
