"""Whether other proofs speak against one: the same file or picture, or photos from far away."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection

from kobatela.kernel.caller import Caller
from proofs.checks.duplicates import check_reuse
from proofs.checks.findings import Finding, Severity
from proofs.checks.same_shot import check_same_shot
from proofs.checks.travel import Taken, check_travel
from proofs.errors import DuplicateProof
from proofs.selectors import (
    MAX_MATCHES,
    SameFile,
    images_to_compare,
    photos_taken_around,
    photos_taken_at,
    same_file,
)
from proofs.states import ReviewReason

# Locks of this application's own, apart from those of other parts.
_FILE_LOCKS = 7101


@dataclass(frozen=True, slots=True)
class Reuse:
    """Earlier proofs with the same bytes that do not forbid this one."""

    proof_ids: tuple[int, ...] = ()
    reasons: tuple[ReviewReason, ...] = ()
    findings: tuple[dict[str, Any], ...] = ()


def look_for_file(*, caller: Caller, file_sha256: str) -> Reuse:
    """Look for the same bytes in other proofs; the answer holds to the end of the transaction.

    Raises DuplicateProof where a live proof that the caller may see has them. Other proofs with
    them are a reason for a person to look: REUSED_FILE for those of other parties, of which the
    caller is not told, and RESUBMITTED_FILE for rejected ones that the caller may see.
    """
    if not file_sha256:
        return Reuse()
    _lock_file(file_sha256)
    earlier = same_file(file_sha256)
    own = [proof for proof in earlier if _may_see(caller, proof)]
    foreign = [proof for proof in earlier if not _may_see(caller, proof)]
    live = next((proof for proof in own if proof.is_live), None)
    if live is not None:
        raise DuplicateProof(proof_id=live.proof_id)
    reasons = []
    findings = []
    if foreign:
        reasons.append(ReviewReason.REUSED_FILE)
        findings.append(_finding(ReviewReason.REUSED_FILE, foreign))
    if own:
        reasons.append(ReviewReason.RESUBMITTED_FILE)
        findings.append(_finding(ReviewReason.RESUBMITTED_FILE, own))
    return Reuse(tuple(proof.proof_id for proof in earlier), tuple(reasons), tuple(findings))


def look_for_picture(
    *, perceptual_hash: str | None, provider_id: int, but: tuple[int, ...]
) -> list[Finding]:
    """Look for nearly the same picture in other proofs than `but`: at most one finding.

    Mirrored and turned ones are looked for among the newest of all, and the provider's own.
    """
    if perceptual_hash is None:
        return []
    known_images = images_to_compare(perceptual_hash, provider_id=provider_id, but=but)
    return check_reuse(perceptual_hash=perceptual_hash, known_images=known_images)


def look_around(
    *, provider_id: int, taken: Taken | None, facts: Mapping[str, Any], but: tuple[int, ...]
) -> list[Finding]:
    """Look for photos of the provider that contradict this one, and for anybody's, in other proofs
    than `but`, that say that they are this one: at most one finding of each kind.

    A rejected photo contradicts nothing, but is sent again all the same.
    """
    if taken is None:
        return []
    around = photos_taken_around(provider_id=provider_id, at=taken.at)
    same_moment = photos_taken_at(taken=taken, but=but)
    return [
        *check_travel(taken=taken, known_photos=around),
        *check_same_shot(taken=taken, facts=facts, known_photos=same_moment),
    ]


_MESSAGES = {
    ReviewReason.REUSED_FILE: "The same file is in a proof of other parties.",
    ReviewReason.RESUBMITTED_FILE: "The same file was rejected before.",
}


def _finding(code: ReviewReason, proofs: list[SameFile]) -> dict[str, Any]:
    return {
        "code": code.value,
        "severity": Severity.SOFT.value,
        "message": _MESSAGES[code],
        "hint": "Compare both proofs before you decide.",
        "data": {"matches": [{"reference": proof.proof_id} for proof in proofs[:MAX_MATCHES]]},
    }


def _may_see(caller: Caller, proof: SameFile) -> bool:
    return (
        caller.is_staff
        or caller.may_act_for(proof.client_id)
        or caller.may_act_for(proof.provider_id)
    )


def _lock_file(file_sha256: str) -> None:
    """Let two proofs with the same bytes be stored one after the other, on whatever escrows."""
    key = int(file_sha256[:8], 16) - 2**31
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_FILE_LOCKS, key])
