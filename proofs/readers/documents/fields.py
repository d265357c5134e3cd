"""The fields of a document from the words of its pages."""

from collections.abc import Iterator, Sequence

from proofs.readers.documents.amounts import Amount, canonical
from proofs.readers.documents.currencies import find_currency
from proofs.readers.documents.date_roles import choose_date, choose_due_date, label_dates
from proofs.readers.documents.dates import is_month_first
from proofs.readers.documents.facts import MAX_VALUE_CHARS, Field, FieldName, Page
from proofs.readers.documents.ids import IdFound, find_iban, find_siret, find_vat_id
from proofs.readers.documents.layout import Line, lines_of
from proofs.readers.documents.numbers import find_number
from proofs.readers.documents.suppliers import find_supplier
from proofs.readers.documents.totals import find_totals

# Where dates in figures begin with the month.
_MONTH_FIRST_COUNTRIES = frozenset({"US"})


def extract(pages: Sequence[Page], *, country: str | None = None) -> dict[FieldName, Field]:
    """Give the fields that were found; what was not found is absent.

    `country` is where the document is thought to come from (ISO 3166, two letters). It decides what
    FCFA means and whether 03/04 is the third of April.
    """
    return extract_from([line for page in pages for line in lines_of(page)], country=country)


def extract_from(lines: Sequence[Line], *, country: str | None = None) -> dict[FieldName, Field]:
    """The same from the lines of the pages."""
    if not lines:
        return {}
    found = (
        *_amount_fields(lines, country),
        *_date_fields(
            lines, month_first=country in _MONTH_FIRST_COUNTRIES or is_month_first(lines)
        ),
        *_text_fields(lines),
        *_id_fields(lines),
    )
    return {field.name: field for field in found}


def _amount_fields(lines: Sequence[Line], country: str | None) -> Iterator[Field]:
    totals = find_totals(lines)
    total: Amount | None = None
    for name, chosen in (
        (FieldName.TOTAL, totals.total),
        (FieldName.NET, totals.net),
        (FieldName.TAX, totals.tax),
        (FieldName.PAYABLE, totals.payable),
    ):
        if chosen is None:
            continue
        amount = chosen[0].amount
        if name is FieldName.TOTAL:
            total = amount
        yield _field(
            name, canonical(amount.value), amount.line, amount.start, amount.end, chosen[1]
        )
    currency = find_currency(lines, total, country=country)
    if currency is not None:
        yield _field(
            FieldName.CURRENCY,
            currency.code,
            currency.line,
            currency.start,
            currency.end,
            currency.confidence,
            raw=currency.raw,
        )


def _date_fields(lines: Sequence[Line], *, month_first: bool) -> Iterator[Field]:
    labelled = label_dates(lines, month_first=month_first)
    issued = choose_date(labelled)
    due = choose_due_date(labelled, issued[0] if issued else None)
    for name, chosen in ((FieldName.DATE, issued), (FieldName.DUE_DATE, due)):
        if chosen is not None:
            date, sure = chosen
            yield _field(name, date.value.isoformat(), date.line, date.start, date.end, sure)


def _text_fields(lines: Sequence[Line]) -> Iterator[Field]:
    number = find_number(lines)
    if number is not None:
        found, sure = number
        yield _field(FieldName.NUMBER, found.value, found.line, found.start, found.end, sure)
    supplier = find_supplier(lines)
    if supplier is not None:
        yield _field(
            FieldName.SUPPLIER,
            " ".join(supplier.name.split()),
            supplier.line,
            supplier.start,
            supplier.end,
            supplier.confidence,
        )


def _id_fields(lines: Sequence[Line]) -> Iterator[Field]:
    found: tuple[tuple[FieldName, IdFound | None], ...] = (
        (FieldName.IBAN, find_iban(lines)),
        (FieldName.VAT_ID, find_vat_id(lines)),
        (FieldName.SIRET, find_siret(lines)),
    )
    for name, one in found:
        if one is not None:
            yield _field(name, one.value, one.line, one.start, one.end, one.confidence)


def _field(
    name: FieldName,
    value: str,
    line: Line,
    start: int,
    end: int,
    sure: float,
    *,
    raw: str | None = None,
) -> Field:
    """Give a field with its place; OCR that doubts its own words lowers the confidence."""
    printed = line.text[start:end].strip() if raw is None else raw
    return Field(
        name=name,
        value=value[:MAX_VALUE_CHARS],
        raw=printed[:MAX_VALUE_CHARS],
        confidence=round(min(1.0, sure) * line.confidence(start, end), 3),
        page=line.page,
        box=line.box(start, end).turned_back(line.turned),
        source=line.source,
    )
