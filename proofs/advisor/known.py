"""The people and accounts that an escrow knows, found in a text however they are written."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from proofs.advisor.folding import WORD, Compact, Folded, fold, words_of
from proofs.advisor.name_words import BEFORE_NAMES, GENERIC, ORDINARY
from proofs.checks.sameness import LEGAL_FORMS
from proofs.masking import is_iban

_LONG = 8
_SHORTEST = 6
_SIGNIFICANT_DIGITS = 8
_COUNTRY_DIGITS = 7
# The country and the check digits of an IBAN; what follows is the account as its bank writes it.
_IBAN_HEAD = 4
_SHORTEST_PART = 4
_SHORTEST_SHORT = 2


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

    def find(self, folded: Folded) -> Iterator[tuple[int, int, Kind]]:
        """Where they stand in a folded text, and what they are; the finds may overlap.

        Looked for as plain texts, in time that grows with the length of the text: a pattern for
        each value would let one hostile document hold up a worker.
        """
        compact = Compact.of(folded)
        for kind, value in self._unspaced:
            for start, stop in compact.places_of(value):
                reach = _COUNTRY_DIGITS if kind is Kind.PHONE else 0
                yield compact.places[compact.digits_before(start, reach)], stop, kind
        words = list(WORD.finditer(folded.text))
        for place, word in enumerate(words):
            for wanted in self._words.get(word.group(), ()):
                found = words[place : place + len(wanted)]
                if tuple(item.group() for item in found) == wanted:
                    yield word.start(), found[-1].end(), Kind.NAME
            if word.group() in self._short:
                before = words[place - 1].group() if place else ""
                if before in BEFORE_NAMES or folded.is_capital_at(word.start()):
                    yield word.start(), word.end(), Kind.NAME

    @cached_property
    def _unspaced(self) -> tuple[tuple[Kind, str], ...]:
        """What is found however it is spaced: letters and figures only."""
        found = {
            *((Kind.EMAIL, _plain(value)) for value in self.emails),
            *((Kind.IBAN, form) for value in self.accounts for form in _account_forms(value)),
            # Written with and without the country's code, so the end of it counts.
            *((Kind.PHONE, _digits(value)[-_SIGNIFICANT_DIGITS:]) for value in self.phones),
            *((Kind.NAME, "".join(order)) for name in self.names for order in _orders(name)),
        }
        shortest = {Kind.NAME: _LONG}
        return tuple(
            sorted(item for item in found if len(item[1]) >= shortest.get(item[0], _SHORTEST))
        )

    @cached_property
    def _words(self) -> dict[str, list[tuple[str, ...]]]:
        """Names, and parts of names, as whole words, by the first of them."""
        wanted = {order for name in self.names for order in _orders(name) if _is_name(order)}
        wanted |= {
            (word,)
            for name in self.names
            if len(words_of(name)) > 1
            for word in words_of(name)
            if _names_somebody(word) and word not in self.vocabulary
        }
        by_first: dict[str, list[tuple[str, ...]]] = {}
        for words in sorted(wanted):
            by_first.setdefault(words[0], []).append(words)
        return by_first

    @cached_property
    def _short(self) -> frozenset[str]:
        """Parts of people's names of two and three letters: Sow, Bâ, Sy.

        They are words of other languages too, so only a capital or what stands before tells.
        """
        return frozenset(
            word
            for name in self.names
            if len(words := words_of(name)) > 1 and not _is_firm(words)
            for word in words
            if _SHORTEST_SHORT <= len(word) < _SHORTEST_PART
            and word.isalpha()
            and word not in ORDINARY
            and word not in self.vocabulary
        )

    @cached_property
    def plain(self) -> frozenset[bytes]:
        """The longer values as bytes, for looking into what is no text."""
        values = self.names | self.emails | self.phones | self.accounts
        return frozenset(
            value.strip().casefold().encode() for value in values if len(value.strip()) >= _LONG
        )


def _plain(value: str) -> str:
    return "".join(words_of(value))


def _account_forms(value: str) -> Iterator[str]:
    """An account as it is, and as people write it at home: without the country, and where the
    bank's letters come first, without these too.
    """
    whole = _plain(value)
    yield whole
    if is_iban(whole):
        at_home = whole[_IBAN_HEAD:]
        yield at_home
        figures = at_home.lstrip("abcdefghijklmnopqrstuvwxyz")
        if len(figures) >= _SIGNIFICANT_DIGITS:
            yield figures


def _digits(value: str) -> str:
    return "".join(sign for sign in fold(value).text if sign.isdecimal())


def _orders(name: str) -> set[tuple[str, ...]]:
    """A name's words as they are and the other way round."""
    words = tuple(words_of(name))
    return {words, words[::-1]}


def _is_name(words: tuple[str, ...]) -> bool:
    return len("".join(words)) >= 2


def _names_somebody(word: str) -> bool:
    return len(word) >= _SHORTEST_PART and not word.isdecimal() and word not in GENERIC


def _is_firm(words: list[str]) -> bool:
    return any(word in GENERIC or word in LEGAL_FORMS for word in words)
