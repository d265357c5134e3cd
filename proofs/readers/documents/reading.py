"""What a document's parts say together: its embedded e-invoice, its text, and pages read by OCR.

Children read the parts (`readers.document_reading`); this says how they fit together.
"""

from collections.abc import Sequence
from dataclasses import replace

from proofs.readers.documents import einvoice, fields, pdf
from proofs.readers.documents.facts import (
    MAX_TEXT_CHARS,
    PAGE_BREAK,
    Field,
    FieldName,
    Note,
    NoteCode,
    Page,
    Reading,
    ReadingStatus,
)
from proofs.readers.documents.hidden import hidden_note
from proofs.readers.documents.layout import lines_of
from proofs.readers.documents.ocr import Engine, NamedEngine, OcrError
from proofs.readers.documents.several import several_notes

# A page with fewer letters is a picture: scanners add a line or a page number of their own.
MIN_LETTERS_OF_TEXT = 25
# Below it OCR itself takes a good part for guesses.
LOW_CONFIDENCE = 0.8

# Each may be large, and one is all that an invoice needs.
MAX_EINVOICES = 4

_TWO_EINVOICES = Note(
    code=NoteCode.XML_AMBIGUOUS,
    message="Two sets of data inside the document say different things.",
    hint="Go by what the pages show, and ask the supplier which data hold.",
)


def read_xml(
    attachments: Sequence[pdf.Attachment],
) -> tuple[dict[FieldName, Field], tuple[Note, ...]]:
    """Give the fields of the first attached file that is an e-invoice, and a note if one is bad.

    So is a second one that says something else: each viewer may believe another.
    """
    first: dict[FieldName, Field] | None = None
    for attachment in einvoice.candidates(attachments)[:MAX_EINVOICES]:
        try:
            read = einvoice.read(attachment.data)
        except einvoice.NoEInvoice:
            continue
        except einvoice.XmlRefused:
            note = Note(
                code=NoteCode.XML_UNREADABLE,
                message="The data inside the document cannot be read.",
                hint="Ask the supplier for a new copy, or go by what the pages show.",
            )
            return first or {}, (note,)
        if first is None:
            first = read
        elif any(field.value != read[name].value for name, field in first.items() if name in read):
            return first, (_TWO_EINVOICES,)
    return first or {}, ()


def pages_for_ocr(
    pages: Sequence[Page], ocr_max_pages: int
) -> tuple[tuple[int, ...], tuple[Note, ...]]:
    """Give the numbers of the pages that OCR has to look at, and a note on those beyond the cap."""
    pictures = [page.number for page in pages if not has_text(page)]
    wanted, left = pictures[:ocr_max_pages], pictures[ocr_max_pages:]
    if not left:
        return tuple(wanted), ()
    note = Note(
        code=NoteCode.PAGES_NOT_READ,
        message=f"Pages not read: {', '.join(map(str, left))}.",
        hint="Look at these pages yourself.",
        pages=tuple(left),
    )
    return tuple(wanted), (note,)


def has_text(page: Page) -> bool:
    """Whether a page has text of its own, so that OCR need not look at it."""
    letters = sum(char.isalnum() for word in page.words for char in word.text)
    return letters >= MIN_LETTERS_OF_TEXT


def note_of(error: OcrError, engine: Engine) -> Note:
    """Give the note on an engine's error."""
    code = NoteCode.OCR_FAILED
    if not error.is_available:
        code = NoteCode.OCR_OFF if engine.name == "none" else NoteCode.OCR_UNAVAILABLE
    return Note(code=code, message=error.message, hint=error.hint, retry=error.retry)


def put_together(
    *,
    media_type: str,
    text_pages: Sequence[Page],
    ocr_pages: Sequence[Page],
    xml_fields: dict[FieldName, Field],
    notes: Sequence[Note],
    engine: NamedEngine | None,
    country: str | None,
) -> Reading:
    """Make the reading of its parts. `engine` is None where OCR had nothing to do."""
    by_ocr = {page.number: page for page in ocr_pages}
    # Scanners lay what they read over their picture, unseen. Where nobody here could read the
    # picture itself, that is all there is; it may say anything, so a note goes with it.
    laid_over = {
        page.number: replace(page, words=page.hidden)
        for page in text_pages
        if page.number not in by_ocr and page.hidden and not has_text(page)
    }
    pages = [by_ocr.get(page.number, laid_over.get(page.number, page)) for page in text_pages]
    pages += [page for page in ocr_pages if page.number > len(text_pages)]
    readable = [page for page in pages if page.words]
    lines = [line for page in readable for line in lines_of(page)]
    found = fields.extract_from(lines, country=country)
    doubtful = [
        page.number
        for page in readable
        if page.confidence is not None and page.confidence < LOW_CONFIDENCE
    ]
    all_notes = [
        *notes,
        *hidden_note(text_pages, found, believed=sorted(laid_over), country=country),
        *several_notes(lines),
    ]
    if doubtful:
        all_notes.append(
            Note(
                code=NoteCode.LOW_CONFIDENCE,
                message=f"Pages hard to read: {', '.join(map(str, doubtful))}.",
                hint="Compare what was read with the page, or ask for a sharper scan.",
            )
        )
    return Reading(
        media_type=media_type,
        pages_total=max(len(text_pages), len(pages)),
        pages_read=len(readable),
        engine="text" if engine is None else engine.name.value,
        engine_version="" if engine is None else engine.version,
        status=_status(readable, xml_fields, all_notes),
        fields=found,
        xml_fields=xml_fields,
        text=excerpt(readable),
        notes=tuple(all_notes),
    )


def excerpt(pages: Sequence[Page]) -> str:
    """Give the text of pages in reading order, at most so much as is kept."""
    texts = ("\n".join(line.text for line in lines_of(page)) for page in pages)
    return PAGE_BREAK.join(texts)[:MAX_TEXT_CHARS]


def _status(
    readable: Sequence[Page], xml_fields: dict[FieldName, Field], notes: Sequence[Note]
) -> ReadingStatus:
    if readable or xml_fields:
        return ReadingStatus.READ
    not_working = {NoteCode.OCR_FAILED, NoteCode.OCR_UNAVAILABLE, NoteCode.OCR_OFF}
    if any(note.code in not_working for note in notes):
        return ReadingStatus.FAILED
    return ReadingStatus.EMPTY
