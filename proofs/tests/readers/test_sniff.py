"""What a file is, by its first bytes."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from proofs.readers.sniff import sniff

ALLOWED = {"image/jpeg", "image/png", "image/webp", "image/heic", "application/pdf"}


def box(major: bytes, *compatible: bytes) -> bytes:
    """Give the box that opens an ISO media file."""
    brands = major + b"\0\0\0\0" + b"".join(compatible)
    return (8 + len(brands)).to_bytes(4, "big") + b"ftyp" + brands + b"\0\0\0\x08free"


@pytest.mark.parametrize(
    ("written_as", "expected"),
    [
        ("JPEG", "image/jpeg"),
        ("PNG", "image/png"),
        ("WEBP", "image/webp"),
        ("GIF", None),
        ("TIFF", None),
        ("BMP", None),
        ("ICO", None),
        ("PPM", None),
    ],
)
def test_pictures_are_told_by_their_bytes(written_as: str, expected: str | None) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (20, 20)).save(buffer, written_as)
    assert sniff(buffer.getvalue()) == expected


@pytest.mark.parametrize("variant", [{"lossless": True}, {"exif": Image.Exif()}, {"quality": 5}])
def test_every_kind_of_webp_is_one(variant: dict[str, object]) -> None:
    buffer = io.BytesIO()
    Image.new("RGBA", (20, 20)).save(buffer, "WEBP", **variant)
    assert sniff(buffer.getvalue()) == "image/webp"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (box(b"heic", b"mif1", b"heic"), "image/heic"),
        (box(b"heix"), "image/heic"),
        (box(b"mif1", b"mif1", b"heic", b"miaf"), "image/heic"),
        (box(b"msf1", b"msf1", b"heis"), "image/heic"),
        (box(b"mif1", b"mif1", b"avif", b"miaf"), None),
        (box(b"mif1"), None),
        (box(b"avif", b"mif1", b"heic"), None),
        (box(b"isom", b"isom", b"mp42", b"heic"), None),
        (box(b"qt  "), None),
        (b"\0\0\0\x14ftypmif1\0\0\0\0mif1heic", None),
        (b"\0\0\0\0ftypmif1", None),
    ],
)
def test_heic_is_told_by_its_brands(head: bytes, expected: str | None) -> None:
    assert sniff(head) == expected


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"%PDF-1.7\n%\xe2\xe3", "application/pdf"),
        (b" %PDF-1.7", None),
        (b"GIF89a%PDF-1.7", None),
        (b"", None),
        (b"\xff", None),
        (b"\xff\xd8", None),
        (b"RIFF\x10\0\0\0AVI LIST", None),
        (b"RIFF\x10\0\0\0WEBPVP8Z", None),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", None),
        (b"<!doctype html><html>", None),
        (b"PK\x03\x04", None),
        (b"%!PS-Adobe-3.0", None),
    ],
)
def test_nothing_else_is_accepted(head: bytes, expected: str | None) -> None:
    assert sniff(head) == expected


@given(head=st.binary(max_size=64))
def test_no_bytes_make_it_fail(head: bytes) -> None:
    assert sniff(head) in ALLOWED | {None}


@given(head=st.binary(min_size=8, max_size=64))
def test_no_box_makes_it_fail(head: bytes) -> None:
    assert sniff(head[:4] + b"ftyp" + head[4:]) in {"image/heic", None}
