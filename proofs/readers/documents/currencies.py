"""The currency of a document: by the marks at its total, the signs at all amounts, or a code.

The franc CFA has two codes, XOF in the west and XAF in the centre of Africa; which of them `FCFA`
means is told by the country: that of a name or a dialling code on the page, else the caller's. A
bare `$` is the dollar that the page names, or its country's. Where nothing tells, no currency is
given.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from proofs.readers.documents.amounts import ISO_CODES, Amount, amounts_in
from proofs.readers.documents.currency_marks import CONVERSION, MARK, Mark, marks_at
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
_DOLLAR_BY_COUNTRY = {
    "CA": "CAD",
    "AU": "AUD",
    "SG": "SGD",
    "NZ": "NZD",
    "HK": "HKD",
    "US": "USD",
    "MY": "MYR",
}
_DOLLARS = frozenset({"USD", "CAD", "AUD", "NZD", "HKD", "SGD", "TWD"})
# What only the papers of these countries say.
_DOLLAR_COUNTRIES = {
    "CA": re.compile(r"\btvq\b|\bt\.v\.q|\bgst ?/ ?hst\b|\bcanada\b|\bquebec\b"),
    "AU": re.compile(r"\babn\W{0,3}\d\d|\baustralia\b"),
    "NZ": re.compile(r"\bnew zealand\b"),
    "HK": re.compile(r"\bhong ?kong\b|\bkowloon\b"),
    "SG": re.compile(r"\bsingapore\b"),
}
_BY_SIGN = {
    "€": "EUR",
    "EURO": "EUR",
    "EUROS": "EUR",
    "US$": "USD",
    "$US": "USD",
    "A$": "AUD",
    "AU$": "AUD",
    "$AU": "AUD",
    "C$": "CAD",
    "CA$": "CAD",
    "$CA": "CAD",
    "NZ$": "NZD",
    "$NZ": "NZD",
    "HK$": "HKD",
    "$HK": "HKD",
    "S$": "SGD",
    "£": "GBP",
    "¥": "JPY",
    "₹": "INR",
    "₦": "NGN",
    "N": "NGN",
    "RS": "INR",
    "RM": "MYR",
}
_CODE = re.compile(rf"\b({ISO_CODES})\b|\b(euros?)\b|\bUS ?\$")
_DECLARATION = re.compile(
    r"(?:wahrung|currency|devise|monnaie|betrage in|amounts? in|montants? en)[\s:(]*"
    r"(?:[a-z]+ \()?"
)
_FRANC_CFA = re.compile(r"f\s?\.?\s?cfa\b|\bcfa\b|francs? cfa")
_MALAYSIAN = r"\(rm\)|\brm\b|\bsdn\.? ?bhd\b|malaysia|kuala lumpur|selangor|\bjohor|\bpahang"

_FRANCS = frozenset({"FCFA", "CFA"})
# What a sign that may mean several currencies can stand for.
_MAY_MEAN = {
    **dict.fromkeys(_FRANCS, frozenset({"XOF", "XAF"})),
    "$": _DOLLARS | {"MXN", "MYR", "BRL", "LRD"},
}
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
    """Give the currency, or None where no sign of one is found or the sign is ambiguous.

    What the page says of its country goes before `country`, which is only where it is thought to
    come from.
    """
    signs = _Signs(lines, country)
    marks = list(marks_at(lines, total)) if total is not None else []
    vague = marks[0] if marks and _key(marks[0].sign) in _MAY_MEAN else None
    may_be = None if vague is None else _MAY_MEAN[_key(vague.sign)]
    for mark in marks:
        code = code_of(mark.sign) if _key(mark.sign) not in _MAY_MEAN else None
        if code is not None and (may_be is None or code in may_be):
            return _found(code, mark, _AT_TOTAL)
    declared = _declared(lines)
    if declared is not None and (may_be is None or declared.code in may_be):
        return declared
    if vague is not None:
        # What other amounts are in tells nothing of this one.
        code, sure = signs.code(vague.sign)
        return _found(code, vague, sure) if code else None
    return _beside(lines, signs) or _named(lines, signs.franc_country)


def code_of(sign: str, *, country: str | None = None) -> str | None:
    """Give the ISO 4217 code of a sign as printed; None where it may be one of several."""
    written = _key(sign)
    if written in _FRANCS:
        return _FRANC_BY_COUNTRY.get(country or "")
    if written == "$":
        return _DOLLAR_BY_COUNTRY.get(country or "", "USD")
    return _BY_SIGN.get(written, written)


def _key(sign: str) -> str:
    return re.sub(r"[\s.]", "", sign).upper()


def _found(code: str, mark: Mark, sure: float) -> CurrencyFound:
    return CurrencyFound(code, mark.sign, mark.line, mark.start, mark.end, sure)


class _Signs:
    """What the signs that may mean several currencies mean on these pages."""

    def __init__(self, lines: Sequence[Line], country: str | None) -> None:
        """Take what the pages say of their country before the one that is given."""
        self._lines = lines
        self._country = country
        self.franc_country = _country_of(lines) or country
        self._dollar: tuple[str | None, float] | None = None

    def code(self, sign: str) -> tuple[str | None, float]:
        """Give a sign's code, and how sure that is where it stands at the total."""
        if _key(sign) != "$":
            return code_of(sign, country=self.franc_country), _AT_TOTAL
        if self._dollar is None:
            self._dollar = self._find_dollar()
        return self._dollar

    def _find_dollar(self) -> tuple[str | None, float]:
        """Give which dollar: the one that is named, else the country's, else the American one.

        One that is named for a conversion only is not the one meant, and then none is sure.
        """
        named: dict[str, bool] = {}
        for line in self._lines:
            for match in MARK.finditer(line.text):
                code = code_of(match[0]) if _key(match[0]) != "$" else None
                if code in _DOLLARS:
                    is_converted = CONVERSION.search(line.plain) is not None
                    named[code] = named.get(code, False) or not is_converted
        meant = [code for code, is_meant in named.items() if is_meant]
        if named:
            return (meant[0], _BESIDE_AMOUNTS) if len(meant) == 1 else (None, 0.0)
        if self.franc_country == "MY":
            return "MYR", _AT_TOTAL
        countries = [
            country
            for country, says in _DOLLAR_COUNTRIES.items()
            if any(says.search(line.plain) for line in self._lines)
        ]
        if len(countries) == 1:
            return _DOLLAR_BY_COUNTRY[countries[0]], _NAMED
        return code_of("$", country=self._country), _AT_TOTAL


def _declared(lines: Sequence[Line]) -> CurrencyFound | None:
    """Give the currency that the document says its amounts are in.

    "Montant en EUR : 1'145.86" says so of that amount only.
    """
    for index, line in enumerate(lines):
        label = _DECLARATION.search(line.plain)
        match = _CODE.match(line.text, label.end()) if label else None
        if match is None or not match[1]:
            continue
        behind = [one for one in amounts_in(line, index) if one.end > match.end() and one.is_money]
        if any(not re.search(r"[a-z]", line.plain[match.end() : one.start]) for one in behind):
            continue
        return CurrencyFound(match[1], match[0], line, *match.span(), _AT_TOTAL)
    return None


def _beside(lines: Sequence[Line], signs: _Signs) -> CurrencyFound | None:
    """Give the currency that most amounts are in."""
    amounts = (one for index, line in enumerate(lines) for one in amounts_in(line, index))
    codes = [(signs.code(one.currency)[0], one) for one in amounts if one.currency]
    known = [(code, amount) for code, amount in codes if code is not None]
    if not known:
        return None
    most = Counter(code for code, _ in known).most_common(1)[0][0]
    amount = next(amount for code, amount in known if code == most)
    return CurrencyFound(
        most, amount.currency, amount.line, amount.start, amount.end, _BESIDE_AMOUNTS
    )


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
