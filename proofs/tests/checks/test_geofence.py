"""The fence at its edge, around the globe, and against positions that are none."""

import math
from decimal import Decimal

import pytest
from geographiclib.geodesic import Geodesic
from hypothesis import example, given
from hypothesis import strategies as st

from proofs.checks.findings import Finding, FindingCode, Severity
from proofs.checks.geofence import Geofence, check_position, distance_m, usable_position

ABIDJAN = (Decimal("5.345317"), Decimal("-4.024429"))
CENTRES = {
    "abidjan": ABIDJAN,
    "equator": (Decimal("0.000000"), Decimal("12.500000")),
    "antimeridian, from the east": (Decimal("-16.500000"), Decimal("179.999900")),
    "antimeridian, from the west": (Decimal("-16.500000"), Decimal("-180.000000")),
    "near the north pole": (Decimal("89.999900"), Decimal("45.000000")),
    "north pole": (Decimal("90.000000"), Decimal("0.000000")),
    "south pole": (Decimal("-90.000000"), Decimal("0.000000")),
}


def fence_at(centre: tuple[Decimal, Decimal] = ABIDJAN, radius_m: str = "100.00") -> Geofence:
    return Geofence(lat=centre[0], lng=centre[1], radius_m=Decimal(radius_m))


def at_distance(fence: Geofence, distance: float, bearing: float = 90.0) -> tuple[float, float]:
    """Give a position so many metres from the fence's centre, on the WGS-84 ellipsoid."""
    direct = Geodesic.WGS84.Direct(float(fence.lat), float(fence.lng), bearing, distance)
    return direct["lat2"], direct["lon2"]


def judge(
    position: tuple[object, object],
    fence: Geofence | None,
    *,
    error_m: object = None,
    gps_required: bool = False,
    came_by_link: bool = False,
) -> list[Finding]:
    return check_position(
        latitude=position[0],
        longitude=position[1],
        positioning_error_m=error_m,
        fence=fence,
        gps_required=gps_required,
        came_by_link=came_by_link,
    )


def codes(findings: list[Finding]) -> list[str]:
    return [finding.code.value for finding in findings]


@pytest.mark.parametrize("bearing", [0.0, 45.0, 90.0, 181.5, 270.0, 359.9])
@pytest.mark.parametrize("centre", CENTRES.values(), ids=CENTRES.keys())
@pytest.mark.parametrize("radius_m", ["0.50", "50.00", "200.00", "5000.00"])
def test_the_edge_belongs_to_the_fence_to_the_millimetre(
    centre: tuple[Decimal, Decimal], bearing: float, radius_m: str
) -> None:
    fence = fence_at(centre, radius_m)
    radius = float(radius_m)
    assert judge(at_distance(fence, radius - 0.001, bearing), fence) == []
    assert judge(at_distance(fence, radius, bearing), fence) == []
    outside = judge(at_distance(fence, radius + 0.001, bearing), fence)
    assert codes(outside) == ["GEOFENCE_VIOLATION"]
    assert outside[0].severity is Severity.HARD
    assert outside[0].data["distance_m"] == pytest.approx(radius + 0.001, abs=1e-9)


def test_half_a_millimetre_is_rounded_to_the_even_side() -> None:
    fence = fence_at(radius_m="100.00")
    assert judge(at_distance(fence, 100.00049), fence) == []
    assert codes(judge(at_distance(fence, 100.00051), fence)) == ["GEOFENCE_VIOLATION"]


def test_a_fence_reaches_over_the_antimeridian() -> None:
    fence = fence_at((Decimal("-16.500000"), Decimal("179.999000")), "300.00")
    assert judge((-16.5, -179.999), fence) == []
    assert codes(judge((-16.5, -179.99), fence)) == ["GEOFENCE_VIOLATION"]


def test_the_two_names_of_the_antimeridian_are_one_place() -> None:
    fence = fence_at((Decimal("10.000000"), Decimal("180.000000")), "0.00")
    assert judge((10.0, -180.0), fence) == []


def test_a_fence_reaches_over_a_pole() -> None:
    fence = fence_at((Decimal("89.999500"), Decimal("0.000000")), "120.00")
    assert judge((89.9995, 180.0), fence) == []
    assert codes(judge((89.999, 180.0), fence)) == ["GEOFENCE_VIOLATION"]


def test_every_longitude_at_a_pole_is_the_pole() -> None:
    fence = fence_at((Decimal("90.000000"), Decimal("0.000000")), "0.00")
    assert judge((90.0, 137.0), fence) == []


def test_a_degree_is_measured_on_the_ellipsoid_and_not_on_a_sphere() -> None:
    fence = fence_at((Decimal("0.000000"), Decimal("10.000000")), "0.00")
    assert distance_m(fence=fence, latitude=0.0, longitude=11.0) == Decimal("111319.491")
    assert distance_m(fence=fence, latitude=1.0, longitude=10.0) == Decimal("110574.389")


UNUSABLE: dict[str, tuple[object, object]] = {
    "absent": (None, None),
    "half": (5.3, None),
    "not a number": (math.nan, math.nan),
    "half not a number": (5.345317, math.nan),
    "infinite": (math.inf, -4.0),
    "no fix": (0.0, 0.0),
    "no fix, negative zeros": (-0.0, -0.0),
    "no fix, whole numbers": (0, 0),
    "latitude too high": (90.000001, 10.0),
    "longitude too low": (5.0, -180.000001),
    "text": ("5.345317", "-4.024429"),
    "text that is no number": ("nan", "nan"),
    "truth values": (True, True),
    "a number beyond floats": (10**400, 10**400),
    "a list": ([5.3], [-4.0]),
}


@pytest.mark.parametrize("position", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_d02_an_unusable_position_never_passes_a_fence(position: tuple[object, object]) -> None:
    held = judge(position, fence_at(radius_m="20000000.00"))
    assert codes(held) == ["MISSING_GPS"]
    assert held[0].severity is Severity.SOFT
    refused = judge(position, fence_at(radius_m="20000000.00"), gps_required=True)
    assert codes(refused) == ["MISSING_GPS"]
    assert refused[0].severity is Severity.HARD


def test_the_zero_meridian_and_the_equator_are_places() -> None:
    assert usable_position(51.4779, 0.0) == (51.4779, 0.0)
    assert usable_position(0.0, 9.4) == (0.0, 9.4)


def test_a_photo_by_link_is_never_refused_for_lack_of_a_position() -> None:
    findings = judge((None, None), fence_at(), gps_required=True, came_by_link=True)
    assert [finding.severity for finding in findings] == [Severity.SOFT]


def test_without_a_fence_a_position_is_asked_for_only_where_gps_is_required() -> None:
    assert judge((None, None), None) == []
    assert judge((5.3, -4.0), None, gps_required=True) == []
    refused = judge((math.nan, -4.0), None, gps_required=True)
    assert [(finding.code, finding.severity) for finding in refused] == [
        (FindingCode.MISSING_GPS, Severity.HARD)
    ]


@pytest.mark.parametrize(
    ("distance", "error_m", "expected"),
    [
        (90.0, 10.0, []),
        (90.0, 10.001, ["GEOFENCE_UNCERTAIN"]),
        (100.0, 0.0, []),
        (100.0, 0.001, ["GEOFENCE_UNCERTAIN"]),
        (0.0, 65.0, []),
        (0.0, 2000.0, ["GEOFENCE_UNCERTAIN"]),
        (0.0, 1e300, ["GEOFENCE_UNCERTAIN"]),
        (100.001, 65.0, ["GEOFENCE_VIOLATION"]),
        (90.0, math.nan, []),
        (90.0, -50.0, []),
        (90.0, "50", []),
        (90.0, None, []),
    ],
)
def test_a_position_whose_own_error_reaches_over_the_edge_is_uncertain(
    distance: float, error_m: object, expected: list[str]
) -> None:
    fence = fence_at(radius_m="100.00")
    assert codes(judge(at_distance(fence, distance), fence, error_m=error_m)) == expected


def test_an_uncertain_position_is_held_with_its_figures() -> None:
    fence = fence_at(radius_m="100.00")
    (finding,) = judge(at_distance(fence, 90), fence, error_m=38.813)
    assert finding.severity is Severity.SOFT
    assert finding.data == {
        "distance_m": 90.0,
        "radius_m": 100.0,
        "positioning_error_m": 38.813,
        "method": "WGS-84 geodesic",
    }


def test_the_words_of_a_violation_give_no_figure_away() -> None:
    fence = fence_at(radius_m="123.00")
    (finding,) = judge(at_distance(fence, 456.789), fence)
    assert not any(character.isdigit() for character in finding.message + finding.hint)


@pytest.mark.parametrize(
    ("lat", "lng", "radius_m"),
    [
        ("NaN", "0", "1"),
        ("0", "Infinity", "1"),
        ("90.000001", "0", "1"),
        ("0", "180.000001", "1"),
        ("0", "0", "-0.01"),
        ("0", "0", "NaN"),
    ],
)
def test_a_fence_that_means_nothing_is_no_fence(lat: str, lng: str, radius_m: str) -> None:
    with pytest.raises(ValueError, match="geofence"):
        Geofence(lat=Decimal(lat), lng=Decimal(lng), radius_m=Decimal(radius_m))


numbers = st.floats(allow_nan=True, allow_infinity=True, width=64) | st.none() | st.text(max_size=8)


@given(latitude=numbers, longitude=numbers, error_m=numbers)
@example(latitude=math.nan, longitude=math.nan, error_m=math.nan)
def test_what_passes_a_fence_is_a_position_inside_it(
    latitude: object, longitude: object, error_m: object
) -> None:
    fence = fence_at(radius_m="1000000.00")
    if judge((latitude, longitude), fence, error_m=error_m) == []:
        assert isinstance(latitude, float)
        assert isinstance(longitude, float)
        inverse = Geodesic.WGS84.Inverse(float(fence.lat), float(fence.lng), latitude, longitude)
        assert inverse["s12"] <= 1000000.0006


@given(
    latitude=st.floats(-90, 90),
    longitude=st.floats(-180, 180),
    bearing=st.floats(0, 360),
    radius_cm=st.integers(100, 1_000_000),
)
def test_the_edge_is_sharp_everywhere(
    latitude: float, longitude: float, bearing: float, radius_cm: int
) -> None:
    radius = Decimal(radius_cm).scaleb(-2)
    centre = (Decimal(repr(round(latitude, 6))), Decimal(repr(round(longitude, 6))))
    fence = Geofence(lat=centre[0], lng=centre[1], radius_m=radius)
    inside = at_distance(fence, float(radius) - 0.001, bearing)
    outside = at_distance(fence, float(radius) + 0.001, bearing)
    if usable_position(*inside) and usable_position(*outside):
        assert judge(inside, fence) == []
        assert codes(judge(outside, fence)) == ["GEOFENCE_VIOLATION"]
