"""Which currency a document is in."""

import pytest

from proofs.readers.documents.facts import FieldName
from proofs.readers.documents.fields import extract
from proofs.tests.readers.documents import paper


def currency_of(*rows: str, country: str | None = None) -> str | None:
    found = extract([paper.page(*rows)], country=country).get(FieldName.CURRENCY)
    return found.value if found else None


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        (["Total CHF          540.50", "Montant en EUR : 572.90"], "CHF"),
        (["Total CHF          540.50", "", "Montant en EUR : 572.90"], "CHF"),
        (["Total (AUD)      $1,650.00"], "AUD"),
        (["TVQ (9,975 %)       19,95 $", "Total CAD          229,95 $"], "CAD"),
        (["Total            $1,650.00 AUD"], "AUD"),
        (["Total               229,95 $ CA"], "CAD"),
        (
            ["Pompe           Montant (NZD)", "Puits                $900.00", "Total     $900.00"],
            "NZD",
        ),
        (["Total             HK$960.00"], "HKD"),
        (["Total            300 000 GNF", "Soit en euros     30,00 EUR"], "GNF"),
        (["Total        N240,000.00", "Approx. USD 155.20"], "NGN"),
        (["Montant FCFA", "655 957", "Total à payer     655 957 FCFA", "Devise : XOF"], "XOF"),
    ],
)
def test_a_code_at_the_total_says_what_it_is_in(rows: list[str], code: str) -> None:
    assert currency_of(*rows) == code


def test_an_amount_in_other_money_declares_nothing_for_the_page() -> None:
    assert currency_of("Montant en EUR : 572.90", "Ciment 12,00 £", "Total 540.50") != "EUR"
    assert currency_of("Tous les montants en EUR", "Ciment 12,00", "Total 540.50") == "EUR"


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        (["Total $1,650.00"], "USD"),
        (["All prices in AUD", "Total $1,650.00"], "AUD"),
        (["Hire A$150.00", "Total $1,650.00"], "AUD"),
        (["Panels US$150.00, freight CAD 90.00", "Total $1,650.00"], None),
        (["Total $1,650.00", "Equivalent in CAD 2,200.00"], None),
        (["TPS 5 %  50,00 $", "TVQ 9,975 %  99,75 $", "Total  1 149,75 $"], "CAD"),
        (["ABN 12 345 678 901", "Total $1,650.00"], "AUD"),
        (["Total 450 000 FCFA", "Soit 686,02 EUR"], None),
    ],
)
def test_a_sign_of_several_currencies_is_what_the_page_names(
    rows: list[str], code: str | None
) -> None:
    assert currency_of(*rows) == code


def test_the_pages_own_country_goes_before_the_one_that_is_given() -> None:
    rows = ("Kmer Bois SARL, BP 77 Douala, Cameroun", "Total TTC 85 000 FCFA")
    assert currency_of(*rows, country="CI") == "XAF"
    assert currency_of(rows[1], country="CI") == "XOF"
    both = ("Kmer Bois, Douala", "Client : Mairie de Dakar", rows[1])
    assert currency_of(*both, country="CI") == "XOF", "where the page names both, the given tells"
