"""The child process that parses documents: `python -m proofs.readers.parser_child`."""

import functools
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from pypdfium2 import raw

from proofs.readers.documents import pdf
from proofs.readers.documents.facts import Note, Page, fields_from_json
from proofs.readers.documents.ocr import EngineName, OcrError, get_engine
from proofs.readers.documents.reading import note_of, pages_for_ocr, put_together, read_xml
from proofs.readers.errors import document_unreadable
from proofs.readers.limits import part_path
from proofs.readers.serving import Job, serve

JPEG_QUALITY = 80
PDF_TYPE = "application/pdf"
# 200 inches, which PDF itself allows no page to be larger than (ISO 32000-1, annex C).
MAX_SIDE_POINTS = 14_400


@dataclass(frozen=True, slots=True)
class _AskedElsewhere:
    """The engine that another child was asked for."""

    name: EngineName
    version: str


def _forgetting(job: Job) -> Job:
    """Let a job not meet the error of an earlier file.

    PDFium keeps its last error, and sets none for some files that it does not open: such a file
    would be refused for the password of the one before it.
    """

    @functools.wraps(job)
    def run(arguments: Mapping[str, Any]) -> Any:
        raw.FPDF_LoadMemDocument(b"", 0, None)
        return job(arguments)

    return run


def _count_pages(arguments: Mapping[str, Any]) -> dict[str, Any]:
    parsed = pdf.parse(Path(arguments["path"]), looks=False)
    if any(max(page.width, page.height) > MAX_SIDE_POINTS for page in parsed.pages):
        raise document_unreadable()
    return {"pages": parsed.pages_total}


def _render_page(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Draw one page: as a small JPEG for showing, or as it is drawn, in PNG, for OCR."""
    picture = pdf.render(Path(arguments["path"]), arguments["number"])
    out_path = Path(arguments["out_path"])
    part = part_path(out_path)
    if (side_px := arguments["max_side_px"]) is None:
        picture.save(part, "PNG", compress_level=1)
    else:
        picture.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
        picture.save(part, "JPEG", quality=JPEG_QUALITY)
    part.replace(out_path)
    return {"width": picture.width, "height": picture.height}


def _read_pdf(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Read a PDF as far as that needs no OCR; the reading, or the parts and which pages need it."""
    parsed = pdf.parse(Path(arguments["path"]))
    xml_fields, xml_notes = read_xml(parsed.attachments)
    wanted, skipped = pages_for_ocr(parsed.pages, arguments["ocr_max_pages"])
    notes = [*parsed.notes, *xml_notes, *skipped]
    engine = get_engine(arguments["engine"])
    if wanted and engine.name is not EngineName.NONE:
        return {
            "wanted": list(wanted),
            "parts": {
                "media_type": PDF_TYPE,
                "text_pages": [page.to_json() for page in parsed.pages],
                "xml_fields": {name.value: found.to_json() for name, found in xml_fields.items()},
                "notes": [note.to_json() for note in notes],
            },
        }
    if wanted:
        notes.append(_note_without_engine(wanted[0]))
    reading = put_together(
        media_type=PDF_TYPE,
        text_pages=parsed.pages,
        ocr_pages=(),
        xml_fields=xml_fields,
        notes=notes,
        engine=engine if wanted else None,
        country=arguments["country"],
    )
    return {"reading": reading.to_json()}


def _put_together(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Make the reading of parts, of which other children read some."""
    parts = arguments["parts"]
    notes = [Note.from_json(note) for note in [*parts["notes"], *arguments["ocr_notes"]]]
    engine = _AskedElsewhere(EngineName(arguments["engine"]), arguments["engine_version"])
    if engine.name is EngineName.NONE:
        notes.append(_note_without_engine(1))
    reading = put_together(
        media_type=parts["media_type"],
        text_pages=[Page.from_json(page) for page in parts["text_pages"]],
        ocr_pages=[Page.from_json(page) for page in arguments["ocr_pages"]],
        xml_fields=fields_from_json(parts["xml_fields"]),
        notes=notes,
        engine=engine,
        country=arguments["country"],
    )
    return {"reading": reading.to_json()}


def _note_without_engine(number: int) -> Note:
    engine = get_engine(EngineName.NONE)
    try:
        engine.read(Image.new("L", (1, 1)), number=number)
    except OcrError as error:
        return note_of(error, engine)
    raise AssertionError("no engine reads nothing")


JOBS: Mapping[str, Job] = {
    "count_pages": _forgetting(_count_pages),
    "render_page": _forgetting(_render_page),
    "read_pdf": _forgetting(_read_pdf),
    "put_together": _put_together,
}


def main() -> None:
    """Serve the jobs on documents."""
    serve(JOBS, sys.argv[1:])


if __name__ == "__main__":
    main()
