"""Whether a photo is another one once more, cut or edited, whoever sent that. Pure.

Tags are copied with a picture. Two photos that one camera took in the same second have their place
to the last digit in common only if it did not move, and then they are of one size; and they show
what the other shows. Where both say the same second and the same place, a copy that was cut has
another size, and one that was edited looks like the first.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from proofs.checks.duplicates import least_distance
from proofs.checks.findings import Finding, FindingCode, Severity
from proofs.checks.travel import KnownPhoto, Taken

# Of pictures that have nothing to do with each other two in 10,000 pairs are so near whichever way
# they are laid; a copy from whose sides a twentieth is cut is in 19 of 20 cases.
LIKE_BITS = 90


def check_same_shot(
    *, taken: Taken, facts: Mapping[str, Any], known_photos: Iterable[KnownPhoto]
) -> list[Finding]:
    """Look for photos of the same second and place; at most one finding, which lists all of them.

    `facts` are those of the photo. Each match has its `reference`; whose it is is for staff only.
    """
    matches = [
        {"reference": known.reference}
        for known in known_photos
        if _is_same_moment(taken, facts, known) and _is_a_copy(facts, known.facts)
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


def _is_a_copy(facts: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    if _size(facts) != _size(other):
        return True
    one_hash, other_hash = facts.get("perceptual_hash"), other.get("perceptual_hash")
    # Without structure pictures cannot be told from each other, and may be one.
    if one_hash is None or other_hash is None:
        return True
    return least_distance(one_hash, other_hash) <= LIKE_BITS


def _size(facts: Mapping[str, Any]) -> frozenset[Any]:
    """The two sides, whichever way the picture lies."""
    return frozenset({facts.get("width"), facts.get("height")})
