"""Whether a picture was sent before, in other bytes.

Pictures are compared by their perceptual hash (PDQ, 256 bits): re-encoding, resizing and changes of
brightness move few bits of it, cropping moves many and is not found. Photos of one site can come
near each other by themselves, so a match is a reason to look and never a refusal.

The bits say which of 16 by 16 frequencies are stronger than most. Mirroring a picture changes the
sign of every other column of them, or row, and turning it by a quarter swaps rows and columns
besides; so the hashes of the seven other ways to lay a picture follow from its own.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from proofs.checks.findings import Finding, FindingCode, Severity

HASH_BITS = 256
# Measured on real photos: unrelated ones are at least 94 bits apart, re-encoded ones at most 31.
NEAR_DUPLICATE_BITS = 31
# Mirrored ones are 6 to 40 bits from what is worked out, because the frequencies are taken from a
# grid that is not quite symmetrical. Nobody sends honest photos mirrored, so this may be wider.
TURNED_DUPLICATE_BITS = 48

_SIDE = 16
_ODD_COLUMNS = int("5555" * _SIDE, 16)
_ODD_ROWS = int("0000ffff" * (_SIDE // 2), 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownImage:
    """An image of an earlier proof: what refers to it, and its perceptual hash in hexadecimal."""

    reference: int | str
    perceptual_hash: str


def hamming_distance(first_hash: str, second_hash: str) -> int:
    """Count the bits in which two hashes differ. Raises ValueError for what is no 256-bit hash."""
    return (_bits(first_hash) ^ _bits(second_hash)).bit_count()


def turned_hashes(perceptual_hash: str) -> tuple[str, ...]:
    """The hashes of a picture mirrored, on its head, and those a quarter on: seven of them."""
    _, *turned = _all_ways(_bits(perceptual_hash))
    return tuple(f"{bits:0{HASH_BITS // 4}x}" for bits in turned)


def check_reuse(
    *,
    perceptual_hash: str | None,
    known_images: Iterable[KnownImage],
    threshold_bits: int = NEAR_DUPLICATE_BITS,
) -> list[Finding]:
    """Look for an image among `known_images`; at most one finding, which lists every match.

    The matches come nearest first, each with its `reference` and `distance_bits`, mirrored and
    turned ones with `turned`; whose they are is for staff only. None, the hash of a picture without
    structure, matches nothing; `photo.check_content` holds such a picture.
    """
    if perceptual_hash is None:
        return []
    own_bits, *turned_bits = _all_ways(_bits(perceptual_hash))
    matches: list[dict[str, Any]] = []
    for known in known_images:
        known_bits = _bits(known.perceptual_hash)
        as_it_is = (own_bits ^ known_bits).bit_count()
        turned = min((bits ^ known_bits).bit_count() for bits in turned_bits)
        if as_it_is <= threshold_bits:
            matches.append({"reference": known.reference, "distance_bits": as_it_is})
        elif turned <= TURNED_DUPLICATE_BITS:
            matches.append({"reference": known.reference, "distance_bits": turned, "turned": True})
    if not matches:
        return []
    return [
        Finding(
            code=FindingCode.REUSED_IMAGE,
            severity=Severity.SOFT,
            message="The picture is nearly the same as one that was sent before.",
            hint="Send a new photo that shows the work as it is now.",
            data={
                "matches": sorted(matches, key=lambda match: match["distance_bits"]),
                "threshold_bits": threshold_bits,
            },
        )
    ]


def _all_ways(bits: int) -> tuple[int, ...]:
    """Give the hashes of a picture as it is, mirrored, on its head, and those a quarter on."""
    text = f"{bits:0{HASH_BITS}b}"
    swapped = int("".join(text[column::_SIDE] for column in range(_SIDE)), 2)
    signs = (0, _ODD_COLUMNS, _ODD_ROWS, _ODD_COLUMNS ^ _ODD_ROWS)
    return tuple(way ^ sign for way in (bits, swapped) for sign in signs)


def _bits(perceptual_hash: str) -> int:
    # Not int(text, 16), which would take signs, spaces and underscores for digits.
    raw = bytes.fromhex(perceptual_hash)
    if len(raw) * 8 != HASH_BITS:
        raise ValueError("a perceptual hash has 64 hexadecimal digits")
    return int.from_bytes(raw, "big")
