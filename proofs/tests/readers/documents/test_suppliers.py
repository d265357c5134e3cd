"""Who made a document, told from what it sells and to whom."""

import pytest

from proofs.readers.documents.suppliers import find_supplier
from proofs.tests.readers.documents import paper


def supplier_in(*rows: str) -> str | None:
    found = find_supplier(paper.lines(*rows))
    return found.name if found else None


@pytest.mark.parametrize(
    "item",
    [
        "Gravier lavé 25 kg            12        84,00 €",
        "Gravier lavé 25kg             12        84,00 €",
        "Chaux, sac de 30 KG           12        84",
        "Riz au kg                     12        84",
    ],
)
def test_what_is_sold_by_the_kilogram_is_no_firm(item: str) -> None:
    assert supplier_in("Comptoir Faso", "Route de Pô", item, "Total 84,00 €") == "Comptoir Faso"
    assert supplier_in("Bau Nord KG", "Am Markt 2", item, "Total 84,00 €") == "Bau Nord KG"


def test_a_name_is_taken_neither_from_a_price_nor_from_the_items() -> None:
    rows = ("Désignation        Qté    Total", "Pompe Alto SARL      1      900", "Total 900,00 €")
    assert supplier_in(*rows) is None
    assert supplier_in("Forage Alto SARL   900,00 €") is None
    assert supplier_in(*rows, "Forage Alto SARL - 3 rue du Puits") == "Forage Alto SARL"
    assert supplier_in("Forage Alto SARL au capital de 9 000,00 €") == "Forage Alto SARL"


def test_a_name_stands_beside_the_one_addressed() -> None:
    rows = ("Forage Alto SARL        Client :", "3 rue du Puits          Mairie de Pô SA")
    assert supplier_in(*rows) == "Forage Alto SARL"
    assert supplier_in("Client : Mairie de Pô SA   Forage Alto SARL", "", "", "Bon vent") != (
        "Mairie de Pô SA"
    )


def test_a_bank_and_an_address_that_are_called_so_are_no_makers() -> None:
    assert supplier_in("Siège : Paris", "Banque : Kora SA", "Forage Alto") == "Forage Alto"
