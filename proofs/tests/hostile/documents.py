"""PDF files that run, loop, explode or are torn, and invoice data that mean harm."""

import random
import re
import zlib
from collections.abc import Iterator, Sequence

from PIL import Image, ImageDraw, ImageFont

from kobatela.embedded.sample_documents import make_pdf, make_scan_pdf
from proofs.tests.hostile.base import Hostile, document, invoices
from proofs.tests.readers.documents import paper

_HELLO = b"BT /F1 12 Tf 60 700 Td (Hello) Tj ET"
_SCRIPT = b"<< /S /JavaScript /JS (app.alert\\(1\\); this.submitForm\\('http://127.0.0.1:1/'\\)) >>"
# Entries of the catalogue that run something in a viewer.
ACTIVE = {
    "script at opening": b"/OpenAction << /S /JavaScript /JS (app.alert(1)) >>",
    "script at closing": b"/AA << /WC << /S /JavaScript /JS (app.alert(1)) >> >>",
    "script by name": b"/Names << /JavaScript << /Names [(a) %s] >> >>" % _SCRIPT,
    "program": b"/OpenAction << /S /Launch /F (/bin/sh) >>",
    "program of Windows": b"/OpenAction << /S /Launch /Win << /F (cmd.exe) /P (/c calc) >> >>",
    "address": b"/OpenAction << /S /URI /URI (http://127.0.0.1:1/) >>",
    "script as an address": b"/OpenAction << /S /URI /URI (javascript:alert\\(1\\)) >>",
    "other file": b"/OpenAction << /S /GoToR /F (//127.0.0.1/share/a.pdf) /D [0 /Fit] >>",
    "embedded file": b"/OpenAction << /S /GoToE /T << /R /C /N (a) >> /D [0 /Fit] >>",
    "sent form": b"/OpenAction << /S /SubmitForm /F (http://127.0.0.1:1/) >>",
    "imported data": b"/OpenAction << /S /ImportData /F (/etc/passwd) >>",
    "rich media": b"/OpenAction << /S /RichMediaExecute /CMD << /C (play) >> >>",
    "form": b"/AcroForm << /XFA (<xdp/>) /Fields [] >>",
    "form with a script": b"/AcroForm << /XFA [(template) (<script>app.alert(1)</script>)] >>",
}


def active_documents() -> Iterator[Hostile]:
    """Documents that run something when a viewer opens them."""
    for name, catalog in ACTIVE.items():
        yield document(f"PDF with {name}", make_pdf([_HELLO], catalog=catalog))
    yield document(
        "PDF with a program inside", paper.pdf(["Hello"], attachments=[("a.exe", b"MZ")])
    )
    many = [(f"../../{number}.pdf", invoices()[0]) for number in range(300)]
    yield document("PDF with 300 PDFs inside", paper.pdf(["Hello"], attachments=many))


def looped_documents() -> Iterator[Hostile]:
    """Documents whose parts lead back to themselves, or nowhere."""
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
    form = (
        b"<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 5 0 R >> >>"
    )
    draws_itself = form + b" /Length 5 >>\nstream\n/X Do\nendstream"
    uses_it = page + b" /Resources << /XObject << /X 5 0 R >> >> >>"
    draw = b"<< /Length 5 >>\nstream\n/X Do\nendstream"
    shapes: dict[str, Sequence[bytes]] = {
        "pages that are their own child": (_CATALOG, b"<< /Type /Pages /Kids [2 0 R] /Count 1 >>"),
        "pages that are each other's": (
            _CATALOG,
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Pages /Kids [2 0 R] /Parent 2 0 R /Count 1 >>",
        ),
        "an object that is itself": (b"1 0 R",),
        "a form that draws itself": (_CATALOG, _PAGES, uses_it, draw, draws_itself),
        "a stream as long as itself": (
            _CATALOG, _PAGES, page + b" >>", b"<< /Length 4 0 R >>\nstream\n\nendstream",
        ),
        "more pages than it has": (_CATALOG, b"<< /Type /Pages /Kids [] /Count 2000000000 >>"),
        "fewer pages than none": (_CATALOG, b"<< /Type /Pages /Kids [] /Count -1 >>"),
        "no pages": (b"<< /Type /Catalog >>",),
        "outlines in a circle": (
            b"<< /Type /Catalog /Pages 2 0 R /Outlines 5 0 R >>", _PAGES, page + b" >>", draw,
            b"<< /First 5 0 R /Last 5 0 R /Next 5 0 R /Count 1 >>",
        ),
        "names in a circle": (
            b"<< /Type /Catalog /Pages 2 0 R /Names << /EmbeddedFiles 5 0 R >> >>", _PAGES,
            page + b" >>", draw, b"<< /Kids [5 0 R] >>",
        ),
    }  # fmt: skip
    for name, objects in shapes.items():
        yield document(f"PDF with {name}", assemble(objects))
    yield document("PDF whose table is before itself", make_pdf([_HELLO], trailer=b"/Prev 9"))
    yield document("PDF without a table", invoices()[0].partition(b"xref")[0])
    for deep in (1_000, 100_000):
        nested = make_pdf([_HELLO], catalog=b"/A " + b"[" * deep + b"]" * deep)
        yield document(f"PDF with lists {deep} deep", nested)
    states = make_pdf([b"q " * 200_000 + _HELLO])
    yield document("PDF with 200000 saved states", states)
    yield document("PDF of 31 pages", make_pdf([_HELLO] * 31))
    yield document("PDF of 3000 pages", make_pdf([_HELLO] * 3000))


def bombs() -> Iterator[Hostile]:
    """Small documents that claim to be very large."""
    for side in ("14400 14400", "1000000 1000000", "1e30 1e30", "0 0", "-9 -9", "0.001 40000"):
        yield document(f"PDF page of {side}", paper.pdf(["Hello"], media_box=f"0 0 {side}"))
    for name, entries in {
        "30000 by 30000": b"/Width 30000 /Height 30000 /ColorSpace /DeviceRGB /BitsPerComponent 8",
        "no size": b"/Width 0 /Height 0 /ColorSpace /DeviceGray /BitsPerComponent 8",
        "negative size": b"/Width -5 /Height 2147483647 /ColorSpace /DeviceGray",
    }.items():
        yield document(f"PDF picture of {name}", _with_picture(entries, zlib.compress(bytes(9000))))
    yield document("PDF with a JBIG2 of rubbish", _with_picture(_JBIG2, bytes(range(256)) * 4, b""))
    yield document("PDF with a JPX of rubbish", _with_picture(_JPX, bytes(range(256)) * 4, b""))
    yield document(
        "PDF with filters 60 deep", _deflated(zlib.compress(_HELLO), [b"/ASCIIHexDecode"] * 60)
    )


def heavy_documents() -> Iterator[Hostile]:
    """Documents that take a child to its limits of memory or time."""
    once = zlib.compress(bytes(1_000_000_000), 9)
    yield document("PDF whose stream is 1 GB", _deflated(once, [b"/FlateDecode"]))
    twice = zlib.compress(once, 9)
    yield document("PDF whose stream is 1 GB twice", _deflated(twice, [b"/FlateDecode"] * 2))
    lines = b"0 0 m 500 800 l S " * 4_000_000
    yield document(
        "PDF of 4 million strokes", _deflated(zlib.compress(lines, 9), [b"/FlateDecode"])
    )
    words = b"BT /F1 1 Tf 1 1 Td (words ) Tj ET " * 300_000
    yield document("PDF of 300000 words", _deflated(zlib.compress(words, 9), [b"/FlateDecode"]))
    for rows, columns in ((60, 85), (100, 130)):
        lying = _full_page(rows, columns).rotate(90, expand=True)
        yield document(f"scan of {rows} rows on its side", make_scan_pdf([lying] * 5))


def _full_page(rows: int, columns: int) -> Image.Image:
    """A page at 200 dpi on which there is nothing but words."""
    page = Image.new("L", (1654, 2339), 255)
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(size=2400 / columns)
    words = ("ciment sac chantier facture livraison brique 1 250,00 " * columns)[:columns]
    for row in range(rows):
        draw.text((60, 40 + row * 2260 / rows), words[row % 9 :], fill=20, font=font)
    return page


def wounded_documents(chance: random.Random) -> Iterator[Hostile]:
    """Invoices with a wound: cut, bytes changed, a piece doubled, a number grown."""
    while True:
        yield document("PDF with a wound", broken(chance.choice(invoices()), chance))


def broken(content: bytes, chance: random.Random) -> bytes:
    """The document with one wound of a kind that chance decides."""
    kind = chance.randrange(4)
    data = bytearray(content)
    if kind == 0:
        return bytes(data[: chance.randrange(len(data))])
    if kind == 1:
        for _ in range(chance.randrange(1, 40)):
            data[chance.randrange(len(data))] = chance.randrange(256)
    elif kind == 2:
        start = chance.randrange(len(data))
        data[start:start] = data[start : start + chance.randrange(1, 500)]
    else:
        numbers = list(re.finditer(rb"[0-9]+", content))
        found = chance.choice(numbers)
        data[found.start() : found.end()] = str(10 ** chance.randrange(1, 19)).encode()
    return bytes(data)


def xml_attacks() -> Iterator[Hostile]:
    """Invoices whose embedded data explode, reach for files and servers, or are torn."""
    entities = "".join(
        f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' if n else '<!ENTITY a0 "ha">' for n in range(12)
    )
    texts = {
        "a billion laughs": f"<!DOCTYPE r [{entities}]><r>&a11;</r>",
        "one long entity": f'<!DOCTYPE r [<!ENTITY a "{"x" * 50_000}">]><r>{"&a;" * 50_000}</r>',
        "a file of the machine": '<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]><r>&a;</r>',
        "an address": '<!DOCTYPE r [<!ENTITY % a SYSTEM "http://127.0.0.1:1/a"> %a;]><r/>',
        "elements 200000 deep": "<r>" * 200_000,
        "a million attributes": "<r " + " ".join(f'a{n}="1"' for n in range(100_000)) + "/>",
        "half an element": "<rsm:CrossIndustryInvoice xmlns:rsm='urn:a'><ram:ID>1",
        "includes": f'<r xmlns:xi="{_XINCLUDE}"><xi:include href="/etc/passwd"/></r>',
        "nothing": "",
    }
    for name, text in texts.items():
        yield _with_xml(name, text.encode())
    yield _with_xml("UTF-16 without a mark", "<r/>".encode("utf-16-le"))
    yield _with_xml("NUL bytes", b"<r>\0\0\0</r>")
    yield _with_xml("5 MB of text", b"<r>" + b"x" * 5_000_000 + b"</r>")
    yield _with_xml("another encoding", b'<?xml version="1.0" encoding="utf-7"?><r>+ADw-</r>')


def _with_xml(name: str, xml: bytes) -> Hostile:
    content = paper.pdf(["Facture F-1", "Total 1 200,00 EUR"], attachments=[("factur-x.xml", xml)])
    return document(f"invoice data with {name}", content)


_XINCLUDE = "http://www.w3.org/2001/XInclude"
_CATALOG = b"<< /Type /Catalog /Pages 2 0 R >>"
_PAGES = b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
_JBIG2 = b"/Width 900 /Height 900 /ColorSpace /DeviceGray /BitsPerComponent 1 /Filter /JBIG2Decode"
_JPX = b"/Width 900 /Height 900 /Filter /JPXDecode"


def assemble(objects: Sequence[bytes]) -> bytes:
    """A PDF of these objects, numbered from 1, of which the first is its catalogue."""
    out = bytearray(b"%PDF-1.7\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\n" % (len(places) + 1)
    out += b"startxref\n%d\n%%%%EOF\n" % table
    return bytes(out)


def _deflated(content: bytes, filters: Sequence[bytes]) -> bytes:
    page = (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources"
        b" << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>"
    )
    stream = b"<< /Length %d /Filter [%s] >>\nstream\n%s\nendstream"
    return assemble([_CATALOG, _PAGES, page, stream % (len(content), b" ".join(filters), content)])


def _with_picture(
    entries: bytes, data: bytes, filter_name: bytes = b"/Filter /FlateDecode"
) -> bytes:
    page = (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /XObject << /X 5 0 R >> >> >>"
    )
    content = b"500 0 0 700 50 50 cm /X Do"
    picture = b"<< /Type /XObject /Subtype /Image %s %s /Length %d >>\nstream\n%s\nendstream"
    return assemble(
        [
            _CATALOG,
            _PAGES,
            page,
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
            picture % (entries, filter_name, len(data), data),
        ]
    )
