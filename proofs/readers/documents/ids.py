"""Numbers that prove themselves: IBAN, VAT id, SIRET. A check digit is worth more than a label.

A wrong one does not make a value invisible: what is printed as an IBAN and is none must come before
a person, so it is given with little confidence.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import schwifty

from proofs.readers.documents.facts import Source
from proofs.readers.documents.labels import cell_over
from proofs.readers.documents.layout import COLUMN, Line

_IBAN = re.compile(
    r"(?<![A-Za-z0-9])([A-Z]{2}[ ]?[0-9OIl]{2}(?:[ .-]?[A-Z0-9]){10,30})(?![A-Za-z0-9])"
)
# OCR reads the I of CI, FI and IE, and the O of RO and NO, as figures.
_MISREAD_COUNTRY = str.maketrans({"1": "I", "L": "I", "0": "O"})
_MISREAD_IBAN = re.compile(
    r"(?<![A-Za-z0-9])((?:[A-Z][1l0]|[1l][A-Z])[ ]?[0-9OIl]{2}(?:[ .-]?[A-Z0-9]){10,30})"
    r"(?![A-Za-z0-9])"
)
_IBAN_LABEL = re.compile(r"\biban|bankverbindung|\brib\b")
# The shortest IBAN there is has 15 characters, the longest 34.
MIN_IBAN_CHARS, MAX_IBAN_CHARS = 15, 34
# Digits and letters that OCR takes for one another.
_DIGIT_FOR = str.maketrans({"O": "0", "I": "1", "L": "1", "B": "8", "S": "5"})

# By country: what follows its two letters.
_VAT_FORMATS = {
    "AT": r"U\d{8}",
    "BE": r"[01]\d{9}",
    "CH": r"E\d{9}(?:MWST|TVA|IVA)?",
    "DE": r" ?\d{3} ?\d{3} ?\d{3}",
    "DK": r"\d{8}",
    "ES": r"[A-Z0-9]\d{7}[A-Z0-9]",
    "FR": r" ?[A-HJ-NP-Z0-9]{2} ?\d{3} ?\d{3} ?\d{3}",
    "GB": r"(?:\d{9}|\d{12})",
    "IE": r"\d[A-Z0-9+*]\d{5}[A-Z]{1,2}",
    "IT": r"\d{11}",
    "LU": r"\d{8}",
    "NL": r"\d{9}B\d{2}",
    "PL": r"\d{10}",
    "PT": r"\d{9}",
    "SE": r"\d{12}",
}
_VAT = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    + "|".join(f"{country}{body}" for country, body in _VAT_FORMATS.items())
    + r")(?![A-Za-z0-9])"
)
_VAT_LABEL = re.compile(r"vat|tva|ust|mwst|btw|\biva\b|umsatzsteuer|partita")
_SIRET = re.compile(r"(?<![\d])(\d{3} ?\d{3} ?\d{3} ?\d{5})(?!\d)")
_SIRET_LABEL = re.compile(r"siret|siren|\brcs\b")
_POST_OFFICE = "356000000"
# Whose number it is, where it is not the maker's of the document.
_BUYERS = re.compile(
    r"client|customer|buyer|kunde|kaufer|acheteur|votre|\byour\b|ihre?\b|bill(?:ed)? to"
    r"|sold to|facture a\b|adresse a\b|\bdoit\b"
)
# The first words of a block about the buyer; a customer's number is on the maker's side as well.
_BUYERS_BLOCK = re.compile(
    r"\W*(?:client|customer|buyer|kunde|kaufer|acheteur|bill(?:ed)? to|sold to|facture a|doit)\b"
    r"(?! *(?:n\b|no\b|nr\b|num|id\b|code|ref))"
)
_BUYERS_BLOCK_LINES = 3
# Whose account it is that money is taken from; "your invoice" stands beside the payee's as well.
_PAYER = r"(?:client|customer|buyer|payer|payeur|acheteur|debtor|debiteur|kunden?)"
_ACCOUNT = r"(?:compte|account|iban|rib|konto|bankverbindung)"
_BUYERS_ACCOUNT = re.compile(
    r"\bdebit|prelev|abgebucht|eingezogen|lastschrift|withdrawn"
    rf"|\b(?:votre|your|ihre?|ihrem|ihres) (?:bank )?{_ACCOUNT}"
    rf"|\b{_ACCOUNT}\b[^:]{{0,20}}\b{_PAYER}\b|\b{_PAYER}(?:'s)? {_ACCOUNT}"
)
# Whoever pays is told where to, after where from.
_PAYEES_AFTER_ALL = re.compile(r"\b(?:vers|to|au compte|auf)\b")

_SURE, _UNLABELLED, _OF_BUYERS_BLOCK, _WRONG, _BUYERS_OWN = 0.98, 0.8, 0.6, 0.35, 0.3


@dataclass(frozen=True, slots=True)
class IdFound:
    """A number, canonical, with its place and how sure it is, from 0 to 1."""

    line: Line
    start: int
    end: int
    value: str
    confidence: float


def find_iban(lines: Sequence[Line]) -> IdFound | None:
    """Give the first IBAN of the document that proves itself, else one that is called so.

    One that says it is the payer's is but a guess, and given only where there is no other.
    """
    return _best(_ibans(lines))


def payees_ibans(lines: Sequence[Line]) -> list[IdFound]:
    """Give all IBANs that prove themselves and are not the payer's, in their order."""
    return [one for one in _ibans(lines) if one.confidence >= _UNLABELLED]


def find_vat_id(lines: Sequence[Line]) -> IdFound | None:
    """Give the VAT id of the document's maker; never one that is the customer's."""
    return _best(_labelled(lines, _VAT, _VAT_LABEL, is_valid_vat))


def holds_vat_id(line: Line) -> bool:
    """Whether a VAT id stands on a line, whosever it is."""
    return _VAT.search(line.text) is not None


def find_siret(lines: Sequence[Line]) -> IdFound | None:
    """Give the SIRET of the document's maker."""
    return _best(
        one
        for one in _labelled(lines, _SIRET, _SIRET_LABEL, is_valid_siret)
        if one.confidence != _UNLABELLED
    )


def is_valid_iban(value: str) -> bool:
    """Whether length, structure and check digits are those of the country's IBANs."""
    return schwifty.IBAN(value, allow_invalid=True).is_valid


def is_valid_vat(value: str) -> bool:
    """Whether the check digits are right, for the countries whose rule is known here."""
    country, body = value[:2], value[2:]
    if country == "FR":
        return not body[:2].isdigit() or int(body[:2]) == (12 + 3 * (int(body[2:]) % 97)) % 97
    if country == "DE":
        return _iso7064_mod_11_10(body)
    if country == "BE":
        return int(body[:8]) % 97 + int(body[8:]) == 97
    return True


def is_valid_siret(value: str) -> bool:
    """Whether a SIRET is right by Luhn, or by the rule that the post office has of its own."""
    if value.startswith(_POST_OFFICE) and sum(map(int, value)) % 5 == 0:
        return True
    doubled = (int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(value)))
    return sum(number - 9 if number > 9 else number for number in doubled) % 10 == 0


def _iso7064_mod_11_10(digits: str) -> bool:
    product = 10
    for digit in digits[:-1]:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(digits[-1])


def _ibans(lines: Sequence[Line]) -> Iterator[IdFound]:
    for index, line in enumerate(lines):
        is_ocr = line.source is Source.OCR
        misread = _MISREAD_IBAN.finditer(line.text) if is_ocr else ()
        for match in chain(_IBAN.finditer(line.text), misread):
            label = line.plain[: match.start()]
            if index and not label.strip():
                label = lines[index - 1].plain
            value, length = _iban_in(match[1], is_ocr=is_ocr)
            is_called_iban = _IBAN_LABEL.search(label) is not None
            if value is not None:
                found = IdFound(line, match.start(), match.start() + length, value, _UNLABELLED)
                yield replace(found, confidence=_payees(found, lines, index, label))
            elif is_called_iban and match.re is _IBAN:
                value = _squeezed(match[1])
                if MIN_IBAN_CHARS <= len(value) <= MAX_IBAN_CHARS:
                    yield IdFound(line, match.start(), match.end(), value, _WRONG)


def _payees(found: IdFound, lines: Sequence[Line], index: int, label: str) -> float:
    """Say how sure it is that a valid IBAN is the payee's."""
    if _is_payers(label):
        return _BUYERS_OWN
    if _stands_under_buyer(lines, index, found.start, found.end):
        return _OF_BUYERS_BLOCK
    return _SURE if _IBAN_LABEL.search(label) else _UNLABELLED


def _iban_in(raw: str, *, is_ocr: bool) -> tuple[str | None, int]:
    """Give the valid IBAN with which a text begins, and how much of the text it takes.

    Words that follow an IBAN can look as if they belonged to it, so ends are tried in turn.
    """
    ends = [match.start() for match in re.finditer(r"[ ]", raw)]
    for end in (len(raw), *reversed(ends)):
        value = _squeezed(raw[:end])
        if not MIN_IBAN_CHARS <= len(value) <= MAX_IBAN_CHARS:
            continue
        for tried in (value, *_mended(value)) if is_ocr else (value,):
            if is_valid_iban(tried):
                return tried, end
    return None, 0


def _mended(value: str) -> Iterator[str]:
    """Give what OCR may have misread; check digits tell whether it is an IBAN now."""
    country = value[:2] if value[:2].isalpha() else value[:2].translate(_MISREAD_COUNTRY)
    rest = value[2:].translate(_DIGIT_FOR)
    yield country + rest
    yield country + value[2:]
    # Banks of the franc zone begin their codes with the letters of the country once more.
    yield country + rest[:2] + country + rest[4:]


def _labelled(
    lines: Sequence[Line],
    pattern: re.Pattern[str],
    label_pattern: re.Pattern[str],
    is_valid: Callable[[str], bool],
) -> Iterator[IdFound]:
    for index, line in enumerate(lines):
        for match in pattern.finditer(line.text):
            before = line.plain[: match.start()]
            near = before[-60:] if before.strip() else lines[index - 1].plain if index else ""
            value = _squeezed(match[0])
            sure = _SURE if is_valid(value) else _WRONG
            if not label_pattern.search(near):
                sure = min(sure, _UNLABELLED)
            if not _is_buyers(lines, index, match.start(), match.end(), near):
                yield IdFound(line, match.start(), match.end(), value, sure)


def _is_buyers(lines: Sequence[Line], index: int, start: int, end: int, near: str) -> bool:
    """Whether a number is the customer's, by the words before it or by the block it stands in."""
    line = lines[index]
    # Of the cell all counts, however far the name of the customer is from the number.
    cell = line.plain[:start].rstrip().rsplit(COLUMN, 1)[-1]
    if _BUYERS.search(near) or _BUYERS.search(cell):
        return True
    return _stands_under_buyer(lines, index, start, end)


def _is_payers(label: str) -> bool:
    """Whether the words before an account say that money is taken from it."""
    said = _BUYERS_ACCOUNT.search(label)
    return said is not None and not _PAYEES_AFTER_ALL.search(label, said.end())


def _stands_under_buyer(lines: Sequence[Line], index: int, start: int, end: int) -> bool:
    """Whether something stands in a block about the buyer."""
    line = lines[index]
    box = line.box(start, end)
    below = line
    for above in reversed(lines[max(0, index - _BUYERS_BLOCK_LINES) : index]):
        if above.page != line.page or below.y0 - above.y1 > line.height:
            break
        if _BUYERS_BLOCK.match(cell_over(above, box.x0, box.x1)):
            # "Customer IBAN …" says whose that one is, and nothing of the next.
            return _IBAN.search(above.text) is None
        below = above
    return False


def _squeezed(text: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", text.upper())


def _best(found: Iterator[IdFound]) -> IdFound | None:
    """Give the surest, of equals the first."""
    return max(found, key=lambda one: one.confidence, default=None)
