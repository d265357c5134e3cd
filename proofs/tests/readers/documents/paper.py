"""Documents of our own making: pages written as they look, and small PDF files."""

import hashlib
import re
from collections.abc import Sequence

from proofs.readers.documents.facts import Page, Source, Word
from proofs.readers.documents.layout import Line, lines_of

# A page of typewriter text: so many characters across, so many lines down.
COLUMNS, ROWS = 100, 60


def page(
    *rows: str,
    number: int = 1,
    source: Source = Source.TEXT,
    confidence: float | None = None,
    tilt: float = 0.0,
) -> Page:
    """Give a page on which each character stands where it stands in `rows`.

    With OCR, words that stand close together are one run, as engines give them. `tilt` lets the
    lines fall to the right.
    """
    pattern = r"\S+" if source is Source.TEXT else r"\S+(?: \S+)*"
    words = []
    for down, row in enumerate(rows):
        for match in re.finditer(pattern, row):
            x0, x1 = match.start() / COLUMNS, match.end() / COLUMNS
            y0, y1 = (down + 0.1) / ROWS, (down + 0.9) / ROWS
            middle = (x0 + x1) / 2
            words.append(
                Word(
                    text=match[0],
                    x0=x0,
                    y0=y0 + tilt * (middle - (x1 - x0) / 2 if tilt > 0 else middle),
                    x1=x1,
                    y1=y1 + tilt * middle + abs(tilt) * (x1 - x0) / 2,
                    confidence=confidence,
                )
            )
    return Page(
        number=number,
        width=600.0,
        height=600.0 * 2 * ROWS / COLUMNS,
        words=tuple(words),
        source=source,
        tilt=tilt,
    )


def lines(*rows: str) -> list[Line]:
    """Give the lines of a page that looks like `rows`."""
    return list(lines_of(page(*rows)))


def pdf(
    *pages: Sequence[str],
    media_box: str = "0 0 595 842",
    rotate: int = 0,
    attachments: Sequence[tuple[str, bytes]] = (),
    user_password: str | None = None,
    owner_password: str | None = None,
) -> bytes:
    """Give a PDF with one page for each sequence of lines, set in Courier, 10 points.

    A password makes it encrypted; without `user_password` it opens all the same.
    """
    writer = _Writer()
    font = writer.add(
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier /Encoding /WinAnsiEncoding >>"
    )
    kids = []
    tree = writer.reserve()
    for rows in pages:
        content = writer.add_stream(_content(rows))
        kids.append(
            writer.add(
                b"<< /Type /Page /Parent %d 0 R /MediaBox [%s] /Rotate %d /Contents %d 0 R"
                b" /Resources << /Font << /F %d 0 R >> >> >>"
                % (tree, media_box.encode(), rotate, content, font)
            )
        )
    references = b" ".join(b"%d 0 R" % kid for kid in kids)
    writer.put(tree, b"<< /Type /Pages /Kids [%s] /Count %d >>" % (references, len(kids)))
    names = b"".join(
        b"(%s) %d 0 R " % (name.encode(), writer.add_file(name, data)) for name, data in attachments
    )
    root = writer.add(
        b"<< /Type /Catalog /Pages %d 0 R /Names << /EmbeddedFiles << /Names [%s] >> >> >>"
        % (tree, names)
    )
    if user_password is not None or owner_password is not None:
        return writer.encrypted(root, user_password or "", owner_password or "owner")
    return writer.document(root)


def _content(rows: Sequence[str]) -> bytes:
    shown = []
    for down, row in enumerate(rows):
        for match in re.finditer(r"\S+(?: \S+)*", row):
            text = match[0].encode("cp1252")
            escaped = re.sub(rb"([\\()])", rb"\\\1", text)
            place = b"1 0 0 1 %d %d Tm" % (20 + 6 * match.start(), 800 - 13 * down)
            shown.append(b"%s (%s) Tj" % (place, escaped))
    return b"BT /F 10 Tf %s ET" % b"\n".join(shown)


class _Writer:
    """Writes the objects of a PDF and the table that finds them."""

    def __init__(self) -> None:
        self._objects: list[tuple[bytes, bytes | None]] = []

    def reserve(self) -> int:
        self._objects.append((b"null", None))
        return len(self._objects)

    def put(self, number: int, body: bytes, stream: bytes | None = None) -> None:
        self._objects[number - 1] = (body, stream)

    def add(self, body: bytes) -> int:
        number = self.reserve()
        self.put(number, body)
        return number

    def add_stream(self, data: bytes, entries: bytes = b"") -> int:
        number = self.reserve()
        self.put(number, b"<< /Length %d %s >>" % (len(data), entries), data)
        return number

    def add_file(self, name: str, data: bytes) -> int:
        stream = self.add_stream(data, b"/Type /EmbeddedFile")
        return self.add(
            b"<< /Type /Filespec /F (%s) /UF (%s) /EF << /F %d 0 R >> >>"
            % (name.encode(), name.encode(), stream)
        )

    def document(self, root: int, trailer: bytes = b"", key: bytes | None = None) -> bytes:
        out = bytearray(b"%PDF-1.4\n")
        places = []
        for number, (body, stream) in enumerate(self._objects, start=1):
            places.append(len(out))
            out += b"%d 0 obj\n%s\n" % (number, body)
            if stream is not None:
                data = stream if key is None else _rc4(_object_key(key, number), stream)
                out += b"stream\n%s\nendstream\n" % data
            out += b"endobj\n"
        table = len(out)
        out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1)
        out += b"".join(b"%010d 00000 n \n" % place for place in places)
        out += b"trailer\n<< /Size %d /Root %d 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (
            len(places) + 1,
            root,
            trailer,
            table,
        )
        return bytes(out)

    def encrypted(self, root: int, user_password: str, owner_password: str) -> bytes:
        """The oldest of the PDF encryptions, RC4 with 40 bits: enough for a closed door."""
        identity = b"0123456789abcdef"
        permissions = (-4).to_bytes(4, "little", signed=True)
        owner = _rc4(_md5(_padded(owner_password))[:5], _padded(user_password))
        key = _md5(_padded(user_password) + owner + permissions + identity)[:5]
        user = _rc4(key, _padded(""))
        trailer = b"/ID [<%s> <%s>] /Encrypt << /Filter /Standard /V 1 /R 2 /P -4" % (
            identity.hex().encode(),
            identity.hex().encode(),
        )
        trailer += b" /O <%s> /U <%s> >>" % (owner.hex().encode(), user.hex().encode())
        return self.document(root, trailer, key)


_PADDING = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")


def _padded(password: str) -> bytes:
    return (password.encode("latin-1") + _PADDING)[:32]


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _object_key(key: bytes, number: int) -> bytes:
    return _md5(key + number.to_bytes(3, "little") + b"\0\0")[: len(key) + 5]


def _rc4(key: bytes, data: bytes) -> bytes:
    state = list(range(256))
    j = 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    out = bytearray()
    i = j = 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)
