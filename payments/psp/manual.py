"""The file from which people pay, and the statement that tells what became of it. Pure.

`docs/manual-payouts.md` describes both for the people who use them.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from kobatela.kernel.errors import DomainError
from kobatela.kernel.money import Money, format_minor, parse_minor
from payments.errors import StatementInvalid, StatementTooLarge
from payments.psp.base import OrderState

FILE_COLUMNS = (
    "line",
    "kind",
    "operator",
    "account",
    "bank_code",
    "name",
    "amount",
    "currency",
)
STATEMENT_COLUMNS = ("line", "outcome", "amount", "reference", "date")
OUTCOMES: Mapping[str, OrderState] = {
    "settled": OrderState.SETTLED,
    "failed": OrderState.FAILED,
    "returned": OrderState.RETURNED,
}
MAX_STATEMENT_BYTES = 1_048_576
MAX_STATEMENT_ROWS = 5_000
_MAX_REFERENCE = 64
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DELIMITERS = ",;\t"
# What a spreadsheet takes for a formula, in either width.
_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")


@dataclass(frozen=True, slots=True, repr=False)
class FileLine:
    """One payment as the file tells it. It has no text of its own: it names an account."""

    code: str
    kind: str
    operator: str
    account: str
    bank_code: str
    name: str
    money: Money


@dataclass(frozen=True, slots=True)
class StatementRow:
    """What a statement says of one line. row: its place in the file, the header being 1."""

    row: int
    code: str
    outcome: OrderState
    money: Money
    reference: str
    reported_on: date


@dataclass(frozen=True, slots=True)
class Problem:
    """A row that changes nothing, and why. line: the line it is about, when there is one."""

    row: int
    code: str
    line: str = ""


class _RowUnreadable(Exception):
    """A row from which nothing can be taken."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def batch_file(lines: Sequence[FileLine]) -> bytes:
    """The file as UTF-8 CSV. The same lines make the same bytes."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(FILE_COLUMNS)
    for line in lines:
        amount = format_minor(line.money.amount_minor, line.money.currency)
        cells = (
            line.code,
            line.kind,
            line.operator,
            # A number that begins with + would be a formula; operators take it without.
            line.account.removeprefix("+"),
            line.bank_code,
            line.name,
            amount,
            line.money.currency,
        )
        writer.writerow([safe_cell(cell) for cell in cells])
    return text.getvalue().encode()


def safe_cell(text: str) -> str:
    """The text on one line, and never a formula when a spreadsheet opens it."""
    plain = "".join(
        " " if unicodedata.category(character) in {"Cc", "Zl", "Zp"} else character
        for character in text
    ).strip()
    return f"'{plain}" if plain.startswith(_FORMULA) else plain


def read_statement(content: bytes, currency: str) -> tuple[list[StatementRow], list[Problem]]:
    """The rows of a statement in order, and those that cannot be read.

    CSV with a header that names STATEMENT_COLUMNS in any order, beside others; separated by
    commas, semicolons or tabs. Raises StatementInvalid and StatementTooLarge.
    """
    if len(content) > MAX_STATEMENT_BYTES:
        raise StatementTooLarge(max_bytes=MAX_STATEMENT_BYTES)
    lines = _lines(content)
    columns = _columns(lines[0])
    rows: list[StatementRow] = []
    problems: list[Problem] = []
    for number, cells in enumerate(lines[1:], start=2):
        if not any(cells):
            continue
        try:
            rows.append(_read_row(number, cells, columns, currency))
        except _RowUnreadable as problem:
            problems.append(Problem(number, problem.code))
    return rows, problems


def _lines(content: bytes) -> list[list[str]]:
    try:
        text = content.decode("utf-8-sig")
        header = text.split("\n", 1)[0]
        delimiter = max(_DELIMITERS, key=header.count)
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise StatementInvalid("The file is not CSV in UTF-8.") from error
    if not lines:
        raise StatementInvalid("The file is empty.")
    if len(lines) > MAX_STATEMENT_ROWS:
        raise StatementTooLarge(max_rows=MAX_STATEMENT_ROWS)
    return [[cell.strip() for cell in cells] for cells in lines]


def _columns(header: Sequence[str]) -> Mapping[str, int]:
    names = [name.lower() for name in header]
    missing = [name for name in STATEMENT_COLUMNS if name not in names]
    if missing:
        raise StatementInvalid("The header lacks columns.", missing=missing)
    return {name: names.index(name) for name in STATEMENT_COLUMNS}


def _read_row(
    number: int, cells: Sequence[str], columns: Mapping[str, int], currency: str
) -> StatementRow:
    if len(cells) <= max(columns.values()):
        raise _RowUnreadable("ROW_INCOMPLETE")
    said = {name: cells[place] for name, place in columns.items()}
    if not all(text.isprintable() for text in said.values()):
        raise _RowUnreadable("ROW_INVALID")
    if len(said["reference"]) > _MAX_REFERENCE:
        raise _RowUnreadable("REFERENCE_TOO_LONG")
    return StatementRow(
        row=number,
        code=said["line"].upper(),
        outcome=_outcome(said["outcome"]),
        money=_money(said["amount"], currency),
        reference=said["reference"],
        reported_on=_day(said["date"]),
    )


def _outcome(text: str) -> OrderState:
    outcome = OUTCOMES.get(text.lower())
    if outcome is None:
        raise _RowUnreadable("OUTCOME_UNKNOWN")
    return outcome


def _money(text: str, currency: str) -> Money:
    try:
        return Money(parse_minor(text, currency), currency)
    except DomainError as error:
        raise _RowUnreadable("AMOUNT_INVALID") from error


def _day(text: str) -> date:
    if not _DAY.fullmatch(text):
        raise _RowUnreadable("DATE_INVALID")
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise _RowUnreadable("DATE_INVALID") from error
