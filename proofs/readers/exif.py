"""Exif tags of a picture, read so that a broken tag costs its directory and not the picture."""

import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from PIL import ExifTags, Image, TiffImagePlugin

from proofs.readers.facts import GpsState

# Cameras write some tens of kilobytes. More would let many tags point at the same bytes, each of
# which is copied.
MAX_EXIF_BYTES = 1_000_000
MAX_TEXT_CHARS = 100
MAX_OFFSET = timedelta(hours=14)
MIN_OFFSET = timedelta(hours=-12)

# What Pillow raises on hostile tags.
TAG_ERRORS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    struct.error,
    SyntaxError,
    TypeError,
    ValueError,
)

_LOCAL_TIME = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d):(\d\d)(\.\d+)?", re.ASCII)
_DATE = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)", re.ASCII)
_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoTags:
    """What the Exif tags of a photo say; the fields are those of `ImageFacts`."""

    orientation: int | None
    make: str | None
    model: str | None
    software: str | None
    taken_at_local: str | None
    utc_offset: str | None
    gps_time_utc: str | None
    latitude: float | None
    longitude: float | None
    gps_state: GpsState
    positioning_error_m: float | None


def read_tags(raw_exif: bytes | None) -> PhotoTags:
    """Read the tags from a picture's Exif bytes, as its container holds them. Never raises."""
    main, photo, gps = _directories(raw_exif)
    gps_state, latitude, longitude = _position(gps)
    return PhotoTags(
        orientation=_orientation(main.get(ExifTags.Base.Orientation)),
        make=_text(main.get(ExifTags.Base.Make)),
        model=_text(main.get(ExifTags.Base.Model)),
        software=_text(main.get(ExifTags.Base.Software)),
        taken_at_local=_local_time(photo.get(ExifTags.Base.DateTimeOriginal)),
        utc_offset=_utc_offset(photo.get(ExifTags.Base.OffsetTimeOriginal)),
        gps_time_utc=_gps_time(
            gps.get(ExifTags.GPS.GPSDateStamp), gps.get(ExifTags.GPS.GPSTimeStamp)
        ),
        latitude=latitude,
        longitude=longitude,
        gps_state=gps_state,
        positioning_error_m=_number(gps.get(ExifTags.GPS.GPSHPositioningError)),
    )


def _directories(
    raw_exif: bytes | None,
) -> tuple[Mapping[int, object], Mapping[int, object], Mapping[int, object]]:
    """Give the main, the photo and the GPS directory; each is empty where it cannot be read."""
    exif = Image.Exif()
    if raw_exif is None or len(raw_exif) > MAX_EXIF_BYTES:
        return {}, {}, {}
    try:
        exif.load(raw_exif)
        main = dict(exif)
    except TAG_ERRORS:
        return {}, {}, {}
    return main, _sub_directory(exif, ExifTags.IFD.Exif), _sub_directory(exif, ExifTags.IFD.GPSInfo)


def _sub_directory(exif: Image.Exif, tag: int) -> Mapping[int, object]:
    try:
        return exif.get_ifd(tag)
    except TAG_ERRORS:
        return {}


def _orientation(value: object) -> int | None:
    return value if type(value) is int and 1 <= value <= 8 else None


def _text(value: object) -> str | None:
    """Give a tag's text up to its first NUL, without what cannot be printed, or None."""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if not isinstance(value, str):
        return None
    printable = "".join(char for char in value.partition("\0")[0] if char.isprintable())
    return printable.strip()[:MAX_TEXT_CHARS].strip() or None


def _local_time(value: object) -> str | None:
    match = _LOCAL_TIME.fullmatch(_text(value) or "")
    if match is None:
        return None
    year, month, day, hour, minute, second, _ = match.groups()
    try:
        moment = datetime.fromisoformat(f"{year}-{month}-{day}T{hour}:{minute}:{second}")
    except ValueError:
        return None
    return moment.isoformat()


def _utc_offset(value: object) -> str | None:
    text = _text(value)
    if text == "Z":
        return "+00:00"
    match = _OFFSET.fullmatch(text or "")
    if match is None:
        return None
    offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
    if match[1] == "-":
        offset = -offset
    # No place on earth has another offset; a forged one would move the photo to another day.
    return text if int(match[3]) < 60 and MIN_OFFSET <= offset <= MAX_OFFSET else None


def _gps_time(date: object, time_of_day: object) -> str | None:
    match = _DATE.fullmatch(_text(date) or "")
    parts = _three_numbers(time_of_day)
    if match is None or parts is None:
        return None
    hours, minutes, seconds = parts
    if hours >= 24 or minutes >= 60 or seconds >= 61:
        return None
    try:
        midnight = datetime(int(match[1]), int(match[2]), int(match[3]), tzinfo=UTC)
        moment = midnight + timedelta(hours=hours, minutes=minutes, seconds=int(seconds))
    except (OverflowError, ValueError):
        return None
    return moment.isoformat()


def _position(gps: Mapping[int, object]) -> tuple[GpsState, float | None, float | None]:
    raw_latitude = gps.get(ExifTags.GPS.GPSLatitude)
    raw_longitude = gps.get(ExifTags.GPS.GPSLongitude)
    if raw_latitude is None and raw_longitude is None:
        return GpsState.ABSENT, None, None
    latitude, longitude = _degrees(raw_latitude), _degrees(raw_longitude)
    if latitude is None or longitude is None:
        return GpsState.UNDEFINED, None, None
    if latitude == 0 and longitude == 0:
        return GpsState.ZERO, None, None
    north_sign = _hemisphere(gps.get(ExifTags.GPS.GPSLatitudeRef), positive="N", negative="S")
    east_sign = _hemisphere(gps.get(ExifTags.GPS.GPSLongitudeRef), positive="E", negative="W")
    if north_sign is None or east_sign is None:
        return GpsState.UNDEFINED, None, None
    if latitude > 90 or longitude > 180:
        return GpsState.OUT_OF_RANGE, None, None
    return GpsState.VALID, north_sign * latitude, east_sign * longitude


def _degrees(value: object) -> float | None:
    parts = _three_numbers(value)
    if parts is None:
        return None
    degrees, minutes, seconds = parts
    return degrees + minutes / 60 + seconds / 3600


def _three_numbers(value: object) -> tuple[float, float, float] | None:
    """Give three numbers of zero or more; None for all else, such as rationals with 0 below."""
    if not isinstance(value, tuple) or len(value) != 3:
        return None
    numbers = [_number(part) for part in value]
    if numbers[0] is None or numbers[1] is None or numbers[2] is None:
        return None
    return numbers[0], numbers[1], numbers[2]


def _number(value: object) -> float | None:
    if not isinstance(value, int | float | TiffImagePlugin.IFDRational):
        return None
    try:
        number = float(value)
    except (OverflowError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _hemisphere(value: object, *, positive: str, negative: str) -> int | None:
    letter = (_text(value) or "")[:1].upper()
    return {positive: 1, negative: -1}.get(letter)
