"""Every move of every state machine of payments, allowed or refused."""

from enum import StrEnum
from itertools import product
from typing import Any

import pytest

from kobatela.kernel.errors import InvalidState
from payments.models import (
    Chargeback,
    ChargebackStatus,
    Difference,
    DifferenceStatus,
    EventStatus,
    Funding,
    FundingStatus,
    FundsMove,
    FundsMoveStatus,
    Payment,
    PaymentStatus,
    PspEvent,
)

PAYMENT_MOVES = {
    ("PENDING", "SENT"),
    ("SENT", "SETTLED"),
    ("SENT", "ERROR"),
    ("ERROR", "PENDING"),
    ("ERROR", "SENT"),
    ("SETTLED", "REFUNDED"),
    ("PENDING", "CANCELLED"),
    ("ERROR", "CANCELLED"),
    ("CANCELLED", "SENT"),
}
FUNDING_MOVES = {("CREATED", "SUCCEEDED"), ("CREATED", "FAILED"), ("FAILED", "SUCCEEDED")}
EVENT_MOVES = {
    ("RECEIVED", "WAITING"),
    ("RECEIVED", "PROCESSED"),
    ("RECEIVED", "IGNORED"),
    ("RECEIVED", "FAILED"),
    ("WAITING", "PROCESSED"),
    ("WAITING", "FAILED"),
    ("FAILED", "WAITING"),
    ("FAILED", "PROCESSED"),
    ("FAILED", "IGNORED"),
}
DIFFERENCE_MOVES = {
    ("WATCHED", "OPEN"),
    ("WATCHED", "CLOSED"),
    ("OPEN", "ACCEPTED"),
    ("OPEN", "CLOSED"),
    ("ACCEPTED", "OPEN"),
    ("ACCEPTED", "CLOSED"),
}
CHARGEBACK_MOVES = {("OPEN", "WON"), ("OPEN", "LOST")}
FUNDS_MOVES = {("WAITING", "BOOKED"), ("WAITING", "REJECTED")}


@pytest.mark.parametrize(
    ("model", "states", "moves"),
    [
        (Payment, PaymentStatus, PAYMENT_MOVES),
        (Funding, FundingStatus, FUNDING_MOVES),
        (PspEvent, EventStatus, EVENT_MOVES),
        (Difference, DifferenceStatus, DIFFERENCE_MOVES),
        (Chargeback, ChargebackStatus, CHARGEBACK_MOVES),
        (FundsMove, FundsMoveStatus, FUNDS_MOVES),
    ],
)
def test_states_move_only_where_the_table_says(
    model: type[Any],
    states: type[StrEnum],
    moves: set[tuple[str, str]],
) -> None:
    assert set(model.TRANSITIONS) == set(states)
    for before, after in product(states, states):
        row = model(pk=1, status=before)
        if (before, after) in moves:
            row.transition_to(after)
            assert row.status == after
        else:
            with pytest.raises(InvalidState):
                row.transition_to(after)
            assert row.status == before
