"""PDF files: the words on their pages with places, what is attached, and pages as pictures.

PDFium decodes hostile bytes here. A bomb inside a stream is only stopped by the limits of the
child process in which this is made to run; what can be told beforehand is refused beforehand.
"""

import ctypes
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pypdfium2
from numpy.typing import NDArray
from PIL import Image
from pypdfium2 import raw

from proofs.readers.documents.facts import MAX_PAGES, Note, NoteCode, Page, Source
from proofs.readers.documents.pdf_images import is_picture
from proofs.readers.documents.pdf_words import Words, words_of
from proofs.readers.errors import document_unreadable, pdf_encrypted, too_many_pages

RENDER_DPI = 200
# Enough to see whether there is anything where a word should be.
LOOK_DPI = 100
POINTS_PER_INCH = 72
# A4 at 200 dpi has 4 megapixels. A page may claim to be 5 metres wide.
MAX_RENDERED_PIXELS = 25_000_000
MAX_RENDERED_SIDE_PX = 8_000
MAX_ATTACHMENTS = 20
MAX_ATTACHMENT_BYTES = 5_000_000
MAX_NAME_CHARS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file inside the PDF. The name is whatever its maker wrote."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedPdf:
    """What stands in a PDF as text. A scanned page has few words or none."""

    pages: tuple[Page, ...]
    attachments: tuple[Attachment, ...] = ()
    notes: tuple[Note, ...] = ()

    @property
    def pages_total(self) -> int:
        """How many pages there are; all of them were parsed."""
        return len(self.pages)


def parse(path: Path, *, looks: bool = True) -> ParsedPdf:
    """Read the words of all pages and the attached files.

    With `looks` each page is drawn, small, to tell the words that it shows from those that it
    hides. The text of a page that is a picture counts as hidden, as a scanner's layer does. A page
    that is damaged by itself has no words.

    Raises ReaderRefusal: PDF_ENCRYPTED where a password is needed to open it, FILE_TOO_LARGE above
    30 pages, FILE_UNREADABLE for the rest.
    """
    with _opened(path) as document:
        pages = tuple(_page(document, index, looks=looks) for index in range(len(document)))
        attachments, notes = _attachments(document)
    return ParsedPdf(pages=pages, attachments=attachments, notes=notes)


def render(path: Path, number: int, *, dpi: int = RENDER_DPI) -> Image.Image:
    """Draw page `number` (from 1) in grey on white, with fewer dots where it would be too large.

    Neither scripts nor forms of the document run. Raises ReaderRefusal as `parse` does, and
    FILE_UNREADABLE for a page that cannot be drawn.
    """
    with _opened(path) as document:
        try:
            page = document[number - 1]
            width, height = page.get_size()
            scale = _scale(width, height, dpi=dpi)
            bitmap = page.render(
                scale=scale, grayscale=True, may_draw_forms=False, draw_annots=True
            )
            # The picture would otherwise live in PDFium's memory, which goes with the document.
            picture: Image.Image = bitmap.to_pil().convert("L").copy()
        except (pypdfium2.PdfiumError, ValueError, IndexError) as error:
            raise document_unreadable() from error
    return picture


@contextmanager
def _opened(path: Path) -> Iterator[pypdfium2.PdfDocument]:
    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == raw.FPDF_ERR_PASSWORD:
            raise pdf_encrypted() from error
        raise document_unreadable() from error
    try:
        # The count is a claim of the file until each page is loaded, and costs nothing.
        if len(document) > MAX_PAGES:
            raise too_many_pages(MAX_PAGES)
        if len(document) < 1:
            raise document_unreadable()
        yield document
    finally:
        document.close()


def _page(document: pypdfium2.PdfDocument, index: int, *, looks: bool) -> Page:
    try:
        page = document[index]
        width, height = page.get_size()
        words = words_of(page, _picture(page) if looks else None)
        if words.shown and is_picture(page):
            # OCR reads what people see; the text is only compared with it.
            words = Words(shown=(), hidden=words.shown + words.hidden)
    except pypdfium2.PdfiumError:
        return Page(number=index + 1, width=0.0, height=0.0, words=(), source=Source.TEXT)
    return Page(
        number=index + 1,
        width=width,
        height=height,
        words=words.shown,
        source=Source.TEXT,
        hidden=words.hidden,
    )


def _picture(page: pypdfium2.PdfPage) -> NDArray[np.uint8] | None:
    """Give the page as people see it, in grey; None where it cannot be drawn."""
    try:
        scale = _scale(*page.get_size(), dpi=LOOK_DPI)
        bitmap = page.render(scale=scale, grayscale=True, may_draw_forms=False)
    except (pypdfium2.PdfiumError, ValueError):
        return None
    # The array would otherwise be a view of PDFium's memory.
    return np.array(bitmap.to_numpy(), dtype=np.uint8).reshape(bitmap.height, bitmap.width)


def _scale(width: float, height: float, *, dpi: int) -> float:
    """Give pixels per point, within what a rendered page may cost."""
    if not (width > 0 and height > 0 and math.isfinite(width * height)):
        raise ValueError("a page without a size")
    scale = min(
        dpi / POINTS_PER_INCH,
        MAX_RENDERED_SIDE_PX / max(width, height),
        math.sqrt(MAX_RENDERED_PIXELS / (width * height)),
    )
    if scale * min(width, height) < 1:
        raise ValueError("a page that is a line")
    return scale


def _attachments(
    document: pypdfium2.PdfDocument,
) -> tuple[tuple[Attachment, ...], tuple[Note, ...]]:
    count = document.count_attachments()
    found = []
    left_out = max(0, count - MAX_ATTACHMENTS)
    for index in range(min(count, MAX_ATTACHMENTS)):
        try:
            attachment = document.get_attachment(index)
            name = attachment.get_name()[:MAX_NAME_CHARS]
            size = ctypes.c_ulong()
            if not raw.FPDFAttachment_GetFile(attachment, None, 0, size):
                continue
            if size.value > MAX_ATTACHMENT_BYTES:
                left_out += 1
                continue
            found.append(Attachment(name=name, data=bytes(attachment.get_data())))
        except (pypdfium2.PdfiumError, UnicodeDecodeError):
            left_out += 1
    if not left_out:
        return tuple(found), ()
    note = Note(
        code=NoteCode.ATTACHMENTS_NOT_READ,
        message=f"{left_out} files inside the document were not looked at.",
    )
    return tuple(found), (note,)
