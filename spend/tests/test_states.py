"""Every move of every state machine, allowed or not: the full square."""

from itertools import product

import pytest

from kobatela.kernel.errors import InvalidState
from spend.models import Mandate, MandateStatus, Purchase, PurchaseStatus

M = MandateStatus
MANDATE_MOVES = {
    (M.ACTIVE, M.CONSUMED),
    (M.ACTIVE, M.EXPIRED),
    (M.ACTIVE, M.REVOKED),
    (M.CONSUMED, M.ACTIVE),
    (M.CONSUMED, M.REVOKED),
}
P = PurchaseStatus
PURCHASE_MOVES = {
    (P.COMPLETED, P.REFUND_PENDING),
    (P.COMPLETED, P.REFUNDED),
    (P.REFUND_PENDING, P.COMPLETED),
    (P.REFUND_PENDING, P.REFUNDED),
}


@pytest.mark.parametrize(("before", "after"), list(product(M, M)))
def test_a_mandate_moves_only_where_its_table_says(
    before: MandateStatus, after: MandateStatus
) -> None:
    mandate = Mandate(pk=1, status=before)
    if (before, after) in MANDATE_MOVES:
        mandate.transition_to(after)
        assert mandate.status == after
    else:
        with pytest.raises(InvalidState):
            mandate.transition_to(after)
        assert mandate.status == before


@pytest.mark.parametrize(("before", "after"), list(product(P, P)))
def test_a_purchase_moves_only_where_its_table_says(
    before: PurchaseStatus, after: PurchaseStatus
) -> None:
    purchase = Purchase(pk=1, status=before)
    if (before, after) in PURCHASE_MOVES:
        purchase.transition_to(after)
        assert purchase.status == after
    else:
        with pytest.raises(InvalidState):
            purchase.transition_to(after)
        assert purchase.status == before
