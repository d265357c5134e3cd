"""What a page leaves to pay of its total; what was paid at a till is no such thing."""

import pytest

from proofs.readers.documents.facts import FieldName
from proofs.readers.documents.fields import extract
from proofs.tests.readers.documents.paper import page


def payable(*rows: str) -> tuple[str | None, str | None]:
    """The total of a page and what it leaves to pay."""
    values = {name: field.value for name, field in extract([page(*rows)]).items()}
    return values.get(FieldName.TOTAL), values.get(FieldName.PAYABLE)


@pytest.mark.parametrize(
    ("rows", "left"),
    [
        (("Total TTC        5 000,00", "Acompte reçu    5 000,00", "Net à payer   0,00 €"), "0.00"),
        (
            (
                "Total TTC  5 000,00 €",
                "Acompte facture F-77   - 3 600,00 €",
                "Net à payer 1 400,00 €",
            ),
            "1400.00",
        ),
        (("Total TTC : 5 000,00 €", "Acompte versé : 1 000 € - Reste à payer : 4 000 €"), "4000"),
        (
            ("Total TTC  5 000,00 €", "Retenue de garantie 5 %  - 250,00", "Net à payer  4 750,00"),
            "4750.00",
        ),
        (
            ("Invoice total  5,000.00", "Less deposit paid  1,500.00", "Balance  3,500.00"),
            "3500.00",
        ),
        (
            (
                "Grand total  5,000.00",
                "Deposit  1,500.00",
                "Payment received  500.00",
                "Amount due  3,000.00",
            ),
            "3000.00",
        ),
        (("Gesamtbetrag  5.000,00", "Anzahlung  1.500,00", "Zahlbetrag  3.500,00"), "3500.00"),
        (("Total TTC  5 000,00", "Acompte par carte  5 000,00", "Reste à payer  0,00"), "0.00"),
    ],
)
def test_what_is_left_after_an_advance_is_told_beside_the_total(
    rows: tuple[str, ...], left: str
) -> None:
    assert payable("Facture F-12", *rows)[1] == left


@pytest.mark.parametrize(
    "rows",
    [
        ("Net à payer  480,00 €",),
        ("Total HT  400,00", "TVA 20 %  80,00", "Net à payer  480,00"),
        ("TOTAL  46.80", "CASH  50.00", "CHANGE  3.20"),
        ("TOTAL  46.80", "VISA  46.80", "BALANCE DUE  0.00"),
        ("Total TTC  46,80", "Payé par carte  46,80", "Reste à payer  0,00"),
        ("Total TTC  46,80", "Espèces  50,00", "Rendu  3,20"),
        ("Total  46.82", "Rounding  -0.02", "Amount due  46.80"),
        ("Total TTC  1 200,00", "Escompte 2 %  24,00", "Net à payer si escompte  1 176,00"),
        # Nothing on the page says what became of the rest.
        ("Total TTC  1 200,00", "Reste à payer  700,00"),
    ],
)
def test_what_is_owed_in_full_or_was_paid_at_a_till_leaves_nothing_to_tell(
    rows: tuple[str, ...],
) -> None:
    total, left = payable("Awa Bâtiment", *rows)

    assert (total is not None, left) == (True, None)
