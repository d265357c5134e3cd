"""Texts in the one form in which values are looked for, and the way back to where they stood."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

# Letters of their own that Unicode takes apart into nothing, as keyboards without them write them:
# French, the Nordic languages, Polish, Turkish, and those of West Africa.
_OTHER_LETTERS = {
    "œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ħ": "h",
    "ŋ": "n", "ɲ": "n", "ɓ": "b", "ɗ": "d", "ɖ": "d", "ɛ": "e", "ɔ": "o", "ƙ": "k", "ƴ": "y",
    "ƒ": "f", "\N{LATIN SMALL LETTER DOTLESS I}": "i", "\N{LATIN SMALL LETTER GAMMA}": "g",
    "\N{LATIN SMALL LETTER V WITH HOOK}": "v",
}  # fmt: skip
NOT_AFTER_WORD = r"(?<![^\W_])"
WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Folded:
    """`text` is `original` in lower case, without accents, marks and invisible characters.

    `places[n]` is where in the original its n-th character comes from.
    """

    original: str
    text: str
    places: tuple[int, ...]

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """Where in the original the characters from `start` to before `end` stand."""
        return self.places[start], self.places[end - 1] + 1

    def is_capital_at(self, start: int) -> bool:
        """Whether the character at `start` is a capital in the original."""
        return self.original[self.places[start]].isupper()


@dataclass(frozen=True, slots=True)
class Compact:
    """Only the letters and figures of a folded text, and where in it each of them stands."""

    text: str
    places: tuple[int, ...]

    @classmethod
    def of(cls, folded: Folded) -> "Compact":
        """Leave out all else: spaces, signs, ends of lines."""
        kept = [(sign, place) for place, sign in enumerate(folded.text) if sign.isalnum()]
        return cls("".join(sign for sign, _ in kept), tuple(place for _, place in kept))

    def places_of(self, value: str) -> Iterator[tuple[int, int]]:
        """Where `value` begins here, and where in the folded text it ends."""
        start = self.text.find(value)
        while start >= 0:
            yield start, self.places[start + len(value) - 1] + 1
            start = self.text.find(value, start + len(value))

    def digits_before(self, start: int, at_most: int) -> int:
        """How far back from `start` figures go."""
        first = start
        while first > 0 and start - first < at_most and self.text[first - 1].isdecimal():
            first -= 1
        return first


def fold(text: str) -> Folded:
    """Fold a text: ``AÏSSATOU``, also in full-width letters, is ``aissatou``."""
    characters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        for folded in _folded(character):
            characters.append(folded)
            places.append(place)
    return Folded(text, "".join(characters), tuple(places))


def words_of(text: str) -> list[str]:
    """The words of a text, folded."""
    return WORD.findall(fold(text).text)


def _folded(character: str) -> Iterator[str]:
    if character.isascii():
        yield character.lower()
        return
    for part in unicodedata.normalize("NFKD", character):
        category = unicodedata.category(part)
        if category in {"Mn", "Cf"}:
            continue
        if category == "Nd":
            yield str(unicodedata.digit(part))
            continue
        small = part.casefold()
        yield from _OTHER_LETTERS.get(small, small)
