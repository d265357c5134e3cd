"""What a file is, by its own first bytes. Names and declared types are the sender's claims."""

SNIFF_BYTES = 4096

_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis"})
# Brands of the container alone; what is inside is told by the compatible brands.
_HEIF_CONTAINER_BRANDS = frozenset({b"mif1", b"msf1"})


def sniff(head: bytes) -> str | None:
    """Give the media type of a file from its first bytes (`SNIFF_BYTES` are enough).

    None for every type that is not accepted: TIFF, GIF, SVG, BMP, HTML, MP4, AVIF and all others.
    """
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"RIFF") and head[8:15] == b"WEBPVP8" and head[15:16] in {b" ", b"L", b"X"}:
        return "image/webp"
    if head.startswith(b"%PDF-"):
        return "application/pdf"
    if _is_heic(head):
        return "image/heic"
    return None


def _is_heic(head: bytes) -> bool:
    """Look for a brand of HEVC still pictures in the box that opens the file."""
    if head[4:8] != b"ftyp":
        return False
    box_end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[start : start + 4] for start in range(16, box_end - 3, 4)]
    major_brand = head[8:12]
    if major_brand in _HEIC_BRANDS:
        return True
    return major_brand in _HEIF_CONTAINER_BRANDS and not _HEIC_BRANDS.isdisjoint(brands)
