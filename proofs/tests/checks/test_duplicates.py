"""Near-duplicates by perceptual hash."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs.checks.duplicates import (
    KnownImage,
    check_reuse,
    hamming_distance,
)
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


def laid(perceptual_hash: str, *, mirrored: bool, quarters: int) -> str:
    """Give the hash of a picture that is mirrored, then turned, by what that does to a frequency.

    Each of the 16 by 16 has its row and column; what is odd in x changes its sign when mirrored.
    """
    text = f"{int(perceptual_hash, 16):0256b}"
    grid = [[text[16 * row + column] == "1" for column in range(16)] for row in range(16)]
    if mirrored:
        grid = [[bit != (column % 2 == 1) for column, bit in enumerate(row)] for row in grid]
    for _ in range(quarters):
        swapped = [list(row) for row in zip(*grid, strict=True)]
        grid = [[bit != (index % 2 == 1) for bit in row] for index, row in enumerate(swapped)]
    return f"{int(''.join('01'[bit] for row in grid for bit in row), 2):064x}"


WAYS = [(mirrored, quarters) for mirrored in (False, True) for quarters in range(4)][1:]
# No pattern of its own that mirroring leaves as it was.
UNLIKE_ITSELF = hashlib.sha256(b"a picture").hexdigest()


@pytest.mark.parametrize(("mirrored", "quarters"), WAYS)
def test_a_picture_that_is_mirrored_or_turned_is_known_again(
    *, mirrored: bool, quarters: int
) -> None:
    copy = flipped(laid(UNLIKE_ITSELF, mirrored=mirrored, quarters=quarters), 48)
    further = flipped(laid(UNLIKE_ITSELF, mirrored=mirrored, quarters=quarters), 49)
    known = [
        KnownImage(reference=7, perceptual_hash=copy),
        KnownImage(reference=8, perceptual_hash=further),
    ]

    (finding,) = check_reuse(perceptual_hash=UNLIKE_ITSELF, known_images=known)

    assert finding.data["matches"] == [{"reference": 7, "distance_bits": 48, "turned": True}]


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
