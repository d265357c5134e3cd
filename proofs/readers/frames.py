"""Length-prefixed JSON between the pool and its children: four bytes of length, then the text.

JSON and not pickle, because what comes from a child comes from where hostile bytes are parsed.
"""

import json
import os
import select
import time
from typing import Any

LENGTH_BYTES = 4
# A document's whole text fits; a broken child cannot make its parent allocate more.
MAX_FRAME_BYTES = 16_000_000


class Closed(Exception):
    """The other end has closed the pipe, or sent what is no frame."""


class TimedOut(Exception):
    """The other end did not answer in time."""


def write_frame(descriptor: int, message: dict[str, Any]) -> None:
    """Send one message. Raises Closed if nobody reads any more."""
    body = json.dumps(message, allow_nan=False).encode()
    data = memoryview(len(body).to_bytes(LENGTH_BYTES, "big") + body)
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except BrokenPipeError:
        raise Closed from None


def read_frame(descriptor: int, *, timeout_s: float | None = None) -> dict[str, Any]:
    """Receive one message. Raises Closed at the pipe's end, TimedOut after `timeout_s`."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    length = int.from_bytes(_read_exactly(descriptor, LENGTH_BYTES, deadline), "big")
    if length > MAX_FRAME_BYTES:
        raise Closed
    try:
        message = json.loads(_read_exactly(descriptor, length, deadline))
    except ValueError:
        raise Closed from None
    if not isinstance(message, dict):
        raise Closed
    return message


def wait_readable(descriptor: int, *, timeout_s: float) -> bool:
    """Wait until something, or the end, can be read; False when `timeout_s` have passed."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(max(0, timeout_s) * 1000))


def _read_exactly(descriptor: int, count: int, deadline: float | None) -> bytes:
    data = bytearray()
    while len(data) < count:
        if deadline is not None and not wait_readable(
            descriptor, timeout_s=deadline - time.monotonic()
        ):
            raise TimedOut
        chunk = os.read(descriptor, min(count - len(data), 65536))
        if not chunk:
            raise Closed
        data += chunk
    return bytes(data)
