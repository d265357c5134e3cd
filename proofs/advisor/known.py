"""The people and accounts that an escrow knows, as patterns that find them however written."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from proofs.advisor.folding import GAP, NOT_AFTER_WORD, NOT_BEFORE_WORD, words_of

# Words that names of firms and bodies are made of; alone they name nobody.
_GENERIC = frozenset({
    "association", "batiment", "bureau", "business", "center", "centre", "client", "clinic",
    "clinique", "commerce", "commune", "compagnie", "company", "conseil", "construction",
    "constructions", "cooperative", "district", "ecole", "entreprise", "entreprises",
    "etablissement", "etablissements", "fondation", "foundation", "general", "generale", "gmbh",
    "group", "groupe", "hopital", "hospital", "international", "limited", "ltda", "mairie",
    "materiaux", "ministere", "ministry", "national", "nationale", "office", "partner",
    "partners", "pharmacie", "plus", "project", "projet", "provider", "quincaillerie", "sarl",
    "school", "sender", "service", "services", "societe", "solutions", "sons", "support",
    "systems", "technologies", "trading", "transport", "travaux", "union", "works",
})  # fmt: skip
_LONG = 8
_SIGNIFICANT_DIGITS = 8


class Kind(StrEnum):
    """What sort of value it is; the word of its placeholder."""

    IBAN = "IBAN"
    CARD = "CARD"
    EMAIL = "EMAIL"
    PHONE = "PHONE"
    NAME = "NAME"
    ADDRESS = "ADDRESS"
    GPS = "GPS"
    ID = "ID"


@dataclass(frozen=True, repr=False)
class KnownValues:
    """What must not leave. It has no text of its own, so that it is printed nowhere.

    vocabulary are the words of our own prompt: a part of a name that is one of them is not looked
    for alone.
    """

    names: frozenset[str] = frozenset()
    emails: frozenset[str] = frozenset()
    phones: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    vocabulary: frozenset[str] = field(default=frozenset())

    def __repr__(self) -> str:
        return "<known values>"

    @cached_property
    def patterns(self) -> tuple[tuple[Kind, "re.Pattern[str]"], ...]:
        """Patterns over folded text, by kind; at most one of each."""
        sources = (
            (Kind.EMAIL, {_email(value) for value in self.emails if value.strip()}),
            (Kind.IBAN, set(_accounts(self.accounts))),
            (Kind.PHONE, set(_phones(self.phones))),
            (Kind.NAME, set(_names(self.names, self.vocabulary))),
        )
        return tuple(
            # The longest first, so that a whole name goes before its parts.
            (kind, re.compile("|".join(sorted(found, key=lambda text: (-len(text), text)))))
            for kind, found in sources
            if found
        )

    @cached_property
    def plain(self) -> frozenset[bytes]:
        """The longer values as bytes, for looking into what is no text."""
        values = self.names | self.emails | self.phones | self.accounts
        return frozenset(
            value.strip().casefold().encode() for value in values if len(value.strip()) >= _LONG
        )


def _email(value: str) -> str:
    return "".join(
        rf"\s*{re.escape(sign)}\s*" if sign in "@." else re.escape(sign)
        for sign in "".join(value.split()).casefold()
    )


def _accounts(values: Iterable[str]) -> Iterator[str]:
    for value in values:
        plain = "".join(words_of(value))
        if len(plain) >= _LONG:
            yield GAP.join(plain)


def _phones(values: Iterable[str]) -> Iterator[str]:
    for value in values:
        digits = re.sub(r"\D", "", value)
        if len(digits) < _SIGNIFICANT_DIGITS - 2:
            continue
        # Written with and without the country's code, so the end of it counts.
        yield rf"(?:\d{GAP}){{0,7}}?{GAP.join(digits[-_SIGNIFICANT_DIGITS:])}(?!\d)"


def _names(values: Iterable[str], vocabulary: frozenset[str]) -> Iterator[str]:
    for value in values:
        words = words_of(value)
        if len("".join(words)) < 2:
            continue
        for order in (words, words[::-1]):
            whole = GAP.join(map(re.escape, order))
            yield f"{NOT_AFTER_WORD}{whole}{NOT_BEFORE_WORD}"
            if len(words) > 1 and len("".join(words)) >= _LONG:
                # Also inside a longer word, as in an address or the name of a file.
                yield whole
        for word in words if len(words) > 1 else ():
            if _names_somebody(word) and word not in vocabulary:
                yield f"{NOT_AFTER_WORD}{re.escape(word)}{NOT_BEFORE_WORD}"


def _names_somebody(word: str) -> bool:
    return len(word) >= 4 and not word.isdecimal() and word not in _GENERIC
