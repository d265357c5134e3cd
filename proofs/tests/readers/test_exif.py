"""Exif tags, whole, broken and hostile."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from proofs.readers.exif import PhotoTags, read_tags
from proofs.readers.facts import GpsState

Base, GPS, IFD = ExifTags.Base, ExifTags.GPS, ExifTags.IFD

ABIDJAN_GPS: dict[int, object] = {
    GPS.GPSLatitudeRef: "N",
    GPS.GPSLatitude: (5.0, 20.0, 43.1412),
    GPS.GPSLongitudeRef: "W",
    GPS.GPSLongitude: (4.0, 1.0, 27.9444),
}


def written(
    main: dict[int, object] | None = None,
    photo: dict[int, object] | None = None,
    gps: dict[int, object] | None = None,
) -> bytes:
    exif = Image.Exif()
    exif.update(main or {})
    exif.get_ifd(IFD.Exif).update(photo or {})
    exif.get_ifd(IFD.GPSInfo).update(gps or {})
    return exif.tobytes()


def of_gps(**changes: object) -> PhotoTags:
    """Read a valid position with some tags changed; None leaves a tag out."""
    gps = ABIDJAN_GPS | {GPS[name]: value for name, value in changes.items()}
    return read_tags(written(gps={tag: value for tag, value in gps.items() if value is not None}))


def test_a_valid_position_is_read_with_its_hemispheres() -> None:
    tags = of_gps()
    assert tags.gps_state is GpsState.VALID
    assert tags.latitude == pytest.approx(5.345317, abs=1e-9)
    assert tags.longitude == pytest.approx(-4.024429, abs=1e-9)


ZERO_BELOW = IFDRational(0, 0)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"GPSLatitude": (ZERO_BELOW,) * 3, "GPSLongitude": (ZERO_BELOW,) * 3}, "undefined"),
        ({"GPSLatitude": (5.0, 20.0, ZERO_BELOW)}, "undefined"),
        ({"GPSLatitude": (IFDRational(5, 0), 20.0, 43.0)}, "undefined"),
        ({"GPSLatitude": None}, "undefined"),
        ({"GPSLongitude": None}, "undefined"),
        ({"GPSLatitudeRef": None}, "undefined"),
        ({"GPSLongitudeRef": "\0"}, "undefined"),
        ({"GPSLongitudeRef": "N"}, "undefined"),
        ({"GPSLatitude": (5.0, 20.0)}, "undefined"),
        ({"GPSLatitude": (0.0, 0.0, 0.0), "GPSLongitude": (0.0, 0.0, 0.0)}, "zero"),
        (
            {
                "GPSLatitude": (0.0, 0.0, 0.0),
                "GPSLongitude": (0.0, 0.0, 0.0),
                "GPSLatitudeRef": None,
            },
            "zero",
        ),
        ({"GPSLatitude": (91.0, 0.0, 0.0)}, "out_of_range"),
        ({"GPSLatitude": (90.0, 0.0, 0.001)}, "out_of_range"),
        ({"GPSLongitude": (180.0, 0.0, 1.0)}, "out_of_range"),
        ({"GPSLatitude": None, "GPSLongitude": None}, "absent"),
    ],
)
def test_d02_a_position_that_is_none_gives_no_coordinates(
    changes: dict[str, object], state: str
) -> None:
    tags = of_gps(**changes)
    assert tags.gps_state.value == state
    assert tags.latitude is None
    assert tags.longitude is None


def test_d02_text_for_numbers_is_no_position() -> None:
    raw = of_gps_with_type(GPS.GPSLatitude, type_code=2)
    tags = read_tags(raw)
    assert tags.gps_state is GpsState.UNDEFINED
    assert tags.latitude is None


def of_gps_with_type(tag: int, *, type_code: int) -> bytes:
    """Write a valid position, then declare one of its tags to be of another type."""
    raw = bytearray(written(gps=ABIDJAN_GPS))
    entry = raw.index(int(tag).to_bytes(2, "big") + b"\x00\x05\x00\x00\x00\x03")
    raw[entry + 2 : entry + 4] = type_code.to_bytes(2, "big")
    return bytes(raw)


def test_zero_on_one_axis_is_a_place() -> None:
    tags = of_gps(GPSLatitude=(0.0, 0.0, 0.0))
    assert tags.gps_state is GpsState.VALID
    assert tags.latitude == 0


@pytest.mark.parametrize(
    ("value", "expected"),
    [(4.8, 4.8), (0.0, 0.0), (2000.0, 2000.0), (ZERO_BELOW, None), (IFDRational(5, 0), None)],
)
def test_the_positions_own_error_is_metres_or_nothing(
    value: object, expected: float | None
) -> None:
    assert of_gps(GPSHPositioningError=value).positioning_error_m == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026:03:10 11:30:00", "2026-03-10T11:30:00"),
        ("2026:03:10 11:30:00\0", "2026-03-10T11:30:00"),
        ("2026-03-10T11:30:00", "2026-03-10T11:30:00"),
        ("2026:03:10 11:30:00.123", "2026-03-10T11:30:00"),
        ("0000:00:00 00:00:00", None),
        ("    :  :     :  :  ", None),
        ("2026:02:30 11:30:00", None),
        ("2026:03:10 24:00:00", None),
        ("2026:03:10", None),
        ("2026:03:10 11:30:00+02:00", None),
        ("٢٠٢٦:03:10 11:30:00", None),
        ("", None),
    ],
)
def test_the_capture_time_is_read_as_an_iso_time_or_not_at_all(
    value: str, expected: str | None
) -> None:
    photo: dict[int, object] = {Base.DateTimeOriginal: value}
    assert read_tags(written(photo=photo)).taken_at_local == expected


def test_the_time_of_the_last_change_is_no_capture_time() -> None:
    main: dict[int, object] = {Base.DateTime: "2026:03:10 11:30:00"}
    assert read_tags(written(main=main)).taken_at_local is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("+02:00", "+02:00"),
        ("-03:30", "-03:30"),
        ("Z", "+00:00"),
        ("+14:00", "+14:00"),
        ("-12:00", "-12:00"),
        ("+14:01", None),
        ("-12:15", None),
        ("+01:60", None),
        ("+1:00", None),
        ("   :  ", None),
    ],
)
def test_an_offset_is_one_that_exists(value: str, expected: str | None) -> None:
    assert read_tags(written(photo={Base.OffsetTimeOriginal: value})).utc_offset == expected


@pytest.mark.parametrize(
    ("date", "time_of_day", "expected"),
    [
        ("2026:03:10", (11.0, 29.0, 58.7), "2026-03-10T11:29:58+00:00"),
        ("2026:03:10", (23.0, 59.0, 60.0), "2026-03-11T00:00:00+00:00"),
        ("2026:03:10", (24.0, 0.0, 0.0), None),
        ("2026:03:10", (ZERO_BELOW, 0.0, 0.0), None),
        ("2026:13:10", (1.0, 0.0, 0.0), None),
        ("9999:12:31", (23.0, 59.0, 60.0), None),
        (None, (11.0, 29.0, 58.0), None),
        ("2026:03:10", None, None),
    ],
)
def test_the_gps_time_needs_both_its_parts(
    date: str | None, time_of_day: object, expected: str | None
) -> None:
    assert of_gps(GPSDateStamp=date, GPSTimeStamp=time_of_day).gps_time_utc == expected


def test_texts_are_cleaned_and_shortened() -> None:
    main: dict[int, object] = {
        Base.Make: "LEICA CAMERA AG\0\0\0",
        Base.Model: "\x01\x02 \n",
        Base.Software: "x" * 500,
    }
    tags = read_tags(written(main=main))
    assert tags.make == "LEICA CAMERA AG"
    assert tags.model is None
    assert tags.software == "x" * 100


@pytest.mark.parametrize(("value", "expected"), [(1, 1), (6, 6), (8, 8), (0, None), (9, None)])
def test_an_orientation_is_one_of_eight(value: int, expected: int | None) -> None:
    assert read_tags(written(main={Base.Orientation: value})).orientation == expected


@pytest.mark.parametrize("raw", [None, b"", b"Exif\0\0", b"II*\0", b"not exif at all", b"\0" * 100])
def test_without_readable_tags_everything_is_absent(raw: bytes | None) -> None:
    tags = read_tags(raw)
    assert tags.gps_state is GpsState.ABSENT
    assert tags.taken_at_local is None
    assert tags.make is None


def test_tags_beyond_any_cameras_size_are_not_read() -> None:
    raw = written(main={Base.Make: "Tecno"})
    assert read_tags(raw).make == "Tecno"
    assert read_tags(raw + b"\0" * 1_000_000).make is None


WHOLE = written(
    main={Base.Make: "Tecno", Base.Orientation: 6},
    photo={Base.DateTimeOriginal: "2026:03:10 11:30:00", Base.OffsetTimeOriginal: "+00:00"},
    gps=ABIDJAN_GPS | {GPS.GPSHPositioningError: Fraction(48, 10)},
)


@given(
    changes=st.lists(
        st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=12
    )
)
@pytest.mark.filterwarnings("ignore")
def test_no_damage_makes_it_fail_and_what_it_calls_valid_is_on_the_globe(
    changes: list[tuple[int, int]],
) -> None:
    damaged = bytearray(WHOLE)
    for place, value in changes:
        damaged[place] = value
    tags = read_tags(bytes(damaged))
    assert (tags.gps_state is GpsState.VALID) == (tags.latitude is not None)
    if tags.latitude is not None:
        assert tags.longitude is not None
        assert abs(tags.latitude) <= 90
        assert abs(tags.longitude) <= 180


@given(length=st.integers(0, len(WHOLE)))
@pytest.mark.filterwarnings("ignore")
def test_tags_may_end_anywhere(length: int) -> None:
    read_tags(WHOLE[:length])
