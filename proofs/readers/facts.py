"""What the readers found in a file; needs neither Pillow nor numpy, so any process can hold it."""

from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any


class GpsState(StrEnum):
    """What a photo's GPS tags amount to."""

    VALID = "valid"
    ZERO = "zero"  # latitude and longitude both 0: a device without a fix, not a place
    UNDEFINED = "undefined"  # a denominator of 0, a part missing, no hemisphere, text for numbers
    OUT_OF_RANGE = "out_of_range"  # numbers that lie nowhere on the globe
    ABSENT = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What a picture file says about itself. All of it can be forged but the size and the hash.

    `width` and `height` are pixels as displayed, after the rotation that `orientation` (the Exif
    tag as written, 1 to 8) asks for. `taken_at_local` is an ISO time of the camera's own clock
    without offset; `utc_offset` is written `+02:00`; `gps_time_utc` is an ISO time ending in
    `+00:00`. `latitude` and `longitude` are degrees, north and east positive, and None unless
    `gps_state` is valid. `perceptual_hash` is a PDQ hash of the upright picture in 64 hexadecimal
    digits, None for a picture with too little structure to be told from others.
    """

    media_type: str
    width: int
    height: int
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
    perceptual_hash: str | None

    def to_json(self) -> dict[str, Any]:
        """Give the facts as a dict of plain JSON values."""
        return {**asdict(self), "gps_state": self.gps_state.value}

    @classmethod
    def from_json(cls, data: object) -> "ImageFacts":
        """Take facts from decoded JSON. Raises ValueError if a name or a type is not as it must be.

        They come from a process that handled hostile bytes, so nothing is taken as it comes.
        """
        if not isinstance(data, dict) or data.keys() != {field.name for field in fields(cls)}:
            raise ValueError("these are not the facts of an image")
        for name, value in data.items():
            # Exact types: a boolean is an int to isinstance.
            if type(value) not in _JSON_TYPES[name]:
                raise ValueError(f"{name} has a value of the wrong type")
        return cls(**{**data, "gps_state": GpsState(data["gps_state"])})


_TEXT: frozenset[type] = frozenset({str})
_TEXT_OR_NONE: frozenset[type] = frozenset({str, type(None)})
_FLOAT_OR_NONE: frozenset[type] = frozenset({float, type(None)})
_JSON_TYPES: dict[str, frozenset[type]] = {
    "media_type": _TEXT,
    "width": frozenset({int}),
    "height": frozenset({int}),
    "orientation": frozenset({int, type(None)}),
    "make": _TEXT_OR_NONE,
    "model": _TEXT_OR_NONE,
    "software": _TEXT_OR_NONE,
    "taken_at_local": _TEXT_OR_NONE,
    "utc_offset": _TEXT_OR_NONE,
    "gps_time_utc": _TEXT_OR_NONE,
    "latitude": _FLOAT_OR_NONE,
    "longitude": _FLOAT_OR_NONE,
    "gps_state": _TEXT,
    "positioning_error_m": _FLOAT_OR_NONE,
    "perceptual_hash": _TEXT_OR_NONE,
}
