"""The photos of the story: a new picture each time, with the tags that a phone would write."""

import secrets
from datetime import timedelta

from kobatela.embedded.sample_photos import make_photo
from kobatela.kernel import clock

_TAKEN_BEFORE = timedelta(minutes=4)
_SEEDS = 2**32
# Nobody stands twice exactly where somebody stood: a centimetre, up to four metres.
_STEPS, _STEP_DEG = 400, 1e-7


def photo_at(latitude: float, longitude: float) -> bytes:
    """A JPEG taken a few minutes ago at this place, within a few metres."""
    return make_photo(
        latitude=latitude + secrets.randbelow(_STEPS) * _STEP_DEG,
        longitude=longitude + secrets.randbelow(_STEPS) * _STEP_DEG,
        taken_at=clock.now() - _TAKEN_BEFORE,
        seed=secrets.randbelow(_SEEDS),
        positioning_error_m=5.0,
    )


def photo_without_position() -> bytes:
    """A JPEG taken a few minutes ago that does not say where."""
    return make_photo(
        latitude=0.0,
        longitude=0.0,
        taken_at=clock.now() - _TAKEN_BEFORE,
        seed=secrets.randbelow(_SEEDS),
        with_gps=False,
    )
