"""A photo that is another one once more, cut or edited, with its tags copied."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from proofs.checks.findings import FindingCode, Severity
from proofs.checks.same_shot import check_same_shot
from proofs.checks.travel import KnownPhoto, Taken

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HASH = "0123456789abcdef" * 4
FACTS: dict[str, Any] = {
    "taken_at_local": "2026-11-24T12:00:00",
    "width": 4000,
    "height": 3000,
    "perceptual_hash": HASH,
}


def unlike(bits: int) -> str:
    return f"{int(HASH, 16) ^ ((1 << bits) - 1):064x}"


def found(
    facts: dict[str, Any] | None = None, *, after_s: float = 0, east: float = 0
) -> list[FindingCode]:
    known = KnownPhoto(
        reference=7, taken=Taken(at=NOON, latitude=5.35, longitude=-4.0), facts=FACTS
    )
    taken = Taken(at=NOON + timedelta(seconds=after_s), latitude=5.35, longitude=-4.0 + east)
    findings = check_same_shot(taken=taken, facts=FACTS | (facts or {}), known_photos=[known])
    assert all(one.severity is Severity.SOFT for one in findings)
    assert all(one.data == {"matches": [{"reference": 7}]} for one in findings)
    return [one.code for one in findings]


@pytest.mark.parametrize(
    "facts",
    [
        {"width": 3600, "height": 2700, "perceptual_hash": unlike(128)},  # cut, whatever is left
        {"perceptual_hash": unlike(120)},  # cut and made as large again
        {"width": 3000, "height": 4000, "perceptual_hash": unlike(100)},  # or of the same burst
        {"perceptual_hash": None},
    ],
)
def test_a_photo_of_the_same_second_and_place_is_held_whatever_it_shows(
    facts: dict[str, Any],
) -> None:
    assert found(facts) == [FindingCode.REUSED_SHOT]


@pytest.mark.parametrize(
    ("facts", "after_s", "east"),
    [
        ({"width": 3600}, 1, 0),
        ({"width": 3600}, 0, 0.0000001),
        # The position's time is older than both photos, whose clocks differ.
        ({"width": 3600, "taken_at_local": "2026-11-24T12:00:09"}, 0, 0),
    ],
)
def test_another_moment_or_place_is_another_photo(
    facts: dict[str, Any], after_s: float, east: float
) -> None:
    assert found(facts, after_s=after_s, east=east) == []
