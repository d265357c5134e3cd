"""Who made the document. The least certain of the fields: names look like anything.

A label such as "Seller" or "Fournisseur" names it best; else a line with a legal form near the top
or in the foot; else the first line that is no title. Whoever is addressed is left aside.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from proofs.readers.documents.amount_labels import Role, role_of
from proofs.readers.documents.amounts import amounts_in
from proofs.readers.documents.layout import COLUMN, Line

MAX_NAME_CHARS = 100
MIN_LETTERS = 4

_SELLER = re.compile(
    r"^\W*(?:verkaufer|rechnungsersteller|rechnungssteller|lieferant|seller|vendor|supplier"
    r"|sold by|fournisseur|vendeur|prestataire|emetteur|from|absender|kreditor|auftragnehmer)\W*$"
)
_NAME_LABEL = re.compile(r"\W*(?:name|nom|firma|company(?: name)?|raison sociale)\s*:\s*")
_BUYER = re.compile(
    r"kaufer|rechnungsempfanger|warenempfanger|leistungsempfanger|\bbuyer|bill(?:ed)? to|ship to"
    r"|sold to|\bclient\b|customer|adresse de|acheteur|destinataire|invoice to|kunde\b|facture a\b"
)
_LEGAL_FORM = re.compile(
    r"\b(?:gmbh|ag|(?<!\d)(?<!\d\s)(?<!\b(?:le|au)\s)(?<!\bp[ae]r\s)kg"
    r"|ohg|ug|e\.? ?k|e\.? ?v|a\.g|sarl|s\.a\.r\.l|sas|sasu|eurl|s\.a|sa|sci|snc|spa"
    r"|srl|ltd|limited|llc|inc|corp|plc|llp|pty|b\.?v|n\.?v|oy|ab|a/s|aps|sdn|bhd|s/b|co|gie|suarl"
    r"|ets|enterprise|trading)\b\.?"
)
_ONLY_LEGAL_FORM = re.compile(r"\W*(?:sdn\W+bhd|s/b|gmbh|ltd|limited|inc|sarl|sas|s\.?a)\W*")
_NO_NAME = re.compile(
    r"invoice|rechnung|facture|receipt|\bavoir\b|gutschrift|\bpage\b|seite|\bdate\b|datum|www|http"
    r"|@|stylesheet|beispiel|\btel\b|phone|\bfax\b|\bcash\b|bill\b|credit note|devis|quittung"
    r"|recu\b|copyright|version|welcome|thank|original|\bcopy\b|\bno\b\.|\bnr\b|:\s*$|take ?away"
    r"|capital|kapital|iban|\bbic\b|\bgst\b|\btva\b|\bust|\bvat\b|total|licen[sc]e|owned by|order"
    r"|^\W*(?:\w+ )?(?:nummer|number|numero|id|gln|duns)\W*$|statement|guest check"
    r"|received|recu de|^\W*(?:artikel|article|items?|description|designation|bezeichnung|qty)\b"
    r"|^\W*(?:bank|banque|siege|agences?|address|adresse)\b.*:|\bn[°º]|^\W*(?:p\.?u\b|prix|qte|quantite|montant)"
)
# What stands over the columns of the items, and what ends them.
_ITEMS_WORD = re.compile(
    r"\W*(?:art(?:icle|ikel|\.)|items?|des(?:ignation|cription)|libelle|bezeichnung|beschreibung"
    r"|prestation|produit|product|q(?:te|ty|uantite|uantity)|unites?|units?|menge|anzahl|p\.? ?u"
    r"|prix|(?:unit )?price|preis|einzelpreis|montant|amount|total|gesamt|betrag|taux|rate|hours)\b"
)
_END_OF_ITEMS = frozenset({Role.GROSS, Role.TOTAL, Role.PAYABLE, Role.DUE, Role.NET, Role.TAX})
_CENTS = re.compile(r"[.,]\d\d\b")
_ADDRESS = re.compile(
    r"\d{4,}|\bstr(?:asse|\.)|\brue\b|\bstreet\b|\broad\b|\bjalan\b|\bavenue\b|\bjln\b|\blot\b"
    r"|\bno\.?\s?\d|\blevel\b|\bfloor\b|\bflr\b|\btaman\b|\bbox\b|\bplatz\b|\bweg\b"
)
# What parts a name from a number or an address behind it on its line.
_PARTING = re.compile(
    r"\s*\((?=[^)]*\d)|\s+\d{5}(?=\s)|\s+au capital\b"
    r"|\s+[-\u2013\u2014|\u2022\u25cf\u00b7]\s+| {2,}|,\s"
)

_TOP_LINES = 12
_BUYERS_LINES = 5
# In heights of a line.
_BLOCK_GAP = 1.5
_LABELLED, _LEGAL, _FOOT, _FIRST = 0.8, 0.65, 0.55, 0.45


@dataclass(frozen=True, slots=True)
class SupplierFound:
    """A name in a line, and how sure it is, from 0 to 1."""

    line: Line
    start: int
    end: int
    confidence: float

    @property
    def name(self) -> str:
        """The name as printed."""
        return self.line.text[self.start : self.end]


def find_supplier(lines: Sequence[Line]) -> SupplierFound | None:
    """Give the name of the document's maker, or None where nothing looks like one."""
    first_page = [line for line in lines if line.page == lines[0].page] if lines else []
    candidates = (
        _under_label(lines),
        _with_legal_form(first_page),
        _first_name(first_page),
    )
    found = (one for one in candidates if one is not None)
    return max(found, key=lambda one: one.confidence, default=None)


def _under_label(lines: Sequence[Line]) -> SupplierFound | None:
    """Give what stands behind or under a word for the seller, in its column."""
    for index, line in enumerate(lines):
        for start, end in _cells(line):
            label, colon, behind = line.plain[start:end].partition(":")
            if not _SELLER.match(label):
                continue
            if colon and behind.strip():
                return _named(line, start + len(label) + 1, end, _LABELLED)
            box = line.box(start, end)
            below = [one for one in lines[index + 1 : index + 6] if one.page == line.page]
            found = _first_name_under(below, box.x0, box.x1)
            if found is not None:
                return found
    return None


def _first_name_under(lines: Sequence[Line], x0: float, x1: float) -> SupplierFound | None:
    for line in lines:
        for start, end in _cells(line):
            box = line.box(start, end)
            if box.x0 >= x1 or box.x1 <= x0:
                continue
            label = _NAME_LABEL.match(line.plain, start)
            if label is not None:
                return _named(line, label.end(), _end_of_cell(line, label.end()), _LABELLED)
            if _is_name(line.plain[start:end]):
                return _named(line, start, end, _LABELLED)
            break
    return None


def _with_legal_form(lines: Sequence[Line]) -> SupplierFound | None:
    """Give the first name with a legal form that is not in the block of the one addressed."""
    for index, line, until in _not_buyers(lines):
        sure = _LEGAL if index < _TOP_LINES else _FOOT
        for start, end in _names_in(line, until):
            text = line.plain[start:end]
            before = lines[index - 1] if index else line
            if _ONLY_LEGAL_FORM.fullmatch(text) and _is_name(before.plain):
                # The name was too long for one line.
                return _named(before, 0, len(before.text), sure)
            if _LEGAL_FORM.search(text) and _is_name(text):
                return _named(line, start, end, sure)
    return None


def _first_name(lines: Sequence[Line]) -> SupplierFound | None:
    for _, line, until in _not_buyers(lines[:_TOP_LINES]):
        for start, end in _names_in(line, until):
            if _is_name(line.plain[start:end]):
                return _named(line, start, end, _FIRST)
    return None


def _not_buyers(lines: Sequence[Line]) -> Iterator[tuple[int, Line, float]]:
    """Give the lines of no item outside the block of the one addressed, which a gap ends.

    With each the place across the page where the block of the one addressed begins beside it.
    """
    lines_left = 0
    until = math.inf
    last: Line | None = None
    is_item = False
    for index, line in enumerate(lines):
        if last is not None and line.y0 - last.y1 > _BLOCK_GAP * line.height:
            lines_left = 0
        buyer = _BUYER.search(line.plain)
        if buyer:
            lines_left = _BUYERS_LINES
            cell = line.plain.rfind(COLUMN, 0, buyer.start())
            until = -math.inf if cell < 0 else line.box(cell + len(COLUMN), buyer.end()).x0
        is_heading = sum(bool(_ITEMS_WORD.match(line.plain, at)) for at, _ in _cells(line)) > 1
        is_item = is_heading or (is_item and role_of(line.plain) not in _END_OF_ITEMS)
        if not is_item and not _has_price(line, index):
            yield index, line, until if lines_left > 0 else math.inf
        lines_left -= 1
        last = line


def _has_price(line: Line, index: int) -> bool:
    """Whether a line has an amount that is no company's capital."""
    return "capital" not in line.plain and any(
        one.currency or _CENTS.search(one.raw) for one in amounts_in(line, index)
    )


def _is_name(text: str) -> bool:
    letters = sum(char.isalpha() for char in text)
    return (
        letters >= MIN_LETTERS
        and letters >= 0.6 * len(text.replace(" ", ""))
        and len(text) <= MAX_NAME_CHARS
        and not any(pattern.search(text) for pattern in (_NO_NAME, _BUYER, _ADDRESS))
    )


def _named(line: Line, start: int, end: int, confidence: float) -> SupplierFound:
    first = start
    while first < end - 1 and line.text[first] in " :-\u2013\u2022\u25cf":
        first += 1
    last = _end_of_name(line, first, end)
    return SupplierFound(line, first, min(last, first + MAX_NAME_CHARS), confidence)


def _names_in(line: Line, until: float) -> Iterator[tuple[int, int]]:
    """Give the cells of a line up to a place, each up to what parts a name from what follows it."""
    for start, end in _cells(line):
        if line.box(start, end).x0 < until:
            yield start, _end_of_name(line, start, end)


def _end_of_name(line: Line, start: int, end: int) -> int:
    parting = _PARTING.search(line.text, start + 3, end)
    return parting.start() if parting else end


def _cells(line: Line) -> Iterator[tuple[int, int]]:
    at = 0
    for part in line.text.split(COLUMN):
        if part.strip():
            yield at, at + len(part)
        at += len(part) + len(COLUMN)


def _end_of_cell(line: Line, at: int) -> int:
    end = line.text.find(COLUMN, at)
    return end if end >= 0 else len(line.text)
