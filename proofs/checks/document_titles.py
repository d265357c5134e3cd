"""What a document calls itself, where that is something else than an invoice. Pure.

Invoices name other papers too: the quotation that they follow, the order, the delivery note. So
those count only where the document does not call itself an invoice: a quotation not behind the
invoice's own title, an order or a delivery note nowhere near it. A credit note counts wherever it
is a title.
"""

import re

from proofs.checks.sameness import plain_words

# Titles stand at the head of the first page, below a letterhead that may be long.
TITLE_LINES = 25
# Alone on its line or column: "devis no 12 accepte" in a sentence is none. Forms name the field.
_AT_A_START = (
    r"(?:^|  )[^\w(]*"
    r"(?:(?:titre|title|objet|nature|type(?: (?:de|of) document)?|document(?: type)?) ?: ?)?"
)
# Behind it stands its own number or date, or nothing.
_NUMBER = (
    r"(?:\W{0,4}(?:no|nr|num|numero|number|date|ref|reference)\b|\W{0,4}n\b|\W*$|  "
    r"|\W{1,4}(?:[a-z]{0,4}\W?)?\d)"
)
# Or the invoice that it takes back.
_OF_AN_INVOICE = r"(?: ?(?:sur|pour|de|a|for|of|on|to|against)(?: (?:la|the|tax|your))? ?)"
_CREDIT = (
    r"(facture d.avoir|note d.avoir|avoir|(?:note|avis) de credit"
    r"|credit (?:note|memo|invoice|advice)|refund(?: (?:note|receipt|invoice|confirmation))?"
    r"|(?:note|avis|bon) de remboursement|gutschrift)"
)
_TITLES_OF_CREDIT = re.compile(
    rf"{_AT_A_START}{_CREDIT}(?:{_NUMBER}|{_OF_AN_INVOICE}(?:facture|invoice))"
)
_TITLE_OF_PRO_FORMA = re.compile(
    rf"{_AT_A_START}((?:facture |invoice )?pro ?-?forma(?: invoice)?){_NUMBER}"
)
_OFFER = (
    r"devis(?:\W{1,3}(?:quantitatif|estimatif|descriptif|dqe))?(?:(?: et | )estimatif)?"
    r"|(?:sales |price )?quot(?:e|ation)|(?:cost |price )?estimate|kostenvoranschlag"
    r"|offre de prix|angebot"
)
_TITLE_OF_AN_OFFER = re.compile(rf"{_AT_A_START}({_OFFER}){_NUMBER}")
# "DEVIS - Réfection de la toiture", and "Devis : D-2025" where it opens its line.
_OFFER_FOR_SOMETHING = re.compile(r"^[^\w(]*(devis|quotation|estimate) ?[-\u2013\u2014:] ?\w")
_ORDER = (
    r"bon ?de ?commande|purchase order|bon ?de ?livraison|delivery note|releve de compte"
    r"|statement of account"
)
_TITLE_OF_AN_ORDER = re.compile(
    rf"{_AT_A_START}({_ORDER})(?:\W{{0,4}}(?:n|no|nr|number)\b|\W*$|[ #]{{1,2}}\d)"
)
_INVOICE = re.compile(
    rf"{_AT_A_START}(?:(?:tax |sales |commercial )?invoice|facture|rechnung)(?! ?(?:d.avoir|pro))"
    rf"(?:{_NUMBER}|\W{{1,4}}[a-z]{{0,4}}[-/]?\d| (?:d.acompte|de solde|de situation))"
)
_SPECIAL = re.compile(
    rf"{_AT_A_START}(facture (?:d.acompte|de situation|de solde|rectificative|corrective|annulee"
    r"|d.annulation)|(?:deposit|prepayment|advance|interim|corrected|corrective|partial) invoice"
    r"|invoice correction|anzahlungsrechnung|abschlagsrechnung|teilrechnung)\b"
)
# D E V I S, as designers set titles.
_SPACED = re.compile(r"(?<!\w)(?:\w {1,2}){3,}\w(?!\w)")


def title_of_no_invoice(text: str) -> str | None:
    """The words by which a document calls itself a credit note, an offer, an order or the like.

    None where it does not. `text` is in reading order, with two blanks between columns.
    """
    lines = _head(text)
    for title in (_TITLES_OF_CREDIT, _TITLE_OF_PRO_FORMA):
        if found := _first(title, lines):
            return found[1]
    invoice_at = next((at for at, line in enumerate(lines) if _INVOICE.search(line)), None)
    offer = _first(_TITLE_OF_AN_OFFER, lines) or _first(_OFFER_FOR_SOMETHING, lines)
    if offer and (invoice_at is None or offer[0] < invoice_at):
        return offer[1]
    order = _first(_TITLE_OF_AN_ORDER, lines)
    return order[1] if order and invoice_at is None else None


def title_of_special_invoice(text: str) -> str | None:
    """The words by which an invoice says that it is for a part, or takes another's place."""
    found = _first(_SPECIAL, _head(text))
    return found[1] if found else None


def _first(title: re.Pattern[str], lines: list[str]) -> tuple[int, str] | None:
    """The first line with a title, and the title's words."""
    for at, line in enumerate(lines):
        if found := title.search(line):
            return at, found[1]
    return None


def _head(text: str) -> list[str]:
    lines = text.split("\n", TITLE_LINES)[:TITLE_LINES]
    return [_SPACED.sub(_closed, plain_words(line)) for line in lines]


def _closed(spaced: re.Match[str]) -> str:
    return spaced.group().replace(" ", "")
