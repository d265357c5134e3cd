"""Documents for the demo, the benchmarks and tests: PDFs written by hand, needing no library."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

_A4 = (595, 842)
_FONTS = (
    b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>",
)


@dataclass(frozen=True)
class InvoiceText:
    """What stands on the page. `lines` are (description, amount as printed)."""

    number: str
    issued_on: str
    supplier: str
    customer: str
    lines: Sequence[tuple[str, str]]
    total: str
    iban: str


def make_invoice_pdf(text: InvoiceText, *, pages: int = 1) -> bytes:
    """The PDF of `text` on A4, with its words as real text; further pages say only their number."""
    others = [_show(60, 770, f"Page {number}") for number in range(2, pages + 1)]
    return make_pdf([_page_content(text), *others])


def make_pdf(contents: Sequence[bytes], *, catalog: bytes = b"", trailer: bytes = b"") -> bytes:
    """A PDF with a page for each content stream. The rest goes into its dictionaries as it is."""
    kids = b" ".join(b"%d 0 R" % (5 + 2 * index) for index in range(len(contents)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R %s >>" % catalog,
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(contents)),
        *_FONTS,
    ]
    for content in contents:
        objects += [
            (
                b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Resources"
                b" << /Font << /F1 3 0 R /F2 4 0 R >> >> /Contents %d 0 R >>"
            )
            % (*_A4, len(objects) + 2),
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        ]
    return _assemble(objects, trailer)


def make_locked_pdf() -> bytes:
    """A PDF that opens with no password at all; readers say that theirs is wrong."""
    lock = b"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >> /ID [<00> <00>]" % (
        b"5a" * 32,
        b"a5" * 32,
    )
    return make_pdf([_show(60, 770, "Secret")], trailer=lock)


def make_scan_pdf(pictures: Sequence[Image.Image]) -> bytes:
    """A PDF of scanned pages: each a picture in grey that fills A4, without any text."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]
    kids = []
    for picture in pictures:
        kids.append(len(objects) + 1)
        jpeg = BytesIO()
        picture.convert("L").save(jpeg, "JPEG", quality=80)
        content = b"%d 0 0 %d 0 0 cm /I Do" % _A4
        objects += [
            (
                b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Resources"
                b" << /XObject << /I %d 0 R >> >> /Contents %d 0 R >>"
            )
            % (*_A4, len(objects) + 2, len(objects) + 3),
            (
                b"<< /Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceGray"
                b" /BitsPerComponent 8 /Filter /DCTDecode /Length %d >>\nstream\n%s\nendstream"
            )
            % (*picture.size, len(jpeg.getvalue()), jpeg.getvalue()),
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        ]
    listed = b" ".join(b"%d 0 R" % kid for kid in kids)
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (listed, len(kids))
    return _assemble(objects)


def _page_content(text: InvoiceText) -> bytes:
    rows = [
        _show(60, 770, f"Facture {text.number}", size=20, bold=True),
        _show(60, 735, f"Date : {text.issued_on}"),
        _show(60, 715, f"Fournisseur : {text.supplier}"),
        _show(60, 695, f"Client : {text.customer}"),
    ]
    y = 640
    for description, amount in text.lines:
        rows += [_show(60, y, description), _show(430, y, amount)]
        y -= 22
    rows += [
        _show(60, y - 20, "Total TTC", size=13, bold=True),
        _show(430, y - 20, text.total, size=13, bold=True),
        _show(60, y - 60, f"IBAN : {text.iban}"),
    ]
    return b"\n".join(rows)


def _show(x: int, y: int, words: str, *, size: int = 11, bold: bool = False) -> bytes:
    escaped = words.encode("cp1252")
    for special in (b"\\", b"(", b")"):
        escaped = escaped.replace(special, b"\\" + special)
    font = b"/F2" if bold else b"/F1"
    return b"BT %s %d Tf %d %d Td (%s) Tj ET" % (font, size, x, y, escaped)


def _assemble(objects: Sequence[bytes], trailer: bytes = b"") -> bytes:
    """The objects, numbered from 1, with the cross-reference table that readers look for."""
    document = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(document))
        document += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table_at = len(document)
    document += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for offset in offsets:
        document += b"%010d 00000 n \n" % offset
    document += b"trailer\n<< /Size %d /Root 1 0 R %s >>\n" % (len(objects) + 1, trailer)
    document += b"startxref\n%d\n%%%%EOF\n" % table_at
    return bytes(document)
