"""Replacing what names people, places and accounts by typed placeholders, before anything is sent.

The same value gets the same placeholder everywhere in one context, so that the model still sees
what agrees with what; which is which stays here.
"""

import re
from collections.abc import Iterator

from proofs.advisor.folding import NOT_AFTER_WORD, Folded, fold, words_of
from proofs.advisor.known import Kind, KnownValues
from proofs.masking import EMAIL, PHONE, is_iban

_CURRENCY = r"(?:fcfa|cfa|xof|xaf|eur|usd|gbp|euros?|dollars?|f|francs?)\b"
# Also over the end of a line; where it stops, the check digits say.
_IBAN = re.compile(r"\b[a-z]{2}\d{2}(?:[ \-.\n\t]{0,2}[a-z0-9]){10,30}\b")
# What is called an account is one, also where a figure is misread or the bank counts otherwise.
_CALLED_ACCOUNT = re.compile(
    rf"{NOT_AFTER_WORD}(?:iban|bban|rib|compte|account|acct|a/c|konto)\b\W{{0,5}}"
    r"(?:(?:no|n|nr|num|numero|number|bancaire|bank)\b\W{0,4}){0,3}"
    r"((?:[a-z]{2}\d{2}[ \-.]{0,2}[a-z]{4}[ \-.]{1,2})?"
    r"(?:(?=[a-z]{0,4}\d)[a-z0-9]{1,34}(?:[ \-./\t]{1,3}|\n[ \t]{0,3}(?=[a-z0-9]{4})|(?![a-z0-9])))"
    r"{1,12}(?:cle\W{0,3}\d{2}\b)?)"
)
_SHORTEST_ACCOUNT = 8
_CALLED_PHONE = re.compile(
    rf"{NOT_AFTER_WORD}(?:tel(?:ephone)?|phone|mobile|portable|whatsapp|wave|momo|orange|mtn|moov)"
    r"\b\W{0,5}(?:(?:no|n|numero|number|money|momo)\b\W{0,4}){0,3}"
    rf"(\+?\d(?:[ .\-/()]{{0,2}}\d){{7,13}})(?![ .]?\d)(?!\s{{0,2}}{_CURRENCY})"
)
_SPACED_EMAIL = re.compile(
    r"[a-z0-9._%+\-]{1,64}[ \t]{0,3}(?:@|[(\[]at[)\]])[ \t]{0,3}[a-z0-9.\-]{1,255}\.[a-z]{2,24}\b"
)
_CARD = re.compile(r"(?<![\d])(?:\d[ \-]?){12,18}\d(?!\d)")
_GPS = re.compile(
    r"-?\d{1,3}\.\d{4,}\s*[,;/ ]\s*-?\d{1,3}\.\d{4,}"
    r"|(?:latitude|longitude|lat|lon|lng|long)\W{0,4}-?\d{1,3}[.,]\d+"
    r"|\d{1,3}\s*°\s*\d{1,2}\s*\W\s*[\d.,]*\s*\W{0,2}\s*[nsewo]\b"
)
_STREET = (
    r"rue|avenue|av|boulevard|bd|blvd|chemin|route|impasse|allee|quai|place|lotissement|cite|villa"
)
_ADDRESS = re.compile(
    rf"{NOT_AFTER_WORD}\d{{1,4}}\s*(?:bis|ter)?\s*,?\s*(?:{_STREET})\b[^\n,;]{{0,60}}"
    r"|\b\d{1,5}\s+[a-z' ]{2,40}\s(?:street|st|road|rd|lane|drive|way|close|square)\b"
    r"|\b(?:b\.?\s?p\.?|p\.?\s?o\.?\s?box)\s*\d+[^\n]{0,40}"
    rf"|(?<![\d.,])\d{{5}}\s+(?!{_CURRENCY})[a-z][a-z\-']{{2,}}(?: [a-z\-']{{2,}}){{0,3}}"
    r"|(?:adresse|address|siege social|domicile)\s*:\s*[^\n]{3,80}"
)
_LABELLED_NAME = re.compile(
    r"(?:nom|name|titulaire|beneficiaire|beneficiary|client|customer|fournisseur|supplier"
    r"|contact|signature|signe par|signed by|attn|a l'attention de)\s*:\s*([^\n,;]{2,60})"
    # Of these the name may also follow without a colon, or on the next line.
    rf"|{NOT_AFTER_WORD}(?:(?:bill(?:ed)?|sold|payable|pay) to|facture a|vendu a|payable a"
    r"|doit(?=[ \t]*[:\n]))\b[ \t]*:?[ \t]*(?:(?:ship|delivered) to\b[ \t:]*)?\n?[ \t]*"
    r"([^\n,;]{2,60})"
    rf"|{NOT_AFTER_WORD}(?:(?:mr|mrs|ms|mme|mlle|dr|monsieur|madame)\.?|m\.)\s+"
    r"((?:[a-z][a-z'\-]+)(?:[ \t]+[a-z][a-z'\-]+){0,2})"
)

# What is known by its form alone.
_FORMS = (
    (Kind.EMAIL, EMAIL),
    (Kind.EMAIL, _SPACED_EMAIL),
    (Kind.GPS, _GPS),
    (Kind.ADDRESS, _ADDRESS),
    (Kind.PHONE, PHONE),
)


class Masker:
    """Masks the texts of one context. `KnownValues` are looked for beside what has a known form."""

    def __init__(self, known: KnownValues) -> None:
        self._known = known
        self._numbers: dict[tuple[Kind, str], int] = {}

    def whole(self, kind: Kind, value: str) -> str:
        """The placeholder of a value that is personal as a whole; "" stays what it is."""
        key = "".join(words_of(value))
        return self._placeholder(kind, key) if key else ""

    def text(self, text: str) -> str:
        """A text with what it holds of people, places and accounts replaced."""
        folded = fold(text)
        kept: list[str] = []
        end = 0
        for start, stop, kind in self._spans(folded):
            kept += [text[end:start], self.whole(kind, text[start:stop])]
            end = stop
        return "".join([*kept, text[end:]])

    def _placeholder(self, kind: Kind, key: str) -> str:
        same_kind = sum(1 for known, _ in self._numbers if known is kind)
        number = self._numbers.setdefault((kind, key), same_kind + 1)
        return f"[{kind.value}_{number}]"

    def _spans(self, folded: Folded) -> list[tuple[int, int, Kind]]:
        """What to replace, in the original's places, in order; what overlaps is one."""
        found = sorted(
            (
                (*folded.original_span(start, stop), kind)
                for start, stop, kind in (*self._known.find(folded), *_found(folded.text))
                if start < stop
            ),
            # What goes furthest says what it is: an e-mail, not the name in it.
            key=lambda span: (span[0], -span[1]),
        )
        merged: list[tuple[int, int, Kind]] = []
        for start, stop, kind in found:
            if merged and start < merged[-1][1]:
                first = merged[-1]
                merged[-1] = (first[0], max(first[1], stop), first[2])
            else:
                merged.append((start, stop, kind))
        return merged


def _found(text: str) -> Iterator[tuple[int, int, Kind]]:
    """What is known by its form, or by what stands before it."""
    for kind, pattern in _FORMS:
        for match in pattern.finditer(text):
            yield *match.span(), kind
    for match in _LABELLED_NAME.finditer(text):
        assert match.lastindex is not None, "each alternative has a group"
        yield *match.span(match.lastindex), Kind.NAME
    for match in _CALLED_PHONE.finditer(text):
        yield *match.span(1), Kind.PHONE
    yield from _accounts(text)


def _accounts(text: str) -> Iterator[tuple[int, int, Kind]]:
    """IBANs and cards, which their check digits tell from other numbers, and what is called so."""
    for match in _CARD.finditer(text):
        if _is_card(match.group()):
            yield *match.span(), Kind.CARD
    for match in _CALLED_ACCOUNT.finditer(text):
        value = match.group(1).rstrip(" -./\t\n")
        if sum(sign.isalnum() for sign in value) >= _SHORTEST_ACCOUNT:
            yield match.start(1), match.start(1) + len(value), Kind.IBAN
    for match in _IBAN.finditer(text):
        # The words after an IBAN look like a part of it: the longest beginning that is one counts.
        value = match.group()
        ends = [place for place, sign in enumerate(value) if not sign.isalnum()] + [len(value)]
        for end in reversed(ends):
            if is_iban(re.sub(r"[\W_]", "", value[:end])):
                yield match.start(), match.start() + end, Kind.IBAN
                break


def _is_card(text: str) -> bool:
    """Whether the check digit of a card's number (Luhn) holds."""
    digits = [int(sign) for sign in text if sign.isdecimal()]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
