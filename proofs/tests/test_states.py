"""Every state of a proof has a row in its table, and moves go only where the table says."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from itertools import product
from typing import Any

import pytest

from kobatela.kernel.errors import InvalidState
from proofs.models import Proof
from proofs.states import Derivative, Processing, ProofStatus

MACHINES: list[tuple[type[StrEnum], Mapping[Any, frozenset[Any]], str, Callable[..., None]]] = [
    (ProofStatus, Proof.TRANSITIONS, "status", Proof.transition_to),
    (Processing, Proof.PROCESSING, "processing", Proof.processing_to),
    (Derivative, Proof.DERIVATIVE, "derivative", Proof.derivative_to),
]
SQUARES = [
    (field, move, table, before, after)
    for states, table, field, move in MACHINES
    for before, after in product(states, repeat=2)
]


@pytest.mark.parametrize(("states", "table"), [(item[0], item[1]) for item in MACHINES])
def test_every_state_has_a_row(states: type[StrEnum], table: Mapping[Any, frozenset[Any]]) -> None:
    assert set(table) == set(states)


@pytest.mark.parametrize(("field", "move", "table", "before", "after"), SQUARES)
def test_moves_go_only_where_the_table_says(
    field: str,
    move: Callable[..., None],
    table: Mapping[Any, frozenset[Any]],
    before: StrEnum,
    after: StrEnum,
) -> None:
    proof = Proof(pk=1, **{field: before})

    if after in table[before]:
        move(proof, after)
        assert getattr(proof, field) == after
    else:
        with pytest.raises(InvalidState):
            move(proof, after)
        assert getattr(proof, field) == before


def test_a_decision_is_final() -> None:
    assert Proof.TRANSITIONS[ProofStatus.APPROVED] == frozenset()
    assert Proof.TRANSITIONS[ProofStatus.REJECTED] == frozenset()


def test_a_proof_is_decided_once_it_is_done_or_has_failed_only() -> None:
    ends = {state for state, onward in Proof.PROCESSING.items() if not onward}
    assert ends == {Processing.DONE}
