"""How answers become bytes."""

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any


def json_bytes(data: Any) -> bytes:
    """Compact UTF-8 JSON. Decimals become texts, moments ISO 8601 with `Z` for UTC."""
    text = json.dumps(
        data, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_text_of
    )
    # A lone surrogate (it can only come from outside) leaves as its JSON escape.
    return text.encode(errors="backslashreplace")


def _text_of(value: Any) -> Any:
    if isinstance(value, datetime):
        text = value.isoformat()
        return f"{text[:-6]}Z" if text.endswith("+00:00") else text
    if isinstance(value, date | Decimal):
        return str(value)
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    if isinstance(value, str):
        return str(value)
    if hasattr(value, "__str__") and hasattr(value, "_proxy____args"):
        return str(value)  # a lazily translated text
    raise TypeError(f"{type(value).__name__} has no JSON form.")
