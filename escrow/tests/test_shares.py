"""How a refund is cut into shares."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from escrow.errors import InsufficientEscrowBalance
from escrow.models import Deposit, DepositStatus
from escrow.shares import Share, allocate


def a_deposit(pk: int, amount_minor: int, refunded_minor: int = 0) -> Deposit:
    return Deposit(
        pk=pk,
        amount_minor=amount_minor,
        currency="EUR",
        refunded_minor=refunded_minor,
        status=DepositStatus.CONFIRMED,
    )


def of_deposits(shares: list[Share]) -> list[tuple[Deposit, int]]:
    """Each share with the deposit that it has."""
    found = [(share.deposit, share.amount_minor) for share in shares if share.deposit is not None]
    assert len(found) == len(shares)
    return found


def cut(deposits: list[Deposit], amount_minor: int) -> list[tuple[int, int]]:
    return [(deposit.pk, part) for deposit, part in of_deposits(allocate(deposits, amount_minor))]


def test_the_newest_deposit_goes_back_first() -> None:
    assert cut([a_deposit(1, 100), a_deposit(2, 50)], 60) == [(2, 50), (1, 10)]


def test_what_was_refunded_before_is_not_there_any_more() -> None:
    assert cut([a_deposit(1, 100), a_deposit(2, 50, 50)], 60) == [(1, 60)]


def test_more_than_the_deposits_hold_is_refused() -> None:
    with pytest.raises(InsufficientEscrowBalance):
        allocate([a_deposit(1, 100)], 101)


@given(
    st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 1000)), min_size=1, max_size=8),
    st.data(),
)
def test_shares_add_up_and_none_is_more_than_its_deposit(
    rows: list[tuple[int, int]], data: st.DataObject
) -> None:
    deposits = [
        a_deposit(pk, amount, min(amount, refunded)) for pk, (amount, refunded) in enumerate(rows)
    ]
    there = sum(deposit.amount_minor - deposit.refunded_minor for deposit in deposits)
    wanted = data.draw(st.integers(0, there))
    shares = allocate(deposits, wanted)
    assert sum(share.amount_minor for share in shares) == wanted
    assert all(
        0 < part <= deposit.amount_minor - deposit.refunded_minor
        for deposit, part in of_deposits(shares)
    )
    assert len({deposit.pk for deposit, _ in of_deposits(shares)}) == len(shares)
