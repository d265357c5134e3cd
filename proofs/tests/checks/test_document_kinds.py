"""What says that it is no invoice, or no plain one, is told, and approving it needs a word."""

from collections.abc import Mapping
from typing import Any

import pytest

from proofs.checks.comparing import Check
from proofs.checks.documents import Case, Compared, check_document
from proofs.checks.findings import FindingCode, Severity
from proofs.readers.documents.facts import Note, NoteCode
from proofs.tests.factories import reading_of


def kind_of(check: Check) -> bool:
    return check.name == "document_kind"


def of_data(xml: Mapping[str, str], **case: Any) -> Compared:
    """The checks of a document whose own data say this."""
    defaults: dict[str, Any] = {"kind": "INVOICE", "currency": "EUR"}
    return check_document(reading_of(xml_fields=xml), Case(**(defaults | case)))


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("AVOIR N° AV2026-014", "avoir"),
        ("Facture d'avoir", "facture d'avoir"),
        ("DEVIS N° D2026-55", "devis"),
        ("FACTURE PROFORMA N° PF-12", "facture proforma"),
        ("Pro-forma invoice", "pro-forma invoice"),
        ("CREDIT NOTE CN-0042", "credit note"),
        ("Kumasi Roofing  QUOTATION", "quotation"),
        ("AVOIR SUR FACTURE N° F-12", "avoir"),
        ("Avoir de la facture FA-12", "avoir"),
        ("NOTE D'AVOIR N° 3", "note d'avoir"),
        ("CREDIT NOTE FOR INVOICE INV-118", "credit note"),
        ("DEVIS QUANTITATIF ET ESTIMATIF", "devis quantitatif et estimatif"),
        ("DEVIS - RÉFECTION DE LA TOITURE", "devis"),
        ("D E V I S  N° 12", "devis"),
        ("ESTIMATE", "estimate"),
        ("SALES QUOTATION No. 4", "sales quotation"),
        ("PURCHASE ORDER", "purchase order"),
        ("BON DE COMMANDE N° BC-12", "bon de commande"),
        ("BON DE LIVRAISON", "bon de livraison"),
        ("DELIVERY NOTE No 7", "delivery note"),
        ("REFUND", "refund"),
        ("Refund receipt no 12", "refund receipt"),
        ("CREDIT ADVICE CA-7", "credit advice"),
        ("Avis de crédit n° 3", "avis de credit"),
        ("Titre : DEVIS", "devis"),
        ("Type de document : Avoir", "avoir"),
        ("Document: Credit note", "credit note"),
        ("Refund policy: 30 days", None),
        ("Refunds within 14 days of purchase", None),
        ("Objet : travaux suivant devis n° 12", None),
        ("FACTURE N° F-12\nDevis n° 12\nBon de commande n° 4\nBon de livraison n° 9", None),
        ("Bon de commande n° 4\nFACTURE N° F-12", None),
        ("F A C T U R E\nDEVIS N° 4", None),
        ("FACTURE N° F-12\nAVOIR N° AV-1", "avoir"),
        ("Devis accepté le 3 mars", None),
        ("Purchase order: 4500123", None),
        ("Facture F-12", None),
        ("Facture suivant devis no 12", None),
        ("Proforma converted to Invoice: KRS/INV/0093", None),
        ("Avoir un toit, association", None),
    ],
)
def test_what_calls_itself_something_else_than_an_invoice_is_told(
    title: str, said: str | None
) -> None:
    reading = reading_of(text=f"SARL Béton\n{title}\nTotal 1200.00 EUR")

    invoice = check_document(reading, Case(kind="INVOICE", currency="EUR"))
    of_a_contract = check_document(reading, Case(kind="CONTRACT", currency="EUR")).findings
    found = invoice.findings

    assert [(check.actual, check.agrees) for check in invoice.checks if kind_of(check)] == (
        [(said, False)] if said else []
    )
    assert [one.data for one in found] == ([{"actual": said}] if said else [])
    assert {one.code for one in found} <= {FindingCode.NOT_AN_INVOICE}
    assert of_a_contract == ()


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("380", None),
        ("388", None),
        ("381", (FindingCode.NOT_AN_INVOICE, "credit note (381)")),
        ("261", (FindingCode.NOT_AN_INVOICE, "self-billed credit note (261)")),
        ("325", (FindingCode.NOT_AN_INVOICE, "pro forma invoice (325)")),
        ("384", (FindingCode.SPECIAL_INVOICE, "corrected invoice (384)")),
        ("386", (FindingCode.SPECIAL_INVOICE, "prepayment invoice (386)")),
        ("389", (FindingCode.SPECIAL_INVOICE, "self-billed invoice (389)")),
        ("999", (FindingCode.SPECIAL_INVOICE, "unknown kind (999)")),
        ("other", (FindingCode.SPECIAL_INVOICE, "unknown kind (other)")),
    ],
)
def test_the_kind_that_an_e_invoice_names_is_told_unless_it_is_a_plain_invoice(
    code: str, found: tuple[FindingCode, str] | None
) -> None:
    xml = {"type_code": code}

    of_an_invoice = of_data(xml).findings
    of_a_contract = of_data(xml, kind="CONTRACT").findings

    assert [(one.code, one.data) for one in of_an_invoice] == (
        [(found[0], {"actual": found[1]})] if found else []
    )
    assert {one.severity for one in of_an_invoice} <= {Severity.SOFT}
    assert of_a_contract == ()


def test_a_credit_note_of_page_and_data_is_told_once() -> None:
    reading = reading_of(xml_fields={"type_code": "381"}, text="AVOIR N° AV-12\nTotal 1200.00 EUR")

    (found,) = check_document(reading, Case(kind="INVOICE", currency="EUR")).findings

    assert (found.code, found.data) == (FindingCode.NOT_AN_INVOICE, {"actual": "avoir"})


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("FACTURE D'ACOMPTE N° F-2026-119", "facture d'acompte"),
        ("FACTURE D\u2019ACOMPTE", "facture d\u2019acompte"),
        ("Facture rectificative n° 3", "facture rectificative"),
        ("DEPOSIT INVOICE", "deposit invoice"),
    ],
)
def test_an_invoice_that_is_no_plain_one_by_its_title_is_told(title: str, said: str) -> None:
    reading = reading_of(text=f"SARL Béton\n{title}\nTotal 1200.00 EUR")

    found = check_document(reading, Case(kind="INVOICE", currency="EUR"))

    assert [(one.code, one.data) for one in found.findings] == [
        (FindingCode.SPECIAL_INVOICE, {"actual": said})
    ]
    assert [(check.actual, check.agrees) for check in found.checks] == [(said, False)]


@pytest.mark.parametrize(
    ("kind", "requirements", "told"),
    [
        ("DOCUMENT", {}, False),
        ("DOCUMENT", {"expected_amount": "1200.00"}, True),
        ("PDF", {"expected_iban_last4": "0189"}, True),
        ("DOCUMENT", {"expected_city": "Abidjan"}, False),
        ("CONTRACT", {"expected_amount": "1200.00"}, False),
    ],
)
def test_a_document_that_must_speak_of_money_must_be_an_invoice_unless_it_is_a_contract(
    kind: str, requirements: Mapping[str, Any], *, told: bool
) -> None:
    found = of_data({"type_code": "381"}, kind=kind, requirements=requirements)

    assert any(kind_of(check) for check in found.checks) is told
    assert ("NOT_AN_INVOICE" in {one.code for one in found.findings}) is told


@pytest.mark.parametrize(
    ("payable", "said"),
    [
        ("1200.00", None),
        ("1199.95", None),
        ("0.00", "already paid in part or whole"),
        ("700.00", "already paid in part or whole"),
        ("1300.00", "more is due"),
    ],
)
def test_an_e_invoice_of_which_another_sum_is_left_to_pay_is_a_special_one(
    payable: str, said: str | None
) -> None:
    found = of_data({"total": "1200.00", "payable": payable, "type_code": "380"})

    kinds = [check for check in found.checks if kind_of(check)]
    assert [(check.actual, check.agrees) for check in kinds] == ([(said, False)] if said else [])
    assert [one.data for one in found.findings] == ([{"actual": said}] if said else [])


@pytest.mark.parametrize(
    ("page", "data", "said"),
    [
        ({"total": "1200.00", "payable": "0.00"}, {}, "already paid in part or whole"),
        ({"total": "1200.00", "payable": "700.00"}, {}, "already paid in part or whole"),
        ({"total": "1200.00", "payable": "1199.95"}, {}, None),
        ({"total": "1200.00"}, {}, None),
        (
            {"total": "1200.00", "payable": "700.00"},
            {"total": "1200.00", "payable": "1200.00"},
            "already paid in part or whole",
        ),
    ],
)
def test_an_invoice_whose_page_leaves_less_to_pay_is_a_special_one(
    page: Mapping[str, str], data: Mapping[str, str], said: str | None
) -> None:
    reading = reading_of(page, data)

    found = check_document(reading, Case(kind="INVOICE", currency="EUR"))

    assert [one.actual for one in found.checks if kind_of(one)] == ([said] if said else [])
    told = [one.data for one in found.findings if one.code is FindingCode.SPECIAL_INVOICE]
    assert told == ([{"actual": said}] if said else [])


def test_hidden_words_are_a_check_that_failed() -> None:
    note = Note(code=NoteCode.HIDDEN_TEXT, message="Hidden words on pages 1.")

    found = check_document(reading_of(notes=(note,)), Case(kind="CONTRACT", currency="EUR"))

    assert [(check.name, check.agrees) for check in found.checks] == [("hidden_text", False)]
