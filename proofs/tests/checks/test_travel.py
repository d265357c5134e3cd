"""Two photos that nobody can have taken both."""

from datetime import UTC, datetime, timedelta

import pytest

from proofs.checks.findings import FindingCode, Severity
from proofs.checks.travel import EVERYWHERE_AFTER, KnownPhoto, Taken, check_travel, reach_m

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ABIDJAN, YAMOUSSOUKRO, PARIS = (5.35, -4.0), (6.82, -5.27), (48.85, 2.35)
WELLINGTON, MADRID = (-41.29, 174.78), (40.42, -3.70)


def taken(place: tuple[float, float], after: timedelta, error_m: float | None = None) -> Taken:
    return Taken(at=NOON + after, latitude=place[0], longitude=place[1], error_m=error_m)


def codes(one: Taken, other: Taken) -> list[FindingCode]:
    known = [KnownPhoto(reference=7, taken=other)]
    return [finding.code for finding in check_travel(taken=one, known_photos=known)]


@pytest.mark.parametrize(
    ("place", "after", "impossible"),
    [
        (YAMOUSSOUKRO, timedelta(minutes=30), True),  # 215 km
        (YAMOUSSOUKRO, timedelta(hours=2), False),  # by road
        (PARIS, timedelta(hours=3), True),  # 4,900 km
        (PARIS, timedelta(hours=6, minutes=15), False),  # the direct flight
        (ABIDJAN, timedelta(0), False),
        ((5.55, -4.0), timedelta(0), False),  # 22 km: a poor fix
        ((5.65, -4.0), timedelta(0), True),  # 33 km
    ],
)
def test_a_journey_is_judged_by_what_cars_and_planes_can_do(
    *, place: tuple[float, float], after: timedelta, impossible: bool
) -> None:
    here = taken(ABIDJAN, timedelta(0))
    for elapsed in (after, -after):
        there = taken(place, elapsed)
        expected = [FindingCode.IMPOSSIBLE_TRAVEL] if impossible else []
        assert codes(here, there) == codes(there, here) == expected


def test_the_errors_that_both_photos_state_count_for_them() -> None:
    here, there = taken(ABIDJAN, timedelta(0), 3_000.0), taken((5.65, -4.0), timedelta(0), 5_000.0)

    assert codes(here, there) == []
    assert codes(here, taken((5.65, -4.0), timedelta(0), -5_000.0)) != []


def test_the_other_end_of_the_world_is_reached_in_the_time_that_is_looked_through() -> None:
    there = taken(WELLINGTON, EVERYWHERE_AFTER)

    assert codes(taken(MADRID, timedelta(0)), there) == []
    assert codes(taken(MADRID, timedelta(0)), taken(WELLINGTON, timedelta(hours=20))) != []
    assert reach_m(EVERYWHERE_AFTER) == pytest.approx(20_038_000)


def test_one_soft_finding_tells_staff_every_photo_furthest_first() -> None:
    known = [
        KnownPhoto(reference=number, taken=taken(place, timedelta(minutes=10)))
        for number, place in enumerate((YAMOUSSOUKRO, ABIDJAN, PARIS), start=1)
    ]

    (finding,) = check_travel(taken=taken(ABIDJAN, timedelta(0)), known_photos=known)

    assert finding.severity is Severity.SOFT
    matches = finding.data["matches"]
    assert [match["reference"] for match in matches] == [3, 1]
    assert matches[1] == {"reference": 1, "distance_km": 214.9, "minutes_between": 10.0}
