"""Whether the same provider can have taken two photos so far apart in so little time. Pure.

Both the place and the time of a photo are claims, and two of them can contradict each other where
each is plausible alone. How far somebody gets is the more of two:

* by road or rail, 200 km an hour from door to door;
* by air, 1,000 km an hour after the first hour, which getting to a plane, up and out of it takes.

To that come what positions and clocks are wrong by: the errors that both photos state, 10 km for a
position that came from a mast or a fix not quite new, and five minutes of the clocks. So two photos
less than 27 km apart are never in doubt. Only photos whose instant is known are compared: without
its time zone one can be from any moment of 26 hours, in which a plane comes to any place on earth.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from geographiclib.geodesic import Geodesic

from proofs.checks.findings import Finding, FindingCode, Severity

ROAD_KMH = 200
AIR_KMH = 1_000
AIR_BEGINS_AFTER = timedelta(hours=1)
POSITION_SLACK_M = 10_000
CLOCK_SLACK = timedelta(minutes=5)
_HALF_EQUATOR_KM = 20_038
# Nothing on earth is further away than what is reached in this time.
EVERYWHERE_AFTER = AIR_BEGINS_AFTER + timedelta(hours=_HALF_EQUATOR_KM / AIR_KMH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Where and when a photo says that it was taken: degrees, metres of error, an aware instant."""

    at: datetime
    latitude: float
    longitude: float
    error_m: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPhoto:
    """A photo of an earlier proof: what refers to it, where and when it was taken, its facts."""

    reference: int | str
    taken: Taken
    facts: Mapping[str, Any] = field(default_factory=dict)


def reach_m(elapsed: timedelta) -> float:
    """How far somebody comes in a time, in metres."""
    by_road_km = ROAD_KMH * _hours(elapsed)
    by_air_km = AIR_KMH * _hours(elapsed - AIR_BEGINS_AFTER)
    return max(by_road_km, by_air_km) * 1000


def check_travel(*, taken: Taken, known_photos: Iterable[KnownPhoto]) -> list[Finding]:
    """Look for photos that contradict `taken`; at most one finding, which lists all of them.

    The matches come furthest first, each with its `reference`, `distance_km` and `minutes_between`;
    whose they are is for staff only.
    """
    found = [match for known in known_photos if (match := _contradiction(taken, known)) is not None]
    if not found:
        return []
    return [
        Finding(
            code=FindingCode.IMPOSSIBLE_TRAVEL,
            severity=Severity.SOFT,
            message="Nobody gets so fast from where another photo was taken to where this one was.",
            hint="Compare both; a place or a time was changed, or two people took them.",
            data={"matches": sorted(found, key=lambda match: -match["distance_km"])},
        )
    ]


def _contradiction(taken: Taken, known: KnownPhoto) -> dict[str, int | str | float] | None:
    other = known.taken
    apart_m = Geodesic.WGS84.Inverse(
        taken.latitude, taken.longitude, other.latitude, other.longitude, Geodesic.DISTANCE
    )["s12"]
    elapsed = abs(taken.at - other.at)
    unsure_m = POSITION_SLACK_M + _error_m(taken) + _error_m(other)
    if apart_m - unsure_m <= reach_m(elapsed + CLOCK_SLACK):
        return None
    return {
        "reference": known.reference,
        "distance_km": round(apart_m / 1000, 1),
        "minutes_between": round(elapsed.total_seconds() / 60, 1),
    }


def _error_m(taken: Taken) -> float:
    # Read from a stranger's file: below zero it means nothing.
    return max(taken.error_m or 0.0, 0.0)


def _hours(duration: timedelta) -> float:
    return duration.total_seconds() / 3600
