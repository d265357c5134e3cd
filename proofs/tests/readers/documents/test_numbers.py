"""A document's number with blanks or words in it."""

import pytest

from proofs.readers.documents.numbers import find_number
from proofs.tests.readers.documents import paper


def number_in(*rows: str) -> str | None:
    found = find_number(paper.lines(*rows))
    return found[0].value if found else None


@pytest.mark.parametrize(
    ("row", "number"),
    [
        ("Facture n° KB2026 0713", "KB2026 0713"),
        ("Facture n° KB2026 0713 du 04/07/2026", "KB2026 0713"),
        ("Facture n° KB 2026 0713   Page 1", "KB 2026 0713"),
        ("FACTURE K 00451", "K 00451"),
        ("Facture n° K-2026 / 451", "K-2026 / 451"),
        ("Facture n° 2026 - 451", "2026 - 451"),
        ("Facture n° 2026 0451", "2026 0451"),
        ("Invoice No. ab 7733", "ab 7733"),
        ("N° FACT-71", "FACT-71"),
        ("FACTURE DEFINITIVE N° FACT-0071 du 04-07-2026", "FACT-0071"),
        ("N° FACT-0071 - 04/07/2026", "FACT-0071"),
        ("Facture proforma KP-071", "KP-071"),
        ("Facture de location KL-071 - 4 juillet 2026", "KL-071"),
        ("VAT invoice no. 0071", "0071"),
    ],
)
def test_a_number_is_read_whole(row: str, number: str) -> None:
    assert number_in(row) == number


def test_a_number_under_its_label_is_read_whole() -> None:
    assert number_in("Facture n°    Date", "KB2026 0713   04/07/2026") == "KB2026 0713"
    assert number_in("Facture n°    Date", "KB 2026 713   04/07/2026") == "KB 2026 713"


@pytest.mark.parametrize(
    ("row", "number"),
    [
        ("Facture n° 71 du 04/07/2026", "71"),
        ("Facture n° 713 04/07/2026", "713"),
        ("Facture n° 713 4 juillet 2026", "713"),
        ("Facture n° KB713 04.07.2026", "KB713"),
        ("Facture n° KB-713 - 04/07/2026", "KB-713"),
        ("Facture n° 713 2 500,00 €", "713"),
        ("Facture n° 713 250 000 FCFA", "713"),
        ("Facture n° 713 - 12 rue du Port", "713"),
        ("Facture KB713 12 rue du Port", "KB713"),
        ("Facture n° KB713   0044", "KB713"),
        ("Facture n° 713 60 sacs", "713"),
        ("Facture du 04/07/2026", None),
        ("FACTURE DU 12 MAI", None),
        ("FACTURE EUR 1200", None),
        ("Facture pour 200 sacs", None),
        ("VAT no. 00712345", None),
        ("Devis n° KD-2026-015 du 04/07/2026", None),
    ],
)
def test_a_number_goes_on_into_nothing_else(row: str, number: str | None) -> None:
    assert number_in(row) == number
