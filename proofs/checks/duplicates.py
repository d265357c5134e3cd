"""Whether a picture was sent before, in other bytes.

Pictures are compared by their perceptual hash (PDQ, 256 bits): re-encoding, resizing and changes of
brightness move few bits of it, cropping and mirroring move many and are not found. Photos of one
site can come near each other by themselves, so a match is a reason to look and never a refusal.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from proofs.checks.findings import Finding, FindingCode, Severity

HASH_BITS = 256
# Measured on real photos: unrelated ones are at least 94 bits apart, re-encoded ones at most 31.
NEAR_DUPLICATE_BITS = 31


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownImage:
    """An image of an earlier proof: what refers to it, and its perceptual hash in hexadecimal."""

    reference: int | str
    perceptual_hash: str


def hamming_distance(first_hash: str, second_hash: str) -> int:
    """Count the bits in which two hashes differ. Raises ValueError for what is no 256-bit hash."""
    return (_bits(first_hash) ^ _bits(second_hash)).bit_count()


def check_reuse(
    *,
    perceptual_hash: str | None,
    known_images: Iterable[KnownImage],
    threshold_bits: int = NEAR_DUPLICATE_BITS,
) -> list[Finding]:
    """Look for an image among `known_images`; at most one finding, which lists every match.

    The matches come nearest first, each with its `reference` and `distance_bits`; whose they are
    is for staff only. None, the hash of a picture without structure, matches nothing.
    """
    if perceptual_hash is None:
        return []
    own_bits = _bits(perceptual_hash)
    matches = [
        {"reference": known.reference, "distance_bits": distance_bits}
        for known in known_images
        if (distance_bits := (own_bits ^ _bits(known.perceptual_hash)).bit_count())
        <= threshold_bits
    ]
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


def _bits(perceptual_hash: str) -> int:
    # Not int(text, 16), which would take signs, spaces and underscores for digits.
    raw = bytes.fromhex(perceptual_hash)
    if len(raw) * 8 != HASH_BITS:
        raise ValueError("a perceptual hash has 64 hexadecimal digits")
    return int.from_bytes(raw, "big")
