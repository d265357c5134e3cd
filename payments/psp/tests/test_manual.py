"""The file that people pay from, and the statements that they send back. Pure."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kobatela.kernel.money import Money
from payments.errors import StatementInvalid, StatementTooLarge
from payments.psp.base import OrderState
from payments.psp.manual import (
    MAX_STATEMENT_BYTES,
    FileLine,
    Problem,
    StatementRow,
    batch_file,
    read_statement,
    safe_cell,
)
from payments.tests.batches import read_file, statement

GOOD = ("KB1-1-ABCDEF", "settled", "5000", "TX-1", "2026-01-31")


def line(**overrides: object) -> FileLine:
    values = {
        "code": "KB1-1-ABCDEF",
        "kind": "mobile_money",
        "operator": "orange",
        "account": "+2250701020304",
        "bank_code": "",
        "name": "Awa Koné",
        "money": Money(5_000, "XOF"),
    }
    return FileLine(**(values | overrides))  # type: ignore[arg-type]  # of a test


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1+1",
        "\r=1+1",
        "\n=1+1",
        "  =1+1",
        "\x00=1+1",
        "\uff1d1+1",
        '=HYPERLINK("http://example.org","pay")',
        "=cmd|' /C calc'!A0",
    ],
)
def test_no_cell_is_a_formula(text: str) -> None:
    assert safe_cell(text).startswith("'")
    (row,) = read_file(batch_file([line(name=text)]))
    assert row["name"].startswith("'")


@given(st.text(max_size=40))
def test_whatever_a_name_holds_the_file_keeps_its_shape(name: str) -> None:
    content = batch_file([line(name=name), line()])
    rows = read_file(content)
    assert len(rows) == 2
    assert content.count(b"\r\n") == 3
    assert not rows[0]["name"].startswith(("=", "+", "-", "@", "\t", "\r"))
    assert rows[0]["account"] == "2250701020304"


def test_a_plain_name_is_left_as_it_is() -> None:
    assert safe_cell("Kouassi, N'Guessan & Fils") == "Kouassi, N'Guessan & Fils"


def test_amounts_have_the_digits_of_their_currency() -> None:
    moneys = [Money(5_000, "XOF"), Money(5_000, "EUR"), Money(5_000, "TND")]
    rows = read_file(batch_file([line(money=money) for money in moneys]))
    assert [row["amount"] for row in rows] == ["5000", "50.00", "5.000"]


def test_the_same_lines_make_the_same_bytes() -> None:
    assert batch_file([line()]) == batch_file([line()])


def test_a_statement_is_read_row_by_row() -> None:
    rows, problems = read_statement(statement(GOOD), "XOF")
    assert problems == []
    assert rows == [
        StatementRow(
            row=2,
            code="KB1-1-ABCDEF",
            outcome=OrderState.SETTLED,
            money=Money(5_000, "XOF"),
            reference="TX-1",
            reported_on=date(2026, 1, 31),
        )
    ]


@pytest.mark.parametrize(
    "content",
    [
        (
            b"\xef\xbb\xbfline,outcome,amount,reference,date\r\n"
            b"kb1-1-abcdef,SETTLED,5000.00,TX-1,2026-01-31\r\n"
        ),
        b"Line;Outcome;Amount;Reference;Date\nKB1-1-ABCDEF;settled;5000;TX-1;2026-01-31",
        (
            b"date\tnote\treference\tamount\toutcome\tline\n"
            b"2026-01-31\t=x\tTX-1\t5000\tsettled\tKB1-1-ABCDEF\n\n"
        ),
        (
            b"line,outcome,amount,reference,date\n"
            b'" KB1-1-ABCDEF ","settled","5000","TX-1","2026-01-31"\n,,,,\n'
        ),
    ],
)
def test_what_banks_and_spreadsheets_make_of_csv_is_understood(content: bytes) -> None:
    rows, problems = read_statement(content, "XOF")
    assert problems == []
    assert [(row.code, row.outcome, row.money) for row in rows] == [
        ("KB1-1-ABCDEF", OrderState.SETTLED, Money(5_000, "XOF"))
    ]


@pytest.mark.parametrize(
    ("place", "value", "code"),
    [
        (1, "paid", "OUTCOME_UNKNOWN"),
        (1, "", "OUTCOME_UNKNOWN"),
        (2, "5 000", "AMOUNT_INVALID"),
        (2, "5000,00", "AMOUNT_INVALID"),
        (2, "5000.5", "AMOUNT_INVALID"),
        (2, "NaN", "AMOUNT_INVALID"),
        (2, "", "AMOUNT_INVALID"),
        (3, "x" * 65, "REFERENCE_TOO_LONG"),
        (3, "a\x00b", "ROW_INVALID"),
        (4, "31/01/2026", "DATE_INVALID"),
        (4, "2026-02-31", "DATE_INVALID"),
        (4, "", "DATE_INVALID"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_and_the_others_count(
    place: int, value: str, code: str
) -> None:
    bad = [*GOOD[:place], value, *GOOD[place + 1 :]]
    rows, problems = read_statement(statement(GOOD, bad, GOOD), "XOF")
    assert [row.row for row in rows] == [2, 4]
    assert problems == [Problem(3, code)]


def test_a_row_that_ends_early_is_named() -> None:
    _, problems = read_statement(statement(GOOD[:3]), "XOF")
    assert problems == [Problem(2, "ROW_INCOMPLETE")]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"line,outcome,amount,reference\n",
        b"%PDF-1.7 \xff\xfe",
        b'line,outcome,amount,reference,date\n"KB1',
        "line,outcome,amount,reference,date\nKB1,settled,5,é,2026-01-31".encode("cp1252"),
        b"PK\x03\x04",
    ],
)
def test_what_is_no_statement_is_refused(content: bytes) -> None:
    with pytest.raises(StatementInvalid):
        read_statement(content, "XOF")


def test_missing_columns_are_named() -> None:
    with pytest.raises(StatementInvalid) as refusal:
        read_statement(b"line,amount,date\n", "XOF")
    assert refusal.value.details == {"missing": ["outcome", "reference"]}


def test_a_statement_is_bounded() -> None:
    with pytest.raises(StatementTooLarge):
        read_statement(b"x" * (MAX_STATEMENT_BYTES + 1), "XOF")
    with pytest.raises(StatementTooLarge):
        read_statement(b"line,outcome,amount,reference,date\n" + b"\n" * 5_001, "XOF")


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(content: bytes) -> None:
    for head in (b"", b"line,outcome,amount,reference,date\n"):
        try:
            read_statement(head + content, "XOF")
        except (StatementInvalid, StatementTooLarge):
            continue
