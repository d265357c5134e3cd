"""The request id that follows one request through web, tasks, webhooks and the audit trail."""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_REQUEST_ID = re.compile(r"[A-Za-z0-9_\-:.]{1,128}")
_current: ContextVar[str] = ContextVar("kobatela_request_id", default="")


def request_id() -> str:
    """The id of the request that this code works for; empty outside one."""
    return _current.get()


def new_request_id() -> str:
    """A fresh id."""
    return f"req_{secrets.token_hex(12)}"


def is_valid_request_id(value: str) -> bool:
    """Whether a caller's own id may be taken over."""
    return _REQUEST_ID.fullmatch(value) is not None


@contextmanager
def working_for(value: str) -> Iterator[None]:
    """Set the request id for the block."""
    token = _current.set(value)
    try:
        yield
    finally:
        _current.reset(token)
