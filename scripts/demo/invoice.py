"""A one-page invoice as a PDF, written by hand: enough for any reader, needing no library."""

from collections.abc import Sequence
from dataclasses import dataclass


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


def make_invoice_pdf(text: InvoiceText) -> bytes:
    """The PDF of `text`, on A4, with its words as real text."""
    content = _page_content(text)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842]"
            b" /Resources << /Font << /F1 4 0 R /F2 5 0 R >> >> /Contents 6 0 R >>"
        ),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
    ]
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


def _assemble(objects: Sequence[bytes]) -> bytes:
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
    document += b"trailer\n<< /Size %d /Root 1 0 R >>\n" % (len(objects) + 1)
    document += b"startxref\n%d\n%%%%EOF\n" % table_at
    return bytes(document)
