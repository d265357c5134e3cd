"""How many fields are read right: real receipts by OCR, real e-invoices by their pages alone.

Truth is what the data says; see its README. A field of an e-invoice counts only where the truth
marks it as shown on the pages, since a page may say something else than the data inside it.
"""

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from statistics import median
from typing import Any

from bench.data import data_folder, missing
from bench.figures import Figure, Options, Report
from bench.processes import READERS, cpu_with_children_s, peak_bytes_of_children
from proofs.readers.document_reading import read_document
from proofs.readers.documents.facts import FieldName, NoteCode, ReadingStatus
from proofs.readers.documents.ocr import Engine, get_engine
from proofs.readers.sniff import SNIFF_BYTES, sniff

_ENGINE_VARIABLE = "INVOICE_OCR_PROVIDER"
_SECOND_VARIABLE = "INVOICE_OCR_SECOND_OPINION"
_DEFAULT_ENGINE = "rapidocr"
_OTHER_ENGINE = {"rapidocr": "tesseract", "tesseract": "rapidocr"}
_OCR_MAX_PAGES = 5
_QUICK = 6
_PROGRESS_EVERY_S = 10.0
# A credit note: XML counts up what its page prints with a minus.
_CREDIT_NOTE = "381"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(frozen=True)
class Document:
    """A file, and what is true of it: the field, how it is compared, and its value."""

    kind: str
    path: Path
    truth: Mapping[FieldName, str]


@dataclass(frozen=True)
class Outcome:
    """What was read of one document, and what that took."""

    document: Document
    values: Mapping[FieldName, str]
    xml_values: Mapping[FieldName, str]
    seconds: float
    peak_bytes: int
    engine: str
    is_read: bool
    is_cut_short: bool


@dataclass(frozen=True)
class Goal:
    """What one field must reach, in percent."""

    kind: str
    field: FieldName
    required: float | None = None
    aim: float | None = None


_GOALS = (
    Goal("receipts", FieldName.DATE, 90, 95),
    Goal("receipts", FieldName.TOTAL, 88, 92),
    Goal("e-invoices, text only", FieldName.TOTAL, 90, 95),
    Goal("e-invoices, text only", FieldName.DATE, 90, 95),
    Goal("e-invoices, text only", FieldName.NUMBER, 80, 95),
    Goal("e-invoices, text only", FieldName.IBAN, 90, 95),
    Goal("e-invoices, text only", FieldName.DUE_DATE),
    Goal("e-invoices, text only", FieldName.CURRENCY),
    Goal("other invoices, text only", FieldName.TOTAL),
    Goal("other invoices, text only", FieldName.DATE),
    Goal("other invoices, text only", FieldName.NUMBER),
    Goal("receipts", FieldName.SUPPLIER),
    Goal("e-invoices, text only", FieldName.SUPPLIER),
)


def run(options: Options) -> Report:
    """Read every document of the folder on all cores, and count."""
    folder = data_folder(options)
    documents = [*_receipts(folder), *_e_invoices(folder), *_other_invoices(folder)]
    if options.quick:
        documents = [
            document
            for kind in dict.fromkeys(one.kind for one in documents)
            for document in [one for one in documents if one.kind == kind][:_QUICK]
        ]
    if not documents:
        return missing("extraction", folder, "receipts or invoices")
    started = time.monotonic()
    outcomes = _read_all(documents)
    return _report(outcomes, time.monotonic() - started)


def _receipts(folder: Path) -> Iterator[Document]:
    for key in sorted((folder / "receipts" / "key").glob("*.json")):
        path = folder / "receipts" / "img" / f"{key.stem}.jpg"
        if not path.is_file():
            continue
        said = json.loads(key.read_text(encoding="utf-8"))
        truth = {
            FieldName.TOTAL: _amount_as_printed(said.get("total")),
            FieldName.DATE: _date_as_printed(said.get("date")),
            FieldName.SUPPLIER: said.get("company"),
        }
        yield Document("receipts", path, _given(truth))


def _e_invoices(folder: Path) -> Iterator[Document]:
    for said, path in _with_pdf(folder / "invoices" / "zugferd"):
        shown = said.get("shown_on_pages") or {}
        values = {
            FieldName.TOTAL: said.get("grand_total") if shown.get("grand_total") else None,
            FieldName.DATE: said.get("issue_date") if shown.get("issue_date") else None,
            FieldName.DUE_DATE: said.get("due_date") if shown.get("due_date") else None,
            FieldName.NUMBER: said.get("number") if shown.get("number") else None,
            FieldName.IBAN: said.get("iban") if shown.get("iban") else None,
            FieldName.SUPPLIER: said.get("seller_name") if shown.get("seller_name") else None,
            FieldName.CURRENCY: said.get("currency"),
        }
        total = values[FieldName.TOTAL]
        if total and str(said.get("type_code")) == _CREDIT_NOTE:
            values[FieldName.TOTAL] = f"±{total.lstrip('-')}"
        yield Document("e-invoices, text only", path, _given(values))


def _other_invoices(folder: Path) -> Iterator[Document]:
    for listed, path in _with_pdf(folder / "invoices" / "invoice2data"):
        said = listed[0] if isinstance(listed, list) and listed else {}
        values = {
            FieldName.TOTAL: said.get("amount"),
            FieldName.DATE: said.get("date"),
            FieldName.NUMBER: said.get("invoice_number"),
        }
        yield Document("other invoices, text only", path, _given(values))


def _with_pdf(folder: Path) -> Iterator[tuple[Any, Path]]:
    for truth in sorted(folder.glob("*.json")):
        path = truth.with_suffix(".pdf")
        if path.is_file():
            # Amounts that are numbers in JSON keep their digits.
            yield json.loads(truth.read_text(encoding="utf-8"), parse_float=str), path


def _given(values: Mapping[FieldName, Any]) -> dict[FieldName, str]:
    return {name: str(value) for name, value in values.items() if value not in {None, ""}}


def _amount_as_printed(text: Any) -> str | None:
    digits = re.sub(r"[^\d.\-]", "", str(text or ""))
    return digits if re.search(r"\d", digits) else None


def _date_as_printed(text: Any) -> str | None:
    """Give a receipt's date as ISO: the day comes before the month unless the year leads."""
    words = str(text or "").lower()
    named = re.search(r"(\d{1,2})\D*(" + "|".join(_MONTHS) + r")[a-z]*\D*(\d{4}|\d\d)\b", words)
    led = re.search(r"(" + "|".join(_MONTHS) + r")[a-z]*\D*(\d{1,2})\D+(\d{4}|\d\d)\b", words)
    if named:
        return _iso(named[3], str(_MONTHS.index(named[2]) + 1), named[1])
    if led:
        return _iso(led[3], str(_MONTHS.index(led[1]) + 1), led[2])
    if match := re.search(r"\b(20\d\d)\D?(\d\d?)\D?(\d\d?)\b", words):
        return _iso(*match.groups())
    if match := re.search(r"\b(\d\d?)\D?(\d\d?)\D?(\d{4}|\d\d)\b", words):
        return _iso(match[3], match[2], match[1])
    return None


def _iso(year: str, month: str, day: str) -> str:
    return f"{'20' if len(year) == 2 else ''}{year}-{int(month):02}-{int(day):02}"


def _read_all(documents: Sequence[Document]) -> list[Outcome]:
    """Read on all cores, the long ones first, telling how far it is."""
    ordered = sorted(documents, key=lambda one: one.path.suffix == ".pdf")
    outcomes: list[Outcome] = []
    told = started = time.monotonic()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        waiting = [pool.submit(_read, document) for document in ordered]
        for done in as_completed(waiting):
            outcomes.append(done.result())
            now = time.monotonic()
            if now - told >= _PROGRESS_EVERY_S:
                told = now
                left_s = (now - started) / len(outcomes) * (len(ordered) - len(outcomes))
                print(
                    f"  {len(outcomes)} of {len(ordered)} documents, about {left_s:.0f} s left",
                    file=sys.stderr,
                    flush=True,
                )
    return outcomes


def _second_engine() -> Engine | None:
    """The engine that is asked in doubt, as it is for proofs: the other one, where it is there."""
    other = _OTHER_ENGINE.get(os.environ.get(_ENGINE_VARIABLE, _DEFAULT_ENGINE))
    if other is None or os.environ.get(_SECOND_VARIABLE, "true").lower() in {"false", "0"}:
        return None
    engine = get_engine(other)
    return engine if engine.version else None


def _read(document: Document) -> Outcome:
    """Read as a worker does, with its children, their limits and the time that a document has."""
    started_s = cpu_with_children_s(READERS)
    with document.path.open("rb") as file:
        media_type = sniff(file.read(SNIFF_BYTES))
    reading = read_document(
        document.path,
        media_type=media_type or "",
        engine=os.environ.get(_ENGINE_VARIABLE, _DEFAULT_ENGINE),
        ocr_max_pages=_OCR_MAX_PAGES,
        with_second=_second_engine() is not None,
    )
    return Outcome(
        document,
        {name: field.value for name, field in reading.fields.items()},
        {name: field.value for name, field in reading.xml_fields.items()},
        cpu_with_children_s(READERS) - started_s,
        peak_bytes_of_children(READERS),
        reading.engine,
        reading.status is not ReadingStatus.FAILED,
        any(note.code is NoteCode.PAGES_NOT_READ for note in reading.notes),
    )


def _is_right(name: FieldName, value: str | None, truth: str) -> bool:
    return value is not None and _COMPARED.get(name, _same_text)(value, truth)


def _same_amount(value: str, truth: str) -> bool:
    try:
        read, true = Decimal(value), Decimal(truth.lstrip("±"))
    except InvalidOperation:
        return False
    return abs(read) == true if truth.startswith("±") else read == true


def _same_text(value: str, truth: str) -> bool:
    return re.sub(r"\s", "", value) == re.sub(r"\s", "", truth.lstrip("#"))


def _same_name(value: str, truth: str) -> bool:
    """Whether one name is the beginning of the other, letters and digits alone."""
    one, other = (re.sub(r"[\W_]", "", name).lower() for name in (value, truth))
    shorter = min(len(one), len(other))
    return shorter >= 4 and one[:shorter] == other[:shorter]


_COMPARED: Mapping[FieldName, Callable[[str, str], bool]] = {
    FieldName.TOTAL: _same_amount,
    FieldName.SUPPLIER: _same_name,
}


def _report(outcomes: Sequence[Outcome], elapsed_s: float) -> Report:
    figures: list[Figure] = []
    wrong: dict[str, list[str]] = {}
    for goal in _GOALS:
        asked = [
            one
            for one in outcomes
            if one.document.kind == goal.kind and goal.field in one.document.truth
        ]
        if not asked:
            continue
        missed = sorted(
            one.document.path.stem
            for one in asked
            if not _is_right(goal.field, one.values.get(goal.field), one.document.truth[goal.field])
        )
        share = 100 * (len(asked) - len(missed)) / len(asked)
        name = f"{goal.kind}: {goal.field.value} of {len(asked)}"
        wrong[name] = missed
        figures.append(Figure(name, share, "%", required=goal.required, aim=goal.aim))
    return Report("extraction", figures, _notes(outcomes, elapsed_s), {"wrong": wrong})


def _notes(outcomes: Sequence[Outcome], elapsed_s: float) -> list[str]:
    engine = get_engine(os.environ.get(_ENGINE_VARIABLE, _DEFAULT_ENGINE))
    notes = [f"OCR engine {engine.name.value} {engine.version}; {elapsed_s:.0f} s in all"]
    if (second := _second_engine()) is not None:
        asked = sum("+" in one.engine for one in outcomes)
        notes.append(f"second engine {second.name.value} {second.version}, asked about {asked}")
    for kind in dict.fromkeys(one.document.kind for one in outcomes):
        of_kind = [one for one in outcomes if one.document.kind == kind]
        notes.append(
            f"{kind}: {len(of_kind)} documents, {median(one.seconds for one in of_kind):.2g} s of"
            f" CPU each, at most {max(one.seconds for one in of_kind):.2g} s"
        )
    peak = max(one.peak_bytes for one in outcomes) / 1_000_000
    notes.append(f"the largest child took {peak:.0f} MB")
    if short := sorted(one.document.path.name for one in outcomes if one.is_cut_short):
        notes.append(
            f"not all pages read, for their number or for lack of time: {', '.join(short)}"
        )
    signless = sum(one.document.truth.get(FieldName.TOTAL, "").startswith("±") for one in outcomes)
    if signless:
        notes.append(
            f"{signless} credit notes count by the amount alone: XML has no minus where pages do"
        )
    notes += _xml_notes(outcomes)
    if unread := sorted(one.document.path.name for one in outcomes if not one.is_read):
        notes.append(f"not read at all: {', '.join(unread)}")
    return notes


def _xml_notes(outcomes: Sequence[Outcome]) -> list[str]:
    """How the embedded data, which the figures ignore, agrees with the truth taken from it."""
    asked = [
        (one.xml_values.get(name), name, true)
        for one in outcomes
        if one.xml_values
        for name, true in one.document.truth.items()
    ]
    if not asked:
        return []
    right = sum(_is_right(name, value, true) for value, name, true in asked)
    return [f"embedded XML, which the figures ignore: {right} of {len(asked)} fields right"]
