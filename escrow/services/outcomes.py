"""How an escrow ends or is frozen. Every way there, by a person or a deadline, leads through here.

The escrow must be locked. Money moves through the payments app only; the escrow's totals change
in the same transaction.
"""

from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet, Sum

from audit.actions import Action
from audit.services.alerts import AlertType, Severity, raise_alert
from escrow import hooks
from escrow.fees import fee_minor
from escrow.models import Deposit, DepositStatus, Escrow, EscrowStatus, Milestone, MilestoneStatus
from escrow.rules import OPEN_MILESTONE, held_minor, require_unfrozen
from escrow.selectors import milestones_of
from escrow.services.announcements import fail_announced
from escrow.services.exposure import give_back_exposure
from escrow.services.journal import Acting, move_escrow, move_milestone, record, save_escrow
from escrow.shares import allocate
from kobatela.accounts.services.approvals import withdraw
from kobatela.kernel import clock
from kobatela.kernel.money import Money
from payments import cases
from payments.services import payouts, refunds

if TYPE_CHECKING:
    from payments.models import Payment

_ENDINGS = {
    EscrowStatus.RELEASED: (Action.ESCROW_RELEASED, "escrow.released"),
    EscrowStatus.REFUNDED: (Action.ESCROW_REFUNDED, "escrow.refunded"),
    EscrowStatus.CANCELLED: (Action.ESCROW_CANCELLED, "escrow.cancelled"),
}


def settle(
    *,
    escrow: Escrow,
    status: EscrowStatus,
    release_minor: int,
    by: Acting,
    accepts_proofs: bool = False,
    **told: Any,
) -> None:
    """End the escrow as `status`: release `release_minor` of what is held, refund the rest.

    The release pays open milestones in sequence, as long as it covers them in full; what remains
    is one payment without milestone, and the other open milestones are cancelled.
    accepts_proofs: pending proofs of the milestones that are paid count as accepted.
    told: what the audit entry adds. Raises InsufficientEscrowBalance while money is frozen: an end
    decides about all that is held.
    """
    require_unfrozen(escrow)
    before = move_escrow(escrow, status)
    escrow.closed_at = clock.now()
    withdraw(actor=by.actor, subject=escrow.reference, note="The escrow has ended.")
    give_back_exposure(escrow)
    fail_announced(escrow, by, reason="escrow_closed")
    refund_minor = held_minor(escrow) - release_minor
    _release(escrow, release_minor, by, accepts_proofs=accepts_proofs)
    if refund_minor:
        refund(escrow, refund_minor, by, business_key=f"{escrow.reference}:close:refund")
    save_escrow(escrow)
    action, event = _ENDINGS[status]
    record(
        escrow,
        action,
        by,
        event=event,
        before=before,
        # All told, because milestones were paid on the way; and what this end itself decided.
        released_minor=escrow.released_minor,
        refunded_minor=escrow.refunded_minor,
        last_released_minor=release_minor,
        last_refunded_minor=refund_minor,
        currency=escrow.currency,
        **told,
    )
    hooks.evidence_handler().escrow_closed(escrow.pk, by.actor)


def freeze(*, escrow: Escrow, by: Acting, message: str, **told: Any) -> None:
    """Make the escrow DISPUTED: nothing moves until support resolves it. Alerts support.

    told: what the audit entry and the alert add.
    """
    before = move_escrow(escrow, EscrowStatus.DISPUTED)
    save_escrow(escrow)
    record(escrow, Action.ESCROW_DISPUTED, by, event="escrow.disputed", before=before, **told)
    raise_alert(
        type=AlertType.DISPUTE_OPENED,
        severity=Severity.WARNING,
        subject=escrow.reference,
        message=message,
        payload={"held_minor": held_minor(escrow), "currency": escrow.currency, **told},
        actor_user_id=by.user_id,
    )
    hooks.evidence_handler().escrow_disputed(escrow.pk, by.actor)


def pay(
    escrow: Escrow, milestone: Milestone | None, amount_minor: int, by: Acting, *, business_key: str
) -> "Payment":
    """Release money to the provider: the platform's fee is taken from it, its payout follows.

    The caller saves the escrow.
    """
    payment = payouts.request_payout(
        escrow_id=escrow.pk,
        milestone_id=milestone.pk if milestone else None,
        payer_id=escrow.client_id,
        payee_id=escrow.provider_id,
        money=Money(amount_minor, escrow.currency),
        fee_minor=fee_minor(amount_minor),
        business_key=business_key,
        actor=by.actor,
    )
    escrow.released_minor += amount_minor
    return payment


def refund(escrow: Escrow, amount_minor: int, by: Acting, *, business_key: str) -> None:
    """Give money back to the client, to the deposits it came from, newest first.

    The caller saves the escrow.
    """
    shares = allocate(_confirmed(escrow), amount_minor, _made_good_minor(escrow))
    now = clock.now()
    for share in shares:
        if share.deposit is None:
            continue
        share.deposit.refunded_minor += share.amount_minor
        share.deposit.updated_at = now
        share.deposit.save(update_fields=["refunded_minor", "updated_at"])
    refunds.request_refund(
        escrow_id=escrow.pk,
        client_id=escrow.client_id,
        shares=[
            refunds.RefundShare(
                money=Money(share.amount_minor, escrow.currency),
                source=share.source,
                charge_ref=share.charge_ref,
            )
            for share in shares
        ],
        business_key=business_key,
        actor=by.actor,
    )
    escrow.refunded_minor += amount_minor


def refundable_minor(escrow: Escrow) -> int:
    """What can go back to the client: what is left of the deposits, and what the client made good
    of what their bank took back of them. More may be held while they owe for that."""
    left_minor = sum(deposit.refundable_minor for deposit in _confirmed(escrow))
    return left_minor + _made_good_minor(escrow)


def _confirmed(escrow: Escrow) -> "QuerySet[Deposit]":
    return Deposit.objects.filter(escrow=escrow, status=DepositStatus.CONFIRMED)


def _made_good_minor(escrow: Escrow) -> int:
    """What the client made good and has not had back yet: that is in no deposit's total."""
    through_deposits = _confirmed(escrow).aggregate(total=Sum("refunded_minor"))["total"] or 0
    had_minor = escrow.refunded_minor - int(through_deposits)
    return max(0, cases.made_good_minor(escrow.pk) - had_minor)


def _release(escrow: Escrow, release_minor: int, by: Acting, *, accepts_proofs: bool) -> None:
    left_minor = release_minor
    is_covered = True
    for milestone in milestones_of(escrow):
        if milestone.status not in OPEN_MILESTONE:
            continue
        # In sequence: a later milestone is not paid before an earlier one.
        is_covered = is_covered and milestone.amount_minor <= left_minor
        if not is_covered:
            _cancel(escrow, milestone, by)
            continue
        _approve(escrow, milestone, by, accepts_proofs=accepts_proofs)
        left_minor -= milestone.amount_minor
    if left_minor:
        pay(escrow, None, left_minor, by, business_key=f"{escrow.reference}:close:rest")


def _approve(escrow: Escrow, milestone: Milestone, by: Acting, *, accepts_proofs: bool) -> None:
    had_pending_proof = milestone.status == MilestoneStatus.PENDING_REVIEW
    move_milestone(
        escrow,
        milestone,
        MilestoneStatus.APPROVED,
        Action.MILESTONE_APPROVED,
        by,
        event="milestone.released",
    )
    pay(
        escrow,
        milestone,
        milestone.amount_minor,
        by,
        business_key=f"{escrow.reference}:close:{milestone.reference}",
    )
    if had_pending_proof and accepts_proofs:
        hooks.evidence_handler().milestone_decided_by_client(escrow.pk, milestone.pk, by.actor)


def _cancel(escrow: Escrow, milestone: Milestone, by: Acting) -> None:
    move_milestone(escrow, milestone, MilestoneStatus.CANCELLED, Action.MILESTONE_CANCELLED, by)
