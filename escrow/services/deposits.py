"""Money reported in: by a party, by support, by a PSP."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from audit.actions import Action
from audit.services.jobs import Heartbeat, count_changed
from escrow import rules, selectors
from escrow.models import Deposit, DepositStatus, Escrow, EscrowStatus
from escrow.rules import Standing
from escrow.services.amounts import AmountIn
from escrow.services.announcements import fail_announced
from escrow.services.approvals import missing_approval
from escrow.services.exposure import take_exposure
from escrow.services.journal import (
    Acting,
    Said,
    keep_note,
    move_escrow,
    record,
    record_deposit,
    save_escrow,
)
from escrow.services.results import DepositResult
from kobatela.accounts.services.approvals import withdraw
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.kernel.crashpoints import crashpoint
from kobatela.kernel.errors import InvalidState
from kobatela.kernel.money import Money
from payments.services import receipts

PENDING_FOR = timedelta(days=14)
# What support confirms came in over an account without an API.
MANUAL_SOURCE = "psp:manual"
_BY_JOB = Acting("system:deposits")
_AT_ONCE = 500


@transaction.atomic(savepoint=False)
def report_deposit(*, caller: Caller, escrow_id: int, amount_in: AmountIn) -> Escrow:
    """Record a deposit; the confirmed one that completes the total funds the escrow.

    It is confirmed at once only with a key that may confirm deposits and within its limit: the
    money is then with the key's user (`collector:<user>`). Otherwise it waits, and funds nothing.

    Raises EscrowNotFound, EscrowRoleForbidden, EscrowClosed, InvalidState (disputed),
    EscrowOverFunded and ValidationFailed.
    """
    escrow = selectors.lock_visible_escrow(caller, escrow_id)
    amount_minor = amount_in(escrow.currency)
    rules.DEPOSIT.check(Standing(escrow, caller, clock.now()))
    rules.require_room(escrow, amount_minor)
    by = Acting.of(caller)
    collector = _collector(caller, escrow, amount_minor)
    deposit = add_deposit(
        escrow=escrow,
        amount_minor=amount_minor,
        by=by,
        source=f"collector:{collector}" if collector is not None else "",
        key_id=caller.key_id if collector is not None else None,
    )
    if deposit.source:
        book(escrow=escrow, deposit=deposit, by=by)
    else:
        record_deposit(escrow, deposit, Action.DEPOSIT_REPORTED, by)
    return escrow


def add_deposit(
    *,
    escrow: Escrow,
    amount_minor: int,
    by: Acting,
    source: str = "",
    charge_ref: str = "",
    key_id: int | None = None,
) -> Deposit:
    """Add the row of a deposit on a locked escrow: confirmed when it has a source, else pending."""
    now = clock.now()
    return Deposit.objects.create(
        escrow=escrow,
        amount_minor=amount_minor,
        currency=escrow.currency,
        status=DepositStatus.CONFIRMED if source else DepositStatus.PENDING,
        source=source,
        charge_ref=charge_ref,
        reported_by=by.actor,
        key_id=key_id,
        created_at=now,
        updated_at=now,
    )


def book(*, escrow: Escrow, deposit: Deposit, by: Acting) -> None:
    """Book a confirmed deposit into the ledger and the totals of its locked escrow, and save it."""
    receipts.book_receipt(
        escrow_id=escrow.pk,
        source=deposit.source,
        money=Money(deposit.amount_minor, deposit.currency),
        business_key=deposit.reference,
    )
    escrow.funded_minor += deposit.amount_minor
    if deposit.source.startswith("psp:") and escrow.psp_hold_ends_at is None:
        hold = timedelta(days=settings.KOBATELA_PSP_HOLD_DAYS)
        escrow.psp_hold_ends_at = clock.now() + hold
    missing_minor = rules.missing_minor(escrow)
    is_full = missing_minor == 0
    is_complete = is_full and escrow.status == EscrowStatus.DRAFT
    before = move_escrow(escrow, EscrowStatus.FUNDED) if is_complete else escrow.status
    save_escrow(escrow, "status", "funded_minor", "psp_hold_ends_at")
    record_deposit(escrow, deposit, Action.DEPOSIT_CONFIRMED, by, funded_minor=escrow.funded_minor)
    reason = "escrow_full" if is_full else "beyond_need"
    fail_announced(escrow, by, reason=reason, above_minor=missing_minor)
    if is_complete:
        record(
            escrow,
            Action.ESCROW_FUNDED,
            by,
            event="escrow.funded",
            before=before,
            funded_minor=escrow.funded_minor,
            currency=escrow.currency,
        )


@transaction.atomic(savepoint=False)
def confirm_deposit(*, caller: Caller, escrow_id: int, deposit_id: int) -> DepositResult:
    """Confirm that the money of a pending deposit has arrived; above a figure two people must.

    Raises EscrowNotFound, DepositNotFound, EscrowRoleForbidden, OwnEscrowForbidden, EscrowClosed,
    InvalidState and EscrowOverFunded.
    """
    escrow, deposit = _lock(caller, escrow_id, deposit_id)
    rules.CONFIRM_DEPOSIT.check(_standing(caller, escrow, deposit))
    rules.require_room(escrow, deposit.amount_minor)
    missing = missing_approval(
        caller=caller,
        command=rules.CONFIRM_DEPOSIT.name,
        escrow=escrow,
        amount_minor=deposit.amount_minor,
        figures={"amount_minor": deposit.amount_minor},
        subject=deposit.reference,
    )
    if missing is None:
        confirm(escrow=escrow, deposit=deposit, source=MANUAL_SOURCE, by=Acting.of(caller))
    return DepositResult(deposit, missing)


def confirm(
    *, escrow: Escrow, deposit: Deposit, source: str, by: Acting, charge_ref: str = ""
) -> None:
    """Make a pending deposit of a locked escrow CONFIRMED and book it."""
    deposit.transition_to(DepositStatus.CONFIRMED)
    deposit.source = source
    deposit.charge_ref = charge_ref
    deposit.updated_at = clock.now()
    deposit.save(update_fields=["status", "source", "charge_ref", "updated_at"])
    if source != MANUAL_SOURCE:
        # It came by another way than through support, where one person waited for a second.
        withdraw(actor=by.actor, subject=deposit.reference, note="The PSP reported the money.")
    book(escrow=escrow, deposit=deposit, by=by)


@transaction.atomic(savepoint=False)
def reject_deposit(
    *, caller: Caller, escrow_id: int, deposit_id: int, note: str = ""
) -> DepositResult:
    """Say that the money of a pending deposit never came; a first approval is withdrawn.

    Raises EscrowNotFound, DepositNotFound, EscrowRoleForbidden, OwnEscrowForbidden, InvalidState.
    """
    escrow, deposit = _lock(caller, escrow_id, deposit_id)
    rules.REJECT_DEPOSIT.check(_standing(caller, escrow, deposit))
    told = keep_note(
        escrow=escrow, command=rules.REJECT_DEPOSIT.name, said=Said(note), caller=caller
    )
    by = Acting.of(caller)
    withdraw(actor=by.actor, subject=deposit.reference, note=note)
    _fail(escrow, deposit, Action.DEPOSIT_REJECTED, by, **told)
    return DepositResult(deposit)


def expire_deposits(heartbeat: Heartbeat) -> dict[str, Any]:
    """The job: pending deposits that nobody confirmed for 14 days fail, each by itself."""
    escrow_of = selectors.deposits_waiting_since(clock.now() - PENDING_FOR, _AT_ONCE)
    expired = count_changed(lambda each: _expire(escrow_of[each], each), [*escrow_of], heartbeat)
    return {"expired": expired}


@transaction.atomic
def _expire(escrow_id: int, deposit_id: int) -> bool:
    escrow = selectors.lock_escrow(escrow_id)
    deposit = selectors.lock_deposit(escrow, deposit_id)
    is_waiting = deposit.status == DepositStatus.PENDING
    if is_waiting:
        withdraw(actor=_BY_JOB.actor, subject=deposit.reference, note="It expired.")
        _fail(escrow, deposit, Action.DEPOSIT_EXPIRED, _BY_JOB)
    crashpoint("deposit.expiry_written")
    return is_waiting


def _collector(caller: Caller, escrow: Escrow, amount_minor: int) -> int | None:
    """The user who collected the money, when this key may say so of this amount."""
    if not caller.may_confirm_deposits or caller.on_behalf_of is not None:
        return None
    if caller.key_id is None or caller.user_id is None:
        return None
    is_within = take_exposure(
        key_id=caller.key_id, amount_minor=amount_minor, currency=escrow.currency
    )
    return caller.user_id if is_within else None


def _lock(caller: Caller, escrow_id: int, deposit_id: int) -> tuple[Escrow, Deposit]:
    escrow = selectors.lock_visible_escrow(caller, escrow_id)
    return escrow, selectors.lock_deposit(escrow, deposit_id)


def _standing(caller: Caller, escrow: Escrow, deposit: Deposit) -> Standing:
    """The rules ask whether any deposit waits; for a command that is the one it names."""
    waits = deposit.status == DepositStatus.PENDING
    if not waits:
        raise InvalidState(f"The deposit is {deposit.status}.", current=str(deposit.status))
    return Standing(escrow, caller, clock.now(), pending_deposits=1)


def _fail(escrow: Escrow, deposit: Deposit, action: Action, by: Acting, **told: Any) -> None:
    deposit.transition_to(DepositStatus.FAILED)
    deposit.updated_at = clock.now()
    deposit.save(update_fields=["status", "updated_at"])
    record_deposit(escrow, deposit, action, by, **told)
