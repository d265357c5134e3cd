"""Which of a document's amounts is the total."""

from decimal import Decimal

import pytest

from proofs.readers.documents.amount_labels import Role, role_of
from proofs.readers.documents.layout import plain
from proofs.readers.documents.totals import Totals, find_totals, label_amounts
from proofs.tests.readers.documents import paper


def figures(totals: Totals) -> tuple[str | None, str | None, str | None]:
    parts = (totals.total, totals.net, totals.tax)
    total, net, tax = (str(part[0].value) if part else None for part in parts)
    return total, net, tax


def found(*rows: str) -> tuple[str | None, str | None, str | None]:
    return figures(find_totals(paper.lines(*rows)))


@pytest.mark.parametrize(
    ("label", "role"),
    [
        ("Total TTC", Role.GROSS),
        ("Montant TTC", Role.GROSS),
        ("Net à payer", Role.PAYABLE),
        ("Arrêtée la présente facture à la somme de", Role.PAYABLE),
        ("Total HT", Role.NET),
        ("Sous-total", Role.NET),
        ("Montant TVA 18%", Role.TAX),
        ("TVA 20%", Role.TAX),
        ("dont TVA", Role.TAX),
        ("Reste à payer", Role.DUE),
        ("Remise", Role.OTHER),
        ("Total après remise", Role.TOTAL),
        ("SARL au capital de", Role.OTHER),
        ("Espèces", Role.PAID),
        ("Monnaie rendue", Role.CHANGE),
        ("Grand Total", Role.GROSS),
        ("Total (Incl. GST @6%)", Role.GROSS),
        ("Total Sales (Excluding GST)", Role.NET),
        ("GST @6% included in total", Role.TAX),
        ("Total GST", Role.TAX),
        ("Total 6% supplies", Role.NET),
        ("Net Total", Role.NET_TOTAL),
        ("Total Qty", Role.OTHER),
        ("Rounding Adj", Role.ROUNDING),
        ("Montant du marché TTC", Role.OTHER),
        ("Cumul à ce jour TTC", Role.OTHER),
        ("Situations précédentes", Role.OTHER),
        ("Montant de la présente situation TTC", Role.GROSS),
        ("Total for March", Role.TOTAL),
        ("Total after rounding", Role.ROUNDED),
        ("Amount due", Role.DUE),
        ("CASH", Role.PAID),
        ("Change", Role.CHANGE),
        ("Ground floor", Role.NONE),
        ("Bruttosumme", Role.GROSS),
        ("Rechnungssumme ohne USt.", Role.NET),
        ("Steuerbetrag", Role.TAX),
        ("Zahlbetrag", Role.DUE),
        ("Gesamtbetrag der Zuschläge", Role.OTHER),
        ("Gesamtbetrag", Role.GROSS),
        ("Elegant school bag", Role.NONE),
        ("zzgl. 19% MwSt.", Role.TAX),
        ("Betrag zzgl. MwSt.", Role.NET),
    ],
)
def test_labels_tell_what_an_amount_is(label: str, role: Role) -> None:
    assert role_of(plain(label)) is role


def test_a_french_invoice_gives_its_three_sums() -> None:
    assert found(
        "SARL au capital de 120 000,00 €",
        "Description               Quantité    Prix HT",
        "Ciment 50 kg                    10     400,00",
        "Total HT                              400,00 €",
        "TVA 20%                                80,00 €",
        "Total TTC                             480,00 €",
        "Acompte versé                         100,00 €",
        "Reste à payer                         380,00 €",
    ) == ("480.00", "400.00", "80.00")


def test_francs_without_decimals_are_amounts_where_a_total_is_announced() -> None:
    assert found(
        "Ciment         10       45 000",
        "Total HT               450 000",
        "TVA 18%                 81 000",
        "NET A PAYER            531 000",
    ) == ("531000", "450000", "81000")
    assert found("Bon n° 1234567", "Total   531000")[0] == "531000"


def test_a_total_below_its_label_is_found_by_the_column() -> None:
    assert found(
        "Total HT      TVA        Total TTC",
        "400,00        80,00      480,00",
    ) == ("480.00", "400.00", "80.00")


def test_the_last_row_of_a_german_table_is_its_sum() -> None:
    assert (
        found(
            "Warenwert   Nettobetrag   MwSt-Betrag   Endbetrag",
            "-5,00       -4,85         -0,92         -5,77",
            "-2,90       -2,82         -0,20         -3,02",
            "-7,90       -7,67         -1,12         -8,79",
        )[0]
        == "-8.79"
    )


def test_what_is_paid_after_advances_is_not_the_total() -> None:
    assert found(
        "Rechnungssumme ohne USt.    177,49",
        "Steuerbetrag                 20,16",
        "Bruttosumme                 197,65",
        "Erhaltene Anzahlungen       -50,00",
        "Zahlbetrag                  147,65",
    ) == ("197.65", "177.49", "20.16")


def test_a_net_total_before_tax_is_no_total_and_one_without_tax_is() -> None:
    with_tax = ("Net total: 496.00 €", "VAT total: 75.04 €", "Due payable: 571.04 €")
    assert found(*with_tax) == ("571.04", "496.00", "75.04")
    assert found("SUB TOTAL  295.00", "SERVICE 10%  29.50", "NET TOTAL  343.95")[0] == "343.95"


def test_a_receipt_is_paid_what_is_left_of_the_cash() -> None:
    rows = ("TOTAL  38.00", "TOTAL  40.00", "CASH  50.00", "CHANGE  12.00")
    assert found(*rows)[0] == "38.00"
    assert found(*rows[:3])[0] == "40.00", "without the change the larger one is taken"


def test_after_rounding_is_after_rounding() -> None:
    assert (
        found(
            "Total Sales (Inclusive GST) RM 13.58",
            "Rounding Adjustment         RM  .02",
            "Total                       RM 13.60",
            "CASH                        RM 20.00",
        )[0]
        == "13.60"
    )


def test_the_heading_over_the_items_makes_no_item_a_total() -> None:
    assert (
        found(
            "Item           Qty     Total",
            "Vegetables",
            "                       11.30",
            "Discount               -1.40",
            "Total Amount: 9.90",
        )[0]
        == "9.90"
    )


def test_a_total_in_the_summary_of_taxes_does_not_beat_the_receipts_own() -> None:
    assert (
        found(
            "SUB-TOTAL          52.00",
            "TOTAL              55.10",
            "GST SUMMARY",
            "SR    6.00    52.00    3.12",
            "TOTAL :       52.00    3.12",
        )[0]
        == "55.10"
    )


def test_of_equal_labels_the_larger_and_of_others_the_more_often_said_is_the_total() -> None:
    assert found("TOTAL  40.00", "TOTAL  38.00")[0] == "40.00"
    assert found("TOTAL  38.00", "TOTAL  38.00", "TOTAL  38.00", "TOTAL  40.00")[0] == "38.00"


def test_a_row_without_names_is_told_by_what_adds_up() -> None:
    assert found("Ciment   500,00", "100,00   18,00   118,00")[0] == "118.00"


def test_the_taxes_of_all_rates_together_make_up_the_total() -> None:
    rows = ("Total HT 550,00", "TVA 10% 40,00", "TVA 20% 30,00", "Montant TTC 620,00")
    total = find_totals(paper.lines(*rows)).total
    assert total is not None
    assert (str(total[0].value), total[1]) == ("620.00", 1.0)
    assert found(*rows)[2] is None, "there is no one amount of tax"


def test_arithmetic_makes_sure_and_a_label_alone_does_not() -> None:
    proven = find_totals(paper.lines("Total HT 400,00", "TVA 80,00", "Total TTC 480,00")).total
    alone = find_totals(paper.lines("Total 480,00")).total
    unnamed = find_totals(paper.lines("Ciment 480,00")).total
    assert proven is not None
    assert alone is not None
    assert unnamed is not None
    assert proven[1] > 0.9 > alone[1] > unnamed[1]
    assert unnamed[0].value == Decimal("480.00")


def test_a_page_without_amounts_has_no_total() -> None:
    assert found("Bon de livraison n° 12345", "10 sacs de ciment") == (None, None, None)


def test_what_an_insurance_adjusts_is_no_total() -> None:
    rows = ("Insurance adj. 300.00", "Patient balance 120.00", "Rounding 0.02", "Adj 0.03")
    roles = [one.role for one in label_amounts(paper.lines(*rows))]

    assert roles == [Role.OTHER, Role.CHANGE, Role.ROUNDING, Role.ROUNDING]


@pytest.mark.parametrize(
    ("rows", "total"),
    [
        (
            (
                "Article    Montant FCFA    Montant EUR",
                "Pompe      131 191         200,00",
                "Total      131 191         200,00",
            ),
            "200.00",
        ),
        (
            ("Pump       USD 400.00", "Total (USD)    400.00", "Total (XOF @ 605.2)  242,080"),
            "400.00",
        ),
        (("Total CHF          540.50", "Montant en EUR : 572.90"), "540.50"),
        (("Total      300 000 FCFA", "Total (contre-valeur)   457,35 EUR"), "300000"),
        (("Total due GBP 300.00 (EUR 354.00)",), "300.00"),
        (("Total à payer : 300,00 € / 196 787 FCFA",), "300.00"),
        (("Total   300,00 €", "Total en FCFA (1 € = 655,957)   196 787"), "300.00"),
    ],
)
def test_a_total_in_other_money_is_not_the_documents(rows: tuple[str, ...], total: str) -> None:
    assert found(*rows)[0] == total


def test_what_makes_up_another_amount_with_the_tax_is_its_net() -> None:
    rows = ("Net of discount   €900.00", "VAT 20%   €180.00", "Please remit   €1,080.00")
    assert found(*rows) == ("1080.00", "900.00", "180.00")
    assert found("Total   €900.00", "VAT 20%   €180.00", "Card   €1,080.00")[0] != "180.00"


@pytest.mark.parametrize(
    ("rows", "total"),
    [
        (
            (
                "Credit Note",
                "Original invoice total £900.00",
                "Goods £125.00",
                "VAT 20% £25.00",
                "Total credit £150.00",
            ),
            "150.00",
        ),
        (
            (
                "FACTURE D'ACOMPTE",
                "Montant total du devis TTC   9 000,00 €",
                "Acompte de 20 % HT   1 500,00 €",
                "TVA 20 %   300,00 €",
                "Total acompte TTC   1 800,00 €",
                "Reste à facturer TTC   7 200,00 €",
            ),
            "1800.00",
        ),
        (
            (
                "Facture de solde KB-9",
                "Total chantier TTC   5 000,00 €",
                "Acompte réglé   2 000,00 €",
                "Solde à régler   3 000,00 €",
            ),
            "3000.00",
        ),
        (
            (
                "Facture KB-9",
                "Total TTC   5 000,00 €",
                "Acompte réglé   2 000,00 €",
                "Solde à régler   3 000,00 €",
            ),
            "5000.00",
        ),
        (
            (
                "Montant total   90 000 FCFA",
                "Part assurance   72 000 FCFA",
                "Part patient à payer   18 000 FCFA",
            ),
            "90000",
        ),
    ],
    ids=["credit note", "advance", "final", "no final", "insurance"],
)
def test_the_sum_of_another_paper_is_not_the_documents(rows: tuple[str, ...], total: str) -> None:
    assert found(*rows)[0] == total


def test_dinars_have_three_decimals() -> None:
    rows = ("Total HT   1 250,000 DT", "TVA 19%   237,500 DT", "Total TTC   1 487,500 DT")
    assert found(*rows) == ("1487.500", "1250.000", "237.500")
    assert found("Total   237,500")[0] == "237500", "alone it is one of thousands"
