"""Is this body Stripe's own? As `verify`, with Stripe's one header: `t=…,v1=…[,v1=…][,v0=…]`.

Signed is `t.rawbody`; the key is the whole secret, `whsec_` included. Stripe's own library takes
timestamps years ahead and raises on some headers; this one does neither.
"""

from collections.abc import Sequence

from payments.webhooks.verify import (
    Secret,
    Verdict,
    Verified,
    find_signer,
    header_bytes,
    judge_time,
)

# During a change of secrets Stripe signs with two; a header with many more only costs time.
_MAX_SIGNATURES = 10
_MAX_HEADER = 2_048


def verify_stripe(
    *, body: bytes, header: str | None, secrets: Sequence[Secret], now_s: int, max_drift_s: int
) -> Verified:
    """Judge one delivery by its Stripe-Signature header and exact body. Never raises.

    There must be one `t`; any `v1` may be the right one; items of other names are not looked at.
    """
    if not secrets:
        return Verified(Verdict.UNVERIFIABLE)
    items = [item.partition(b"=") for item in header_bytes(header, _MAX_HEADER).split(b",")]
    stamps = [value for name, _, value in items if name == b"t"]
    claims = [value for name, _, value in items if name == b"v1"]
    if not claims:
        return Verified(Verdict.MISSING)
    if len(stamps) != 1:
        return Verified(Verdict.TIMESTAMP_INVALID)
    refused = judge_time(stamps[0], now_s, max_drift_s)
    if refused is not None:
        return refused
    if len(claims) > _MAX_SIGNATURES:
        return Verified(Verdict.SIGNATURE_INVALID)
    return find_signer(body, stamps[0], claims, secrets)
