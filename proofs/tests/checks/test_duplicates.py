"""Near-duplicates by perceptual hash."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs.checks.duplicates import KnownImage, check_reuse, hamming_distance
from proofs.checks.findings import FindingCode, Severity

HASH = "a5" * 32

hashes = st.binary(min_size=32, max_size=32).map(bytes.hex)


def flipped(perceptual_hash: str, bits: int) -> str:
    """Give the hash with its first `bits` bits turned over."""
    mask = ((1 << bits) - 1) << (256 - bits)
    return f"{int(perceptual_hash, 16) ^ mask:064x}"


@pytest.mark.parametrize("bits", [0, 1, 31])
def test_a_picture_within_the_threshold_is_held_with_its_match(bits: int) -> None:
    known = [KnownImage(reference=7, perceptual_hash=flipped(HASH, bits))]
    (finding,) = check_reuse(perceptual_hash=HASH, known_images=known)
    assert finding.code is FindingCode.REUSED_IMAGE
    assert finding.severity is Severity.SOFT
    assert finding.data == {
        "matches": [{"reference": 7, "distance_bits": bits}],
        "threshold_bits": 31,
    }


@pytest.mark.parametrize("bits", [32, 94, 256])
def test_a_picture_beyond_the_threshold_is_another_one(bits: int) -> None:
    known = [KnownImage(reference=7, perceptual_hash=flipped(HASH, bits))]
    assert check_reuse(perceptual_hash=HASH, known_images=known) == []


def test_all_matches_are_in_one_finding_nearest_first() -> None:
    known = [
        KnownImage(reference=number, perceptual_hash=flipped(HASH, bits))
        for number, bits in ((1, 20), (2, 200), (3, 2), (4, 31))
    ]
    (finding,) = check_reuse(perceptual_hash=HASH, known_images=known)
    assert [match["reference"] for match in finding.data["matches"]] == [3, 1, 4]


def test_a_picture_without_structure_matches_nothing() -> None:
    known = [KnownImage(reference=7, perceptual_hash="0" * 64)]
    assert check_reuse(perceptual_hash=None, known_images=known) == []


@pytest.mark.parametrize("broken", ["", "a5" * 31, "a5" * 33, "zz" * 32, "+" + "0" * 63])
def test_what_is_no_hash_is_not_compared(broken: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- of int, of bytes or our own
        hamming_distance(HASH, broken)


@given(first=hashes, second=hashes)
def test_the_distance_counts_differing_bits_either_way(first: str, second: str) -> None:
    bits = [f"{int(text, 16):0256b}" for text in (first, second)]
    counted = sum(a != b for a, b in zip(*bits, strict=True))
    assert hamming_distance(first, second) == hamming_distance(second, first) == counted
