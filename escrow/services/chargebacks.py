"""What a charge that a payer's bank takes back does to the escrow that it funded.

What the escrow still holds of it is frozen; a won case frees it, a lost one takes it, and lowers
`funded`. What has been released or given back already is not asked back from those who have it.
"""

from collections.abc import Sequence
from typing import Any

from django.db import transaction

from audit.actions import Action
from escrow import selectors
from escrow.models import Deposit, Escrow, EscrowStatus, Milestone
from escrow.rules import OPEN_MILESTONE
from escrow.services.journal import Acting, record, save_escrow
from escrow.services.outcomes import settle
from kobatela.kernel import clock
from kobatela.kernel.money import Money
from payments import cases
from payments.hooks import Frozen
from payments.services.debts import SetOff

_ENDS_BY_ITSELF = frozenset({EscrowStatus.DRAFT, EscrowStatus.FUNDED})


class EscrowChargebacks:
    """Freezes and frees what escrows hold; the ChargebackHandler of payments."""

    @transaction.atomic(savepoint=False)
    def opened(self, case: Any) -> Frozen:
        """Freeze what the escrow still holds of the charge. A deadline that has passed and was
        not applied yet does not act first: it would give away what the bank is taking back."""
        escrow = selectors.lock_escrow(case.escrow_id)
        deposit = _deposit_of(case)
        if deposit is None:
            return Frozen(0, 0)
        disputed_minor = min(case.amount_minor, deposit.refundable_minor)
        frozen_minor = min(disputed_minor, escrow.available_minor)
        deposit.disputed_minor += disputed_minor
        _save_deposit(deposit, "disputed_minor")
        if frozen_minor:
            escrow.frozen_minor += frozen_minor
            _tell(escrow, case, Action.ESCROW_MONEY_FROZEN, "escrow.money_frozen", frozen_minor)
        return Frozen(disputed_minor, frozen_minor)

    @transaction.atomic(savepoint=False)
    def won(self, case: Any) -> None:
        """What was frozen is held as before."""
        escrow = selectors.lock_escrow(case.escrow_id)
        deposit = _deposit_of(case)
        if deposit is not None:
            deposit.disputed_minor -= case.disputed_minor
            _save_deposit(deposit, "disputed_minor")
        if case.frozen_minor:
            escrow.frozen_minor -= case.frozen_minor
            _tell(escrow, case, Action.ESCROW_MONEY_FREED, "escrow.money_freed", case.frozen_minor)
        _end_if_decided(escrow, case)

    @transaction.atomic(savepoint=False)
    def lost(self, case: Any) -> None:
        """What was frozen is gone, as if it had never come in."""
        escrow = selectors.lock_escrow(case.escrow_id)
        deposit = _deposit_of(case)
        if deposit is not None and case.frozen_minor:
            deposit.charged_back_minor += case.frozen_minor
            _save_deposit(deposit, "charged_back_minor")
            escrow.frozen_minor -= case.frozen_minor
            escrow.funded_minor -= case.frozen_minor
            _tell(
                escrow, case, Action.ESCROW_CHARGED_BACK, "escrow.charged_back", case.frozen_minor
            )
        _end_if_decided(escrow, case)


def parts_to_set_off(escrow: Escrow, money: Money) -> list[SetOff]:
    """How `money` that was spent and comes back pays what the client owes for lost chargebacks, or
    makes our loss good where that was written off.

    A charge that the bank took back lowers `funded` by no more than it brought; what the debt is
    above that was given back before, and is not this money's to pay. Changes nothing; the escrow
    must be locked.
    """
    parts: list[SetOff] = []
    room: dict[int, int] = {}
    left_minor = money.amount_minor
    for case in cases.lock_debts(escrow.pk, escrow.client_id, money.currency):
        deposit = _deposit_of(case)
        if deposit is None:
            continue
        lost_minor = deposit.disputed_minor - deposit.charged_back_minor
        room_minor = room.setdefault(deposit.pk, lost_minor)
        part_minor = min(left_minor, case.missing_minor, room_minor)
        if part_minor > 0:
            parts.append(SetOff(case, part_minor))
            room[deposit.pk] -= part_minor
            left_minor -= part_minor
    return parts


def take_set_off(escrow: Escrow, parts: Sequence[SetOff]) -> int:
    """Let the escrow and its deposits lose what was set off, as if it had never come in; how much.

    It was spent when the bank took it back, so that only now the escrow can do without it. The
    caller saves the escrow.
    """
    for part in parts:
        deposit = _deposit_of(part.case)
        assert deposit is not None, "a part was lost with a deposit"
        deposit.charged_back_minor += part.amount_minor
        _save_deposit(deposit, "charged_back_minor")
    taken_minor = sum(part.amount_minor for part in parts)
    escrow.funded_minor -= taken_minor
    return taken_minor


def _deposit_of(case: Any) -> Deposit | None:
    """The deposit that the charge was; None when the escrow could take nothing of it."""
    deposits = Deposit.objects.select_for_update(no_key=True).filter(escrow=case.escrow_id)
    found = deposits.filter(source=f"psp:{case.psp}", charge_ref=case.funding.psp_ref)
    return found.order_by().first()


def _save_deposit(deposit: Deposit, field: str) -> None:
    deposit.updated_at = clock.now()
    deposit.save(update_fields=[field, "updated_at"])


def _tell(escrow: Escrow, case: Any, action: Action, event: str, amount_minor: int) -> None:
    save_escrow(escrow)
    record(
        escrow,
        action,
        Acting(f"psp:{case.psp}"),
        event=event,
        amount_minor=amount_minor,
        frozen_minor=escrow.frozen_minor,
        funded_minor=escrow.funded_minor,
        currency=escrow.currency,
    )


def _end_if_decided(escrow: Escrow, case: Any) -> None:
    """An escrow whose last milestone was accepted meanwhile could not end with frozen money."""
    if escrow.status not in _ENDS_BY_ITSELF or escrow.frozen_minor:
        return
    milestones = Milestone.objects.filter(escrow=escrow)
    if milestones.exists() and not milestones.filter(status__in=OPEN_MILESTONE).exists():
        by = Acting(f"psp:{case.psp}")
        settle(escrow=escrow, status=EscrowStatus.RELEASED, release_minor=0, by=by)
