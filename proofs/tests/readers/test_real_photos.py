"""Forty real photos against what ExifTool reads in them, through the child process."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from proofs.checks.duplicates import NEAR_DUPLICATE_BITS, hamming_distance
from proofs.readers import pool
from proofs.readers.facts import ImageFacts
from proofs.tests.readers.shared_data import PHOTOS, needs_photos

pytestmark = needs_photos

TRUTH: dict[str, dict[str, Any]] = (
    json.loads((PHOTOS / "photos.json").read_text()) if PHOTOS.is_dir() else {}
)


@pytest.fixture(scope="module")
def facts() -> dict[str, ImageFacts]:
    return {name: pool.read_image(PHOTOS / name) for name in TRUTH}


def differences(facts: dict[str, ImageFacts], of: str, truth_of: str) -> list[tuple[Any, ...]]:
    return [
        (name, getattr(facts[name], of), truth[truth_of])
        for name, truth in TRUTH.items()
        if getattr(facts[name], of) != truth[truth_of]
    ]


def test_all_photos_are_there(facts: dict[str, ImageFacts]) -> None:
    assert len(facts) == 40
    assert {fact.media_type for fact in facts.values()} == {"image/jpeg", "image/heic"}


def test_every_gps_state_is_right(facts: dict[str, ImageFacts]) -> None:
    assert differences(facts, "gps_state", "gps_state") == []


@pytest.mark.parametrize(
    ("of", "truth_of"),
    [
        ("latitude", "GPSLatitude"),
        ("longitude", "GPSLongitude"),
        ("positioning_error_m", "GPSHPositioningError"),
    ],
)
def test_every_gps_value_is_right(facts: dict[str, ImageFacts], of: str, truth_of: str) -> None:
    compared = 0
    for name, truth in TRUTH.items():
        # No fix is written as 0,0, which is no value.
        is_value = truth[truth_of] is not None and truth["gps_state"] == "valid"
        expected = pytest.approx(truth[truth_of], abs=1e-6) if is_value else None
        assert getattr(facts[name], of) == expected, name
        compared += is_value
    assert compared == {"latitude": 15, "longitude": 15, "positioning_error_m": 2}[of]


def test_every_capture_time_is_right(facts: dict[str, ImageFacts]) -> None:
    for name, truth in TRUTH.items():
        written = truth["DateTimeOriginal"]
        if written in {None, "0000:00:00 00:00:00"}:
            assert facts[name].taken_at_local is None, name
        else:
            date, time = written.split(" ")
            assert facts[name].taken_at_local == f"{date.replace(':', '-')}T{time}", name


@pytest.mark.parametrize(
    ("of", "truth_of"),
    [
        ("utc_offset", "OffsetTimeOriginal"),
        ("make", "Make"),
        ("model", "Model"),
        ("orientation", "Orientation"),
    ],
)
def test_every_other_tag_is_right(facts: dict[str, ImageFacts], of: str, truth_of: str) -> None:
    assert differences(facts, of, truth_of) == []


def test_sizes_are_those_of_the_picture_as_it_is_seen(facts: dict[str, ImageFacts]) -> None:
    for name, truth in TRUTH.items():
        as_stored = (truth["ImageWidth"], truth["ImageHeight"])
        as_seen = (facts[name].width, facts[name].height)
        assert sorted(as_seen) == sorted(as_stored), name
        if truth["FileType"] == "JPEG":
            is_sideways = (truth["Orientation"] or 1) >= 5
            assert (as_seen == as_stored) is not is_sideways or as_stored[0] == as_stored[1], name


def test_the_same_scene_is_recognised_and_no_other(facts: dict[str, ImageFacts]) -> None:
    hashes = {
        name: fact.perceptual_hash
        for name, fact in facts.items()
        if fact.perceptual_hash is not None
    }
    assert set(facts) - set(hashes) == {"issue-437-dotnet.heic"}, "a wall without structure"
    near = {
        tuple(
            sorted(
                ("".join(c for c in one if c.isalpha()), "".join(c for c in other if c.isalpha()))
            )
        )
        for one in hashes
        for other in hashes
        if one < other and hamming_distance(hashes[one], hashes[other]) <= NEAR_DUPLICATE_BITS
    }
    assert near == {
        ("iphonehdrnojpg", "iphonehdryesjpg"),
        ("landscapejpg", "landscapejpg"),
        ("portraitjpg", "portraitjpg"),
    }


@pytest.mark.parametrize(
    "name", ["portrait-7.jpg", "img-1034.heic", "samsung-sm-n900a-galaxy-note-3.jpg"]
)
def test_a_copy_for_display_is_made(tmp_path: Path, name: str) -> None:
    pool.render_derivative(PHOTOS / name, tmp_path / "copy.jpg")
    with Image.open(tmp_path / "copy.jpg") as copy:
        assert copy.format == "JPEG"
        assert max(copy.size) <= 1600
        assert "exif" not in copy.info
