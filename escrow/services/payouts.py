"""What becomes of an escrow's payments: the milestones follow. The PaymentHandlers of payments."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from audit.actions import Action
from escrow import selectors
from escrow.models import MilestoneStatus
from escrow.services.journal import Acting, move_milestone

_BY_PAYMENT = Acting("system:payments")


class EscrowPayouts:
    """Moves a milestone along with its payout; a payout of the rest has none."""

    def lock_owner(self, escrow_id: int, milestone_id: int | None) -> None:
        """Lock the escrow, then the milestone, before payments takes any lock."""
        selectors.lock_escrow(escrow_id)
        if milestone_id is not None:
            selectors.lock_milestone(milestone_id)

    def sent(self, payment: Any) -> None:
        """The PSP call has begun."""
        _follow(payment, MilestoneStatus.PAYING, Action.MILESTONE_PAYING)

    def settled(self, payment: Any) -> None:
        """The PSP confirmed that the money arrived."""
        _follow(payment, MilestoneStatus.PAID, Action.MILESTONE_PAID, event="milestone.paid")

    def failed(self, payment: Any) -> None:
        """The payout definitely failed; it can be tried again."""
        _follow(payment, MilestoneStatus.APPROVED, Action.MILESTONE_PAYOUT_FAILED)

    def returned(self, payment: Any) -> None:
        """The money came back after it had arrived."""
        _follow(
            payment,
            MilestoneStatus.APPROVED,
            Action.MILESTONE_PAYOUT_RETURNED,
            event="milestone.payout_returned",
        )

    def paid_after_all(self, payment: Any) -> int:
        """Nobody takes a payout back."""
        return 0


class EscrowRefunds:
    """Follows refunds. The escrow counted the money as given back when the refund was requested,
    paid or on its way, so nothing of it changes while a refund moves to its end."""

    def lock_owner(self, escrow_id: int, milestone_id: int | None) -> None:
        """Lock the escrow before payments takes any lock."""
        selectors.lock_escrow(escrow_id)

    def sent(self, payment: Any) -> None:
        """The PSP call has begun."""

    def settled(self, payment: Any) -> None:
        """The client has the money."""

    def failed(self, payment: Any) -> None:
        """The refund definitely failed; it stays owed to the client and can be tried again."""

    def returned(self, payment: Any) -> None:
        """The money came back; it stays owed to the client."""

    def paid_after_all(self, payment: Any) -> int:
        """Nobody takes a refund back."""
        return 0


@transaction.atomic(savepoint=False)
def _follow(
    payment: Any, target: MilestoneStatus, action: Action, *, event: str | None = None
) -> None:
    if payment.milestone_id is None:
        return
    escrow = selectors.lock_escrow(payment.escrow_id)
    milestone = selectors.lock_milestone(payment.milestone_id)
    told: Mapping[str, Any] = {"payment_id": payment.pk}
    move_milestone(escrow, milestone, target, action, _BY_PAYMENT, event=event, **told)
