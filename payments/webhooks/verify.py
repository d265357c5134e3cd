"""Is this body the PSP's own? Bytes in, an answer out; nothing a stranger sends makes it raise.

Signed is `timestamp.rawbody` with HMAC-SHA256; the signature is its lower- or upper-case hex.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

_TIMESTAMP = re.compile(rb"[0-9]{1,12}")
_SIGNATURE = re.compile(rb"[0-9a-fA-F]{64}")
# Longer headers are never looked at.
_MAX_HEADER = 256


class Verdict(StrEnum):
    """What is wrong with a delivery, or that nothing is. UNVERIFIABLE: there is no secret."""

    GENUINE = "genuine"
    UNVERIFIABLE = "unverifiable"
    MISSING = "missing"
    TIMESTAMP_INVALID = "timestamp_invalid"
    DRIFT = "drift"
    SIGNATURE_INVALID = "signature_invalid"


@dataclass(frozen=True, slots=True)
class Secret:
    """One active secret; `id` says which one in logs and records, without giving it away."""

    id: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Verified:
    """The answer. secret_id: who signed. age_s: for DRIFT, how old the delivery claims to be."""

    verdict: Verdict
    secret_id: str = ""
    age_s: int = 0


def verify(
    *,
    body: bytes,
    timestamp: str | None,
    signature: str | None,
    secrets: Sequence[Secret],
    now_s: int,
    max_drift_s: int,
) -> Verified:
    """Judge one delivery by its headers and exact body. Never raises.

    Drift is judged in both directions and before the signature: an old capture and a clock that
    is wrong are told apart from a forgery, and cost no hashing.
    """
    if not secrets:
        return Verified(Verdict.UNVERIFIABLE)
    stamp, claimed = header_bytes(timestamp), header_bytes(signature)
    if not stamp or not claimed:
        return Verified(Verdict.MISSING)
    refused = judge_time(stamp, now_s, max_drift_s)
    if refused is not None:
        return refused
    return find_signer(body, stamp, [claimed], secrets)


def judge_time(stamp: bytes, now_s: int, max_drift_s: int) -> Verified | None:
    """What is wrong with a timestamp; None when nothing is."""
    if _TIMESTAMP.fullmatch(stamp) is None:
        return Verified(Verdict.TIMESTAMP_INVALID)
    age_s = now_s - int(stamp)
    return Verified(Verdict.DRIFT, age_s=age_s) if abs(age_s) > max_drift_s else None


def find_signer(
    body: bytes, stamp: bytes, claims: Sequence[bytes], secrets: Sequence[Secret]
) -> Verified:
    """Whose secret made one of the claimed signatures."""
    claimed = [claim.lower() for claim in claims if _SIGNATURE.fullmatch(claim)]
    # Every secret is tried, so that the time taken does not tell which one is active.
    made_by = [
        secret.id for secret in secrets if _is_among(sign(secret.value, stamp, body), claimed)
    ]
    if not made_by:
        return Verified(Verdict.SIGNATURE_INVALID)
    return Verified(Verdict.GENUINE, secret_id=made_by[0])


def sign(secret: bytes, timestamp: bytes, body: bytes) -> bytes:
    """The signature of `body` at `timestamp`, in hex."""
    return hmac.new(secret, timestamp + b"." + body, hashlib.sha256).hexdigest().encode()


def header_bytes(header: str | None, max_length: int = _MAX_HEADER) -> bytes:
    """A header as bytes: whatever is in it becomes bytes that match no grammar."""
    return (header or "")[:max_length].encode("utf-8", "surrogatepass")


def _is_among(signature: bytes, claimed: Sequence[bytes]) -> bool:
    return any([hmac.compare_digest(signature, claim) for claim in claimed])  # noqa: C419 - all of them
