"""What becomes of payments to merchants and payees. The PaymentHandlers of payments."""

from collections.abc import Callable
from typing import Any

from audit.actions import Action
from escrow import selectors as escrow_selectors
from escrow.services import spends
from spend.models import Purchase, Spending
from spend.services import purchases, spendings

_ACTOR = "system:payments"


class SpendPayments:
    """Tells of payments of one kind: arrived, failed, come back.

    The money stays the recipient's through all of it. A payment that failed waits to be executed
    again, or for a refund of its purchase; one that came back has a successor that waits
    likewise. So no state of a purchase changes here, and no limit.
    """

    def __init__(self, tell: Callable[[int, str], None], words: dict[str, Action]) -> None:
        self._tell, self._words = tell, words

    def lock_owner(self, escrow_id: int, milestone_id: int | None) -> None:
        """Lock the escrow before payments takes any lock."""
        escrow_selectors.lock_escrow(escrow_id)

    def sent(self, payment: Any) -> None:
        """The PSP call has begun."""

    def settled(self, payment: Any) -> None:
        """The recipient has the money."""
        self._happened(payment, "settled")

    def failed(self, payment: Any) -> None:
        """It definitely failed."""
        self._happened(payment, "failed")

    def returned(self, payment: Any) -> None:
        """The money came back after it had arrived."""
        self._happened(payment, "returned")

    def paid_after_all(self, payment: Any) -> int:
        """What was put back is spent again, as far as it is still free. The purchase, or the
        payment to the payee, stays given back, and its limits with it."""
        return spends.spend_after_all(payment)

    def _happened(self, payment: Any, what: str) -> None:
        number = int(payment.origin.partition(":")[2])
        self._tell(number, self._words[what])


def _tell_purchase(number: int, action: str) -> None:
    event = "purchase.paid" if action == Action.PURCHASE_PAID else None
    purchase = Purchase.objects.get(pk=number)
    purchases.tell(purchase, Action(action), _ACTOR, event=event)


def _tell_spending(number: int, action: str) -> None:
    spendings.tell(Spending.objects.get(pk=number), Action(action), _ACTOR)


def purchase_payments() -> SpendPayments:
    """The handler of payments to merchants."""
    return SpendPayments(
        _tell_purchase,
        {
            "settled": Action.PURCHASE_PAID,
            "failed": Action.PURCHASE_PAYOUT_FAILED,
            "returned": Action.PURCHASE_PAYOUT_RETURNED,
        },
    )


def spend_payments() -> SpendPayments:
    """The handler of payments to payees."""
    return SpendPayments(
        _tell_spending,
        {
            "settled": Action.SPENDING_PAID,
            "failed": Action.SPENDING_PAYOUT_FAILED,
            "returned": Action.SPENDING_PAYOUT_RETURNED,
        },
    )
