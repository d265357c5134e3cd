"""The currency of a document: by the sign at its total, the signs at all amounts, or a code.

The franc CFA has two codes, XOF in the west and XAF in the centre of Africa; which of them `FCFA`
means is told by the country: the caller's, that of an IBAN, a name or a dialling code on the page.
Where nothing tells, no currency is given.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from proofs.readers.documents.amounts import Amount, amounts_in
from proofs.readers.documents.layout import Line

_XOF_COUNTRIES = {
    "BJ": (r"benin", "229"),
    "BF": (r"burkina", "226"),
    "CI": (r"cote d.ivoire|ivory coast|abidjan", "225"),
    "GW": (r"guinee.bissau|guinea.bissau", "245"),
    "ML": (r"\bmali\b|bamako", "223"),
    "NE": (r"\bniger\b|niamey", "227"),
    "SN": (r"senegal|dakar", "221"),
    "TG": (r"\btogo\b|\blome\b", "228"),
}
_XAF_COUNTRIES = {
    "CM": (r"cameroun|cameroon|douala|yaounde", "237"),
    "CF": (r"centrafri|bangui", "236"),
    "TD": (r"\btchad\b|\bchad\b|n.djamena", "235"),
    "CG": (r"\bcongo\b|brazzaville", "242"),
    "GQ": (r"guinee equatoriale|equatorial guinea|malabo", "240"),
    "GA": (r"\bgabon\b|libreville", "241"),
}
_FRANC_BY_COUNTRY = {
    **dict.fromkeys(_XOF_COUNTRIES, "XOF"),
    **dict.fromkeys(_XAF_COUNTRIES, "XAF"),
}
# A till set up for dollars prints their sign in any country.
_DOLLAR_BY_COUNTRY = {"CA": "CAD", "AU": "AUD", "SG": "SGD", "NZ": "NZD", "MY": "MYR"}
_BY_SIGN = {
    "€": "EUR",
    "US$": "USD",
    "£": "GBP",
    "¥": "JPY",
    "₹": "INR",
    "RS": "INR",
    "RM": "MYR",
}
_CODE = re.compile(
    r"\b(EUR|USD|GBP|CHF|MYR|XOF|XAF|INR|CAD|MAD|TND|DZD|NGN|GHS|KES)\b|\b(euros?)\b"
    r"|\bUS ?\$"
)
_DECLARATION = re.compile(
    r"(?:wahrung|currency|devise|monnaie|betrage in|amounts? in|montants? en)[\s:(]*"
)
_FRANC_CFA = re.compile(r"f\s?\.?\s?cfa\b|\bcfa\b|francs? cfa")
_MALAYSIAN = r"\(rm\)|\brm\b|\bsdn\.? ?bhd\b|malaysia|kuala lumpur|selangor|\bjohor|\bpahang"

_AT_TOTAL, _BESIDE_AMOUNTS, _NAMED, _GUESSED = 0.95, 0.85, 0.75, 0.5


@dataclass(frozen=True, slots=True)
class CurrencyFound:
    """A currency's code, the sign as printed with its place, and how sure it is, from 0 to 1."""

    code: str
    raw: str
    line: Line
    start: int
    end: int
    confidence: float


def find_currency(
    lines: Sequence[Line], total: Amount | None, *, country: str | None = None
) -> CurrencyFound | None:
    """Give the currency, or None where no sign of one is found or the sign is ambiguous."""
    country = country or _country_of(lines)
    beside = [
        amount
        for index, line in enumerate(lines)
        for amount in amounts_in(line, index)
        if amount.currency
    ]
    at_total = [total] if total is not None and total.currency else []
    declared = None if at_total else _declared(lines)
    if declared is not None:
        return declared
    for amounts, sure in ((at_total, _AT_TOTAL), (beside, _BESIDE_AMOUNTS)):
        codes = [(code_of(amount.currency, country=country), amount) for amount in amounts]
        known = [(code, amount) for code, amount in codes if code is not None]
        if known:
            most = Counter(code for code, _ in known).most_common(1)[0][0]
            amount = next(amount for code, amount in known if code == most)
            return CurrencyFound(most, amount.currency, amount.line, amount.start, amount.end, sure)
    return _named(lines, country)


def code_of(sign: str, *, country: str | None = None) -> str | None:
    """Give the ISO 4217 code of a sign as printed; None where it may be one of several."""
    written = re.sub(r"[\s.]", "", sign).upper()
    if written in {"FCFA", "CFA"}:
        return _FRANC_BY_COUNTRY.get(country or "")
    if written == "$":
        return _DOLLAR_BY_COUNTRY.get(country or "", "USD")
    return _BY_SIGN.get(written, written)


def _declared(lines: Sequence[Line]) -> CurrencyFound | None:
    """Give the currency that the document says its amounts are in."""
    for line in lines:
        label = _DECLARATION.search(line.plain)
        match = _CODE.match(line.text, label.end()) if label else None
        if match is not None and match[1]:
            return CurrencyFound(match[1], match[0], line, *match.span(), _AT_TOTAL)
    return None


def _named(lines: Sequence[Line], country: str | None) -> CurrencyFound | None:
    """Give a currency that is named by itself: "Currency: EUR", "in Euro", "(RM)"."""
    for line in lines:
        match = _CODE.search(line.text) or _CODE.search(line.plain)
        if match is not None:
            code = "EUR" if match[2] else match[1] or "USD"
            return CurrencyFound(code, match[0], line, *match.span(), _NAMED)
    franc = _FRANC_BY_COUNTRY.get(country or "")
    ringgit = "MYR" if country == "MY" else None
    for pattern, code in ((_FRANC_CFA, franc), (re.compile(_MALAYSIAN), ringgit)):
        for line in lines:
            match = pattern.search(line.plain)
            if match is not None and code:
                raw = line.text[match.start() : match.end()]
                return CurrencyFound(code, raw, line, *match.span(), _GUESSED)
    return None


def _country_of(lines: Sequence[Line]) -> str | None:
    """Give the country that tells what an ambiguous sign means; None where the page speaks of none.

    Several countries are none, unless they have one currency.
    """
    text = "\n".join(line.plain for line in lines)
    found = {
        country
        for country, (names, code) in {**_XOF_COUNTRIES, **_XAF_COUNTRIES}.items()
        if re.search(names, text) or re.search(rf"(?:\+|\b00){code}\b|\({code}\)", text)
    }
    if not found and re.search(_MALAYSIAN, text):
        return "MY"
    if len({_FRANC_BY_COUNTRY[country] for country in found}) != 1:
        return None
    return min(found)
