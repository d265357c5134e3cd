"""Dates as people print them, and which of them is the document's own."""

import pytest

from proofs.readers.documents.date_roles import (
    DateRole,
    choose_date,
    choose_due_date,
    label_dates,
    role_of_date,
)
from proofs.readers.documents.dates import dates_in, is_month_first
from proofs.readers.documents.layout import plain
from proofs.tests.readers.documents import paper


def read(text: str, *, month_first: bool = False) -> list[str]:
    found = dates_in(paper.lines(text)[0], 0, month_first=month_first)
    return [one.value.isoformat() for one in found]


@pytest.mark.parametrize(
    ("printed", "date"),
    [
        ("25/12/2018", "2018-12-25"),
        ("25-12-18", "2018-12-25"),
        ("5.3.2026", "2026-03-05"),
        ("02~05-18", "2018-05-02"),
        ("2018-03-23", "2018-03-23"),
        ("2018/03/23", "2018-03-23"),
        ("2018-03-2318:43:34", "2018-03-23"),
        ("11/03/201806:20", "2018-03-11"),
        ("12-03-1819:44", "2018-03-12"),
        ("20180428/191204", "2018-04-28"),
        ("25032018 13:11", "2018-03-25"),
        ("5. März 2018", "2018-03-05"),
        ("1er mars 2026", "2026-03-01"),
        ("3 août 2014", "2014-08-03"),
        ("August 3, 2014", "2014-08-03"),
        ("Dec.25, 2018", "2018-12-25"),
        ("18-Jan-18", "2018-01-18"),
        ("18JAN2018", "2018-01-18"),
        ("0ct 3, 2016", "2016-10-03"),
        ("06/17/2025", "2025-06-17"),
    ],
)
def test_dates_of_every_custom_are_understood(printed: str, date: str) -> None:
    assert read(printed) == [date]


@pytest.mark.parametrize(
    "printed", ["31/02/2018", "12.34", "1.2.3.4", "18/11/18/0B", "45/12/2018", "12/03/1850", "x"]
)
def test_what_is_no_date_is_not_found(printed: str) -> None:
    assert read(printed) == []


def test_the_month_comes_first_where_the_country_has_it_so() -> None:
    assert read("03/04/2026") == ["2026-04-03"]
    assert read("03/04/2026", month_first=True) == ["2026-03-04"]
    assert read("3 April 2026", month_first=True) == ["2026-04-03"]


def test_one_date_that_is_clear_tells_the_order_of_all() -> None:
    assert is_month_first(paper.lines("Invoice date 11/03/2017", "Paid 11/17/2017"))
    assert not is_month_first(paper.lines("Invoice date 11/03/2017", "Paid 17/11/2017"))
    assert not is_month_first(paper.lines("11/17/2017", "17/11/2017")), "neither order fits all"
    assert not is_month_first(paper.lines("11/03/2017"))


@pytest.mark.parametrize(
    ("label", "role"),
    [
        ("Date de facture", DateRole.ISSUE),
        ("Rechnungsdatum", DateRole.ISSUE),
        ("Facture n° 12 du", DateRole.ISSUE),
        ("Handelsrechnung Nr. 471102 vom", DateRole.ISSUE),
        ("Rechnung gemäß Bestellung Nr. 5 vom", DateRole.OTHER),
        ("Sur facture FAC-2026-010 du", DateRole.OTHER),
        ("Original invoice: INV-0900 dated", DateRole.OTHER),
        ("Date", DateRole.DATED),
        ("Fait à Dakar, le", DateRole.ISSUE),
        ("Date d'échéance", DateRole.DUE),
        ("Zahlbar bis", DateRole.DUE),
        ("Please remit until", DateRole.DUE),
        ("Date de livraison", DateRole.OTHER),
        ("Leistungsdatum", DateRole.OTHER),
        ("Stylesheet-Version: 2.0 vom", DateRole.OTHER),
        ("Cashier", DateRole.NONE),
    ],
)
def test_labels_tell_what_a_date_is(label: str, role: DateRole) -> None:
    assert role_of_date(plain(label)) is role


def chosen(*rows: str) -> tuple[str | None, str | None]:
    labelled = label_dates(paper.lines(*rows))
    issued = choose_date(labelled)
    due = choose_due_date(labelled, issued[0] if issued else None)
    return (
        issued[0].value.isoformat() if issued else None,
        due[0].value.isoformat() if due else None,
    )


def test_the_date_of_the_invoice_is_told_from_those_of_delivery_and_payment() -> None:
    assert chosen(
        "Bon de commande du 01/02/2026",
        "Facture FA-12",
        "Date de livraison 20/02/2026",
        "Date de facture   01/03/2026",
        "Date d'échéance   31/03/2026",
    ) == ("2026-03-01", "2026-03-31")


def test_a_date_that_begins_the_line_under_its_title_belongs_to_the_title() -> None:
    rows = ("Version 2.1 vom 24.03.2020", "Gutschrift Nr. 471102", "vom 05.03.2018")
    assert chosen(*rows)[0] == "2018-03-05"


def test_dates_in_a_table_are_told_by_its_heading() -> None:
    assert chosen(
        "Rechnung Nr. 7 vom 01.03.2026",
        "Beschreibung        Fälligkeit     Teilzahlung",
        "                    31.03.2026",
    ) == ("2026-03-01", "2026-03-31")


def test_dates_side_by_side_in_a_table_are_no_period() -> None:
    assert chosen(
        "Facture n°     Date           Échéance",
        "2026-0615      15/06/2026     15/07/2026",
    ) == ("2026-06-15", "2026-07-15")


def test_both_ends_of_a_period_are_no_dates_of_the_document() -> None:
    assert chosen(
        "Abrechnungszeitraum: 01.10.2018 bis 31.10.2018", "Rechnung Nr. 7 vom 05.11.2018"
    ) == ("2018-11-05", None)


def test_the_date_of_a_receipt_is_the_one_with_the_time() -> None:
    assert chosen("Member since 01/01/2015", "CB#87870  21/09/2017 10:20:37 AM")[0] == "2017-09-21"


def test_a_day_of_payment_before_the_invoice_is_none() -> None:
    assert chosen("Date: 05/03/2026", "Due 01/03/2026") == ("2026-03-05", None)


def test_without_dates_nothing_is_chosen() -> None:
    assert chosen("Total 12.00") == (None, None)


@pytest.mark.parametrize(
    "rows",
    [
        ("AVOIR N° AV-9", "Date : 18/05/2026", "Annule en partie la facture KB-77 du 30/04/2026"),
        ("AVOIR N° AV-9", "Date : 18/05/2026", "Facture n° KB-77 du 30/04/2026"),
        ("Avoir n° AV-9 du 18/05/2026, facture n° KB-77 du 30/04/2026",),
        ("Credit note CN-9", "Date: 18/05/2026", "Cancels invoice KB-77 dated 30/04/2026"),
        ("Facture KB-78", "Date : 18/05/2026", "Remplace la facture KB-77 du 30/04/2026"),
    ],
)
def test_the_date_of_the_invoice_that_is_credited_is_not_the_documents(
    rows: tuple[str, ...],
) -> None:
    assert chosen(*rows)[0] == "2026-05-18"


def test_an_invoices_own_date_is_taken_on_an_invoice() -> None:
    assert chosen("Facture n° KB-77 du 30/04/2026", "Date : 18/05/2026")[0] == "2026-04-30"


@pytest.mark.parametrize(
    "stamp",
    [
        "le 02/06/2026 09:41   +221 33 824 99 00   P.01/02",
        "0033 1 40 20 50 50   02/06/2026 09:41",
    ],
)
def test_a_fax_machines_stamp_does_not_date_the_document(stamp: str) -> None:
    assert chosen(stamp, "Kone SARL", "Dakar, le 18 mai 2026")[0] == "2026-05-18"
    assert chosen(stamp, "Kone SARL")[0] == "2026-06-02", "it is better than none"
    lower = chosen("Kone SARL", "", "", "", stamp, "Facture payable le 18 mai 2026")
    assert lower[0] == "2026-06-02", "a till prints its telephone too"
