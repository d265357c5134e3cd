"""Whether a photo was taken where the work is.

Distances are geodesics on the WGS-84 ellipsoid, which is what GPS positions refer to; a sphere
would be wrong by up to half a percent. They are rounded to a millimetre before they are compared,
so that noise in the last digits of a float never decides.
"""

import math
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from geographiclib.geodesic import Geodesic

from proofs.checks.findings import Finding, FindingCode, Severity

MILLIMETRE = Decimal("0.001")
METHOD = "WGS-84 geodesic"
HALF_EQUATOR_M = 20_037_508.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Geofence:
    """The circle in which a milestone's photo must be taken, as the milestone stores it.

    Degrees with six decimals, the radius in metres with two; the edge belongs to the circle.
    Raises ValueError for a centre that is not on the globe or a radius below zero.
    """

    lat: Decimal
    lng: Decimal
    radius_m: Decimal

    def __post_init__(self) -> None:
        """Refuse a circle in which no answer would mean anything."""
        if not all(value.is_finite() for value in (self.lat, self.lng, self.radius_m)):
            raise ValueError("a geofence needs finite numbers")
        if abs(self.lat) > 90 or abs(self.lng) > 180 or self.radius_m < 0:
            raise ValueError("a geofence lies on the globe and has a radius of zero or more")


def usable_position(latitude: object, longitude: object) -> tuple[float, float] | None:
    """Give the position in degrees, None where the pair is not one.

    Only numbers count. NaN and infinity come from broken rationals, and 0,0 is what devices write
    when they have no fix.
    """
    degrees = _finite(latitude), _finite(longitude)
    if degrees[0] is None or degrees[1] is None or degrees == (0.0, 0.0):
        return None
    if abs(degrees[0]) > 90 or abs(degrees[1]) > 180:
        return None
    return degrees[0], degrees[1]


def distance_m(*, fence: Geofence, latitude: float, longitude: float) -> Decimal:
    """Give the distance from the fence's centre in metres, rounded to a millimetre."""
    geodesic = Geodesic.WGS84.Inverse(
        float(fence.lat), float(fence.lng), latitude, longitude, Geodesic.DISTANCE
    )
    return Decimal(geodesic["s12"]).quantize(MILLIMETRE, rounding=ROUND_HALF_EVEN)


def check_position(
    *,
    latitude: object,
    longitude: object,
    positioning_error_m: object,
    fence: Geofence | None,
    gps_required: bool,
    came_by_link: bool,
) -> list[Finding]:
    """Judge the position that a photo claims, in degrees, with its error in metres.

    Without a fence and without `gps_required` nothing is asked of the position. A photo that came
    by a proof link is never refused for lack of one, because phones strip it from uploads: a device
    position and a person stand in for it.
    """
    position = usable_position(latitude, longitude)
    if position is None:
        if fence is None and not gps_required:
            return []
        return [_missing_gps(is_hard=gps_required and not came_by_link)]
    if fence is None:
        return []
    distance = distance_m(fence=fence, latitude=position[0], longitude=position[1])
    error = _usable_error_m(positioning_error_m)
    data = {
        "distance_m": float(distance),
        "radius_m": float(fence.radius_m),
        "positioning_error_m": None if error is None else float(error),
        "method": METHOD,
    }
    # Written as "not inside", so that whatever cannot be compared is outside.
    if not (distance <= fence.radius_m):
        return [_violation(data)]
    if error is not None and distance + error > fence.radius_m:
        return [_uncertain(data)]
    return []


def _missing_gps(*, is_hard: bool) -> Finding:
    return Finding(
        code=FindingCode.MISSING_GPS,
        severity=Severity.HARD if is_hard else Severity.SOFT,
        message="The photo does not say where it was taken.",
        hint="Switch on location for the camera and send the original of a new photo.",
    )


def _violation(data: dict[str, float | str | None]) -> Finding:
    return Finding(
        code=FindingCode.GEOFENCE_VIOLATION,
        severity=Severity.HARD,
        message="The photo was taken outside the agreed place.",
        hint="Take the photo on the site, with location switched on and a clear view of the sky.",
        data=data,
    )


def _uncertain(data: dict[str, float | str | None]) -> Finding:
    return Finding(
        code=FindingCode.GEOFENCE_UNCERTAIN,
        severity=Severity.SOFT,
        message="The photo's position is too vague to say that it is inside the agreed place.",
        hint="A person will look at it. Wait for a good position before the next photo.",
        data=data,
    )


def _usable_error_m(value: object) -> Decimal | None:
    error = _finite(value)
    if error is None or error < 0:
        return None
    # Nothing is further away than half the equator, and a Decimal has room for no more digits.
    return Decimal(min(error, HALF_EQUATOR_M)).quantize(MILLIMETRE, rounding=ROUND_HALF_EVEN)


def _finite(value: object) -> float | None:
    """Give a finite number as a float; text, booleans, NaN and infinity are not numbers here."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
