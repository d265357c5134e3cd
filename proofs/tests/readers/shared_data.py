"""The shared data beside the repository, which is never part of it."""

from pathlib import Path

import pytest

PHOTOS = Path(__file__).resolve().parents[4] / "shared" / "data" / "photos"
HOSTILE = PHOTOS.with_name("hostile")

needs_photos = pytest.mark.skipif(not PHOTOS.is_dir(), reason="the shared photos are not here")
needs_hostile = pytest.mark.skipif(
    not HOSTILE.is_dir(), reason="the shared hostile files are not here"
)
