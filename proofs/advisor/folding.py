"""Texts in the one form in which values are looked for, and the way back to where they stood."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

# What may stand between the characters of one value: spaces, dots, dashes, slashes, line ends.
GAP = r"[\W_]{0,4}"
NOT_AFTER_WORD = r"(?<![^\W_])"
NOT_BEFORE_WORD = r"(?![^\W_])"


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
    return re.findall(r"[^\W_]+", fold(text).text)


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
        yield from part.casefold()
