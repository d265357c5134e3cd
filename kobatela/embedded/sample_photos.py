"""Photos for the demo, the benchmarks and the tests: real JPEG and HEIC files with real Exif tags.

The picture is drawn (`sample_scene`), and the tags say whatever the caller asks for: they are
claims, as they are in any photo.
"""

import functools
import io
from datetime import UTC, datetime
from fractions import Fraction

import pillow_heif
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from kobatela.embedded.sample_scene import draw_building_site

MAKE = "Kobatela"
MODEL = "Sample camera"

_LOWEST_QUALITY = 20
_HIGHEST_QUALITY = 98


def make_photo(  # noqa: PLR0913 -- one argument for each thing that a photo can say or leave out
    *,
    latitude: float,
    longitude: float,
    taken_at: datetime,
    seed: int,
    width: int = 1600,
    height: int = 1200,
    with_gps: bool = True,
    with_time: bool = True,
    with_offset: bool = True,
    with_gps_time: bool = False,
    with_camera: bool = True,
    positioning_error_m: float | None = None,
    software: str | None = None,
    orientation: int = 1,
    quality: int = 88,
    target_bytes: int | None = None,
) -> bytes:
    """Give a JPEG of a building site that claims to have been taken there and then.

    Two seeds give two pictures that no perceptual hash confuses; the same arguments give the same
    bytes. The local time is that of `taken_at`'s zone, and the GPS time, if asked for, the same
    instant. With `target_bytes` the quality is chosen so that the file comes as near to that size
    as it can from below: about 4 MB needs 4000 by 3000 pixels. Raises ValueError for a naive
    `taken_at`, and for a size that no quality comes near.
    """
    exif = _exif(
        position=(latitude, longitude) if with_gps else None,
        taken_at=taken_at,
        with_time=with_time,
        with_offset=with_offset,
        with_gps_time=with_gps_time,
        positioning_error_m=positioning_error_m,
    )
    _describe_camera(exif, with_camera=with_camera, software=software, orientation=orientation)
    picture = draw_building_site(seed=seed, width=width, height=height)
    if target_bytes is not None:
        return _jpeg_of_size(picture, exif, target_bytes)
    return _jpeg(picture, exif, quality)


def make_heic(
    *,
    latitude: float,
    longitude: float,
    taken_at: datetime,
    seed: int,
    width: int = 800,
    height: int = 600,
    positioning_error_m: float | None = None,
) -> bytes:
    """Give a HEIC of a building site with position, time and offset, as `make_photo` does."""
    _register_heic()
    exif = _exif(
        position=(latitude, longitude),
        taken_at=taken_at,
        with_time=True,
        with_offset=True,
        with_gps_time=False,
        positioning_error_m=positioning_error_m,
    )
    _describe_camera(exif, with_camera=True, software=None, orientation=1)
    buffer = io.BytesIO()
    picture = draw_building_site(seed=seed, width=width, height=height)
    picture.save(buffer, "HEIF", quality=60, exif=exif.tobytes())
    return buffer.getvalue()


def _describe_camera(
    exif: Image.Exif, *, with_camera: bool, software: str | None, orientation: int
) -> None:
    exif[ExifTags.Base.Orientation] = orientation
    if with_camera:
        exif[ExifTags.Base.Make] = MAKE
        exif[ExifTags.Base.Model] = MODEL
    if software is not None:
        exif[ExifTags.Base.Software] = software


def _exif(
    *,
    position: tuple[float, float] | None,
    taken_at: datetime,
    with_time: bool,
    with_offset: bool,
    with_gps_time: bool,
    positioning_error_m: float | None,
) -> Image.Exif:
    if taken_at.tzinfo is None:
        raise ValueError("taken_at needs a time zone")
    exif = Image.Exif()
    photo = exif.get_ifd(ExifTags.IFD.Exif)
    if with_time:
        photo[ExifTags.Base.DateTimeOriginal] = taken_at.strftime("%Y:%m:%d %H:%M:%S")
    if with_offset:
        photo[ExifTags.Base.OffsetTimeOriginal] = taken_at.isoformat()[-6:]
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    if position is not None:
        latitude, longitude = position
        gps[ExifTags.GPS.GPSLatitudeRef] = "S" if latitude < 0 else "N"
        gps[ExifTags.GPS.GPSLatitude] = _sexagesimal(latitude)
        gps[ExifTags.GPS.GPSLongitudeRef] = "W" if longitude < 0 else "E"
        gps[ExifTags.GPS.GPSLongitude] = _sexagesimal(longitude)
        if positioning_error_m is not None:
            gps[ExifTags.GPS.GPSHPositioningError] = IFDRational(
                round(positioning_error_m * 1000), 1000
            )
    if with_gps_time:
        instant = taken_at.astimezone(UTC)
        gps[ExifTags.GPS.GPSDateStamp] = instant.strftime("%Y:%m:%d")
        gps[ExifTags.GPS.GPSTimeStamp] = (instant.hour, instant.minute, instant.second)
    return exif


def _sexagesimal(degrees: float) -> tuple[IFDRational, IFDRational, IFDRational]:
    """Give degrees, minutes and seconds; a ten-millionth of a second is three micrometres."""
    rest = abs(Fraction(degrees))
    whole_degrees = int(rest)
    minutes = int((rest - whole_degrees) * 60)
    seconds = (rest - whole_degrees) * 3600 - minutes * 60
    return (
        IFDRational(whole_degrees, 1),
        IFDRational(minutes, 1),
        IFDRational(round(seconds * 10_000_000), 10_000_000),
    )


def _jpeg(picture: Image.Image, exif: Image.Exif, quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality, exif=exif)
    return buffer.getvalue()


def _jpeg_of_size(picture: Image.Image, exif: Image.Exif, target_bytes: int) -> bytes:
    """Search the highest quality whose file is no larger than `target_bytes`."""
    best = _jpeg(picture, exif, _LOWEST_QUALITY)
    low, high = _LOWEST_QUALITY, _HIGHEST_QUALITY
    while low < high:
        middle = (low + high + 1) // 2
        candidate = _jpeg(picture, exif, middle)
        if len(candidate) <= target_bytes:
            low, best = middle, candidate
        else:
            high = middle - 1
    if not 0.8 * target_bytes <= len(best) <= target_bytes:
        raise ValueError(f"no quality brings this picture near {target_bytes} bytes")
    return best


@functools.cache
def _register_heic() -> None:
    pillow_heif.register_heif_opener()
