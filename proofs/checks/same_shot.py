"""Whether a photo is another one once more, cut or edited, whoever sent that. Pure.

Tags are copied with a picture. That two photos say the same second and the same place to the last
digit tells that one is a piece or an edited copy of the other, or that both are of one burst; and
who proves two things within one second from one spot is asked, whatever the pictures show.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from proofs.checks.findings import Finding, FindingCode, Severity
from proofs.checks.travel import KnownPhoto, Taken


def check_same_shot(
    *, taken: Taken, facts: Mapping[str, Any], known_photos: Iterable[KnownPhoto]
) -> list[Finding]:
    """Look for photos of the same second and place; at most one finding, which lists all of them.

    `facts` are those of the photo. Each match has its `reference`; whose it is is for staff only.
    """
    matches = [
        {"reference": known.reference}
        for known in known_photos
        if _is_same_moment(taken, facts, known)
    ]
    if not matches:
        return []
    return [
        Finding(
            code=FindingCode.REUSED_SHOT,
            severity=Severity.SOFT,
            message="Another photo says that it was taken in the same second at the same place.",
            hint="Compare both; one may be a part of the other, or an edited copy.",
            data={"matches": matches},
        )
    ]


def _is_same_moment(taken: Taken, facts: Mapping[str, Any], known: KnownPhoto) -> bool:
    # A position's own time can be older than the photo, so the camera's clock counts besides.
    return (
        taken.at == known.taken.at
        and facts.get("taken_at_local") == known.facts.get("taken_at_local")
        and (taken.latitude, taken.longitude) == (known.taken.latitude, known.taken.longitude)
    )
