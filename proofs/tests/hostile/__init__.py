"""Hostile files of our own making: the same ones each time, as many as are asked for.

Kinds alternate, so that a short run meets all of them; those that cost a child much time come last.
"""

import itertools
import random
from collections.abc import Iterator, Sequence

from proofs.tests.hostile.base import Hostile
from proofs.tests.hostile.documents import (
    active_documents,
    bombs,
    heavy_documents,
    looped_documents,
    wounded_documents,
    xml_attacks,
)
from proofs.tests.hostile.names import hostile_names
from proofs.tests.hostile.pictures import (
    bad_exif,
    cut_pictures,
    heavy_pictures,
    huge_pictures,
    polyglots,
    wounded_pictures,
    wrong_types,
)

__all__ = ["Hostile", "hostile_files"]
SEED = 20261126


def hostile_files(count: int, *, heavy: bool) -> list[Hostile]:
    """`count` files; with `heavy` those among them that take a child to its limits."""
    last = [*heavy_documents(), *heavy_pictures()] if heavy else []
    return [*itertools.islice(_alternating(_kinds()), count - len(last)), *last]


def _kinds() -> Sequence[Iterator[Hostile]]:
    chance = random.Random(SEED)  # noqa: S311 - the same files each time
    return [
        hostile_names(),
        polyglots(),
        wrong_types(),
        active_documents(),
        looped_documents(),
        xml_attacks(),
        bombs(),
        huge_pictures(),
        bad_exif(chance),
        cut_pictures(chance),
        wounded_pictures(chance),
        wounded_documents(chance),
    ]


def _alternating(kinds: Sequence[Iterator[Hostile]]) -> Iterator[Hostile]:
    """One of each kind in turn, until every kind has ended."""
    left = list(kinds)
    while left:
        for kind in list(left):
            file = next(kind, None)
            if file is None:
                left.remove(kind)
            else:
                yield file
