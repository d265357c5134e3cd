"""When two names, numbers or accounts are the same although they are written differently. Pure."""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from difflib import SequenceMatcher

from proofs.masking import is_iban

# Two spellings of one name differ by a letter or two that OCR or a person got wrong.
SAME_NAME_RATIO = 0.85
_LAST_FOUR = 4
# What a document says of who made it, by field: its page and its XML may say different things.
Issuer = Mapping[str, Collection[str]]
# The fields that tell one supplier from another.
ISSUER_IDS = ("vat_id", "siret", "iban")
# What a company is, not what it is called.
LEGAL_FORMS = frozenset(
    [
        "ag",
        "bv",
        "co",
        "cie",
        "company",
        "corp",
        "corporation",
        "ei",
        "eirl",
        "ets",
        "etablissement",
        "etablissements",
        "eurl",
        "gie",
        "gmbh",
        "group",
        "groupe",
        "inc",
        "kg",
        "limited",
        "llc",
        "ltd",
        "plc",
        "sa",
        "sarl",
        "sarlu",
        "sas",
        "sasu",
        "scp",
        "snc",
        "societe",
        "spa",
        "srl",
        "ste",
        "suarl",
        "the",
        "ug",
    ]
)
_WORD = re.compile(r"[^\W_]+")
# Letters that are no other letter with an accent, as people write them without.
_LETTERS = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th"})


def plain_words(text: str) -> str:
    """A text in small letters without accents."""
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


def name_words(name: str) -> list[str]:
    """The words that make a name: without accents, case, punctuation and legal forms."""
    plain = plain_words(name)
    # S.A.R.L. is one word.
    plain = re.sub(r"\b((?:[a-z]\.){2,})", lambda found: found.group().replace(".", ""), plain)
    words = _WORD.findall(plain)
    return [word for word in words if word not in LEGAL_FORMS] or words


def same_supplier(expected: str, actual: str) -> bool:
    """Whether a printed name is the expected one: all its words stand there, or its letters do."""
    if expected.strip() and plain_words(expected).split() == plain_words(actual).split():
        return True
    wanted, printed = name_words(expected), name_words(actual)
    if not wanted or not printed:
        return False
    if _all_stand_in(wanted, printed):
        return True
    return _ratio("".join(wanted), "".join(printed)) >= SAME_NAME_RATIO


def stands_in(name: str, text: str) -> str | None:
    """A name as it stands in a text, all its words on one line; None where it does not.

    What else the line says is left out: an account or a telephone may stand beside a name.
    """
    wanted = set(name_words(name))
    for line in text.splitlines():
        if not wanted <= set(_WORD.findall(plain_words(line))):
            continue
        words = (word.group() for word in _WORD.finditer(line))
        printed = [word for word in words if wanted & set(_WORD.findall(plain_words(word)))]
        return " ".join(printed)[:200] or None
    return None


def number_key(number: str) -> str:
    """An invoice number without its punctuation, to find the same one written differently."""
    return "".join(letter for letter in number.upper() if letter.isalnum())[:64]


def same_number(expected: str, actual: str) -> bool:
    """Whether two invoice numbers are one."""
    return number_key(expected) != "" and number_key(expected) == number_key(actual)


def plain_iban(text: str) -> str:
    """An account without spaces and punctuation, in capitals."""
    return "".join(letter for letter in text.upper() if letter.isalnum())


def valid_iban(text: str) -> bool:
    """Whether the check digits hold (ISO 13616, mod 97)."""
    return is_iban(plain_iban(text))


def same_iban(expected: str, actual: str) -> bool:
    """Whether a printed IBAN, whose check digits hold, is the expected one or ends in its four."""
    wanted, printed = plain_iban(expected), plain_iban(actual)
    if not valid_iban(printed):
        return False
    return printed[-_LAST_FOUR:] == wanted if len(wanted) == _LAST_FOUR else printed == wanted


def same_issuer(one: Issuer, other: Issuer) -> bool:
    """Whether two invoices, as all that they say of who made them, come from one supplier.

    One identifier in common is enough: whoever sends an invoice a second time can change the
    others. Names alone are enough as well, but have to be the whole name where identifiers differ.
    """
    differ = False
    for name in ISSUER_IDS:
        ids = [{plain_iban(value) for value in side.get(name, ())} for side in (one, other)]
        if ids[0] & ids[1]:
            return True
        differ = differ or all(ids)
    is_same = _same_words if differ else _either_names_the_other
    return any(
        is_same(name, alias)
        for name in one.get("supplier", ())
        for alias in other.get("supplier", ())
    )


def _either_names_the_other(one: str, other: str) -> bool:
    return same_supplier(one, other) or same_supplier(other, one)


def _same_words(one: str, other: str) -> bool:
    """Whether two names have the same words, be it in another order, and no others."""
    names = (name_words(one), name_words(other))
    return all(names) and _all_stand_in(*names) and _all_stand_in(*reversed(names))


def _all_stand_in(wanted: Sequence[str], printed: Sequence[str]) -> bool:
    return all(any(_nearly(word, other) for other in printed) for word in wanted)


def _nearly(word: str, other: str) -> bool:
    # Short words and numbers are the same or not: `lot 7` is not `lot 1`.
    if len(word) < 5 or word.isdigit():
        return word == other
    return word == other or _ratio(word, other) >= SAME_NAME_RATIO


def _ratio(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio()
