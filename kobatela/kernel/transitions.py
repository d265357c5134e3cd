"""Moves of state go through an explicit table, and through here."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from kobatela.kernel import trace
from kobatela.kernel.errors import InvalidState

State = TypeVar("State", bound=StrEnum)
Table = Mapping[State, frozenset[State]]


def check_transition(table: Table[State], current: State, target: State, *, subject: str) -> None:
    """Raise InvalidState unless `table` lets `subject` move from `current` to `target`."""
    if target not in table[current]:
        raise InvalidState(
            f"It is {current} and cannot become {target}.", current=current, wanted=target
        )
    trace.report_state(subject, current, target)
