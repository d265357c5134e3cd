"""The photos that the demo, the benchmarks and the tests use."""

import io
from datetime import UTC, datetime, timedelta, timezone
from itertools import combinations
from pathlib import Path

import pytest
from PIL import Image

from kobatela.embedded.sample_photos import make_photo
from proofs.checks.duplicates import NEAR_DUPLICATE_BITS, hamming_distance
from proofs.readers.facts import GpsState, ImageFacts
from proofs.readers.image import read_image

TAKEN_AT = datetime(2026, 3, 10, 11, 30, 15, tzinfo=timezone(timedelta(hours=-3, minutes=-30)))


def facts_of(folder: Path, **options: object) -> ImageFacts:
    arguments: dict[str, object] = {
        "latitude": -5.345678,
        "longitude": 179.999999,
        "taken_at": TAKEN_AT,
        "seed": 1,
        "width": 320,
        "height": 240,
    }
    path = folder / "photo.jpg"
    path.write_bytes(make_photo(**(arguments | options)))  # type: ignore[arg-type] # by name
    return read_image(path)


def test_a_photo_says_what_it_was_asked_to_say(tmp_path: Path) -> None:
    facts = facts_of(
        tmp_path, positioning_error_m=4.8, software="Snapseed", with_gps_time=True, orientation=6
    )
    assert facts.media_type == "image/jpeg"
    assert (facts.make, facts.model, facts.software) == ("Kobatela", "Sample camera", "Snapseed")
    assert (facts.taken_at_local, facts.utc_offset) == ("2026-03-10T11:30:15", "-03:30")
    assert facts.gps_time_utc == "2026-03-10T15:00:15+00:00"
    assert facts.latitude == pytest.approx(-5.345678, abs=1e-9)
    assert facts.longitude == pytest.approx(179.999999, abs=1e-9)
    assert facts.positioning_error_m == 4.8
    assert (facts.orientation, facts.width, facts.height) == (6, 240, 320)


def test_a_photo_leaves_out_what_it_was_asked_to_leave_out(tmp_path: Path) -> None:
    bare = facts_of(tmp_path, with_gps=False, with_time=False, with_offset=False, with_camera=False)
    assert bare.gps_state is GpsState.ABSENT
    assert (bare.taken_at_local, bare.utc_offset, bare.gps_time_utc) == (None, None, None)
    assert (bare.make, bare.model, bare.software) == (None, None, None)
    no_offset = facts_of(tmp_path, with_offset=False)
    assert no_offset.taken_at_local == "2026-03-10T11:30:15"
    assert (no_offset.utc_offset, no_offset.gps_time_utc) == (None, None)


@pytest.mark.parametrize("latitude", [90.0, -90.0, 59.9999999999, 0.0])
def test_a_position_is_written_to_the_micrometre(tmp_path: Path, latitude: float) -> None:
    facts = facts_of(tmp_path, latitude=latitude, longitude=-0.000001)
    assert facts.gps_state is GpsState.VALID
    assert facts.latitude == pytest.approx(latitude, abs=1e-10)
    assert facts.longitude == pytest.approx(-0.000001, abs=1e-10)


def test_fifty_seeds_give_fifty_different_pictures(tmp_path: Path) -> None:
    files, hashes = set(), []
    for seed in range(50):
        facts = facts_of(tmp_path, seed=seed, width=240, height=180)
        assert facts.perceptual_hash is not None
        hashes.append(facts.perceptual_hash)
        files.add((tmp_path / "photo.jpg").read_bytes())
    assert len(files) == 50
    nearest = min(hamming_distance(one, other) for one, other in combinations(hashes, 2))
    assert nearest > 2 * NEAR_DUPLICATE_BITS


def test_a_seed_gives_the_same_bytes_again(tmp_path: Path) -> None:
    small = facts_of(tmp_path)
    again = (tmp_path / "photo.jpg").read_bytes()
    assert facts_of(tmp_path) == small
    assert (tmp_path / "photo.jpg").read_bytes() == again


def test_a_photo_of_about_four_megabytes_can_be_had() -> None:
    data = make_photo(
        latitude=5.3,
        longitude=-4.0,
        taken_at=datetime(2026, 3, 10, tzinfo=UTC),
        seed=1,
        width=4000,
        height=3000,
        target_bytes=4_000_000,
    )
    assert 3_600_000 <= len(data) <= 4_000_000
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.size == (4000, 3000)


def test_a_size_that_cannot_be_reached_is_refused() -> None:
    with pytest.raises(ValueError, match="bytes"):
        make_photo(
            latitude=5.3,
            longitude=-4.0,
            taken_at=TAKEN_AT,
            seed=1,
            width=320,
            height=240,
            target_bytes=4_000_000,
        )


def test_a_time_without_a_zone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="taken_at"):
        facts_of(tmp_path, taken_at=TAKEN_AT.replace(tzinfo=None))
