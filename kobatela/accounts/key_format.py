"""The shape of a key: a scanner recognises it, and junk is refused before the database is asked.

`koba_test_` + 8 characters of public id + `_` + 32 random characters + 6 of CRC-32 over all that
stands before them, everything in base 62.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from dataclasses import dataclass

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_PUBLIC_ID_LENGTH = 8
_SECRET_LENGTH = 32
_CHECKSUM_LENGTH = 6
LIVE_PREFIX = "koba_live_"
TEST_PREFIX = "koba_test_"
_KEY = re.compile(
    r"(?P<prefix>koba_(?:live|test)_)"
    rf"(?P<public_id>[0-9A-Za-z]{{{_PUBLIC_ID_LENGTH}}})_[0-9A-Za-z]{{{_SECRET_LENGTH}}}"
    rf"(?P<checksum>[0-9A-Za-z]{{{_CHECKSUM_LENGTH}}})"
)


@dataclass(frozen=True, slots=True)
class KeyParts:
    """What can be known of a key without asking anyone."""

    prefix: str
    public_id: str


def installation_prefix(environment: str) -> str:
    """The prefix of the keys that an installation issues and accepts."""
    return LIVE_PREFIX if environment == "production" else TEST_PREFIX


def make_key(prefix: str) -> str:
    """A fresh key with 190 random bits."""
    body = f"{prefix}{_random(_PUBLIC_ID_LENGTH)}_{_random(_SECRET_LENGTH)}"
    return body + _checksum(body)


def parse_key(key: str) -> KeyParts | None:
    """The parts of a well-formed key with the right checksum; None for anything else."""
    found = _KEY.fullmatch(key)
    if found is None or _checksum(key[:-_CHECKSUM_LENGTH]) != found["checksum"]:
        return None
    return KeyParts(found["prefix"], found["public_id"])


def key_digest(key: str, pepper: str) -> str:
    """What is stored instead of a key. A fast hash is right for 190 random bits."""
    return hmac.new(pepper.encode(), key.encode(), hashlib.sha256).hexdigest()


def same_digest(one: str, other: str) -> bool:
    """Compare in constant time, whatever a header may hold."""
    pair = (text.encode(errors="surrogatepass") for text in (one, other))
    return hmac.compare_digest(*pair)


def _random(length: int) -> str:
    return "".join(secrets.choice(_DIGITS) for _ in range(length))


def _checksum(body: str) -> str:
    value = zlib.crc32(body.encode())
    figures = ""
    for _ in range(_CHECKSUM_LENGTH):
        value, rest = divmod(value, len(_DIGITS))
        figures = _DIGITS[rest] + figures
    return figures
