"""Money that a payer's bank takes back: frozen while that is open, free again or gone after it.

What the PSP says of a case moves it only forward. A case of whose end we hear first is opened and
closed at once, so that the order of the reports does not matter.
"""

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Sum

from audit.actions import Action
from audit.services import entries
from audit.services.alerts import AlertType, Severity, raise_alert
from kobatela.accounts.selectors import is_independent
from kobatela.accounts.services.approvals import ApprovalState, require_two
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.kernel.errors import InvalidState
from kobatela.kernel.money import Money
from payments import bells, cases, hooks, selectors
from payments.errors import ChargebackImpossible, OwnDebtForbidden
from payments.ledger import chart
from payments.ledger.chart import AccountRef, PostingCode
from payments.ledger.services import Leg, credit, debit, post
from payments.models import (
    Chargeback,
    ChargebackStatus,
    Funding,
    Hold,
    Payment,
    PaymentKind,
    PaymentStatus,
)
from payments.psp.base import Reason
from payments.services.fees import is_credible
from payments.services.kept import add_rest, hold_of_rest, keep
from payments.services.rows import put_on_hold, save, tell

WRITE_OFF_COMMAND = "write_off_debt"


@dataclass(frozen=True, slots=True)
class WriteOff:
    """A case, and how many people have said that its debt is lost."""

    case: Chargeback
    approvals: ApprovalState


@transaction.atomic
def record_chargeback(
    *,
    funding: Funding,
    psp_ref: str,
    state: ChargebackStatus,
    money: Money | None,
    actor: str,
    fee_minor: int | None = None,
) -> Chargeback:
    """Take what the PSP says of a case about a charge; again: no change. A case of another charge
    is left as it is, with an alert.

    The escrow and the funding, which has brought its money, must be locked. money: None for all
    that the charge brought. fee_minor: all that the PSP took for the case until now, None when it
    does not say. Raises ChargebackImpossible.
    """
    named = cases.find_case(funding.psp, psp_ref)
    if named is not None and named.funding_id != funding.pk:
        # Whose escrow is not locked here, so neither is the case.
        _alert_contradiction(named, reported_funding=funding.pk, reported=str(state))
        return named
    case = cases.lock_chargeback(funding.psp, psp_ref)
    if case is None:
        case = _open(funding, psp_ref, money or funding.received, actor)
    elif money is not None and money != case.money:
        _alert_contradiction(case, reported_minor=money.amount_minor, currency=money.currency)
        return case
    # A report from before the end tells less of the fee than the end did.
    is_late = state == ChargebackStatus.OPEN and case.status != ChargebackStatus.OPEN
    if fee_minor is not None and not is_late:
        _book_fee(case, fee_minor, actor)
    if state in {case.status, ChargebackStatus.OPEN}:
        _alert_if_another(case, state)
        return case
    if case.status != ChargebackStatus.OPEN:
        _alert_contradiction(case, reported=str(state))
    elif state == ChargebackStatus.WON:
        _win(case, actor)
    else:
        _lose(case, actor)
    return case


@transaction.atomic
def write_off(*, chargeback_id: int, caller: Caller) -> WriteOff:
    """Say that nobody will pay what a lost case left owing; the second person's word makes it a
    loss. Again: no change.

    Raises InvalidState for a case that left nothing (any more), OwnDebtForbidden for who has a
    stake in it, and ApprovalNeedsUser for a key that belongs to nobody.
    """
    case = Chargeback.objects.select_for_update(of=("self",), no_key=True).get(pk=chargeback_id)
    if case.written_off_at is not None:
        return WriteOff(case, ApprovalState(given=2, needed=2, granted=True))
    loss_minor = case.open_debt_minor
    if not loss_minor:
        raise InvalidState("Nothing is owed for this chargeback.")
    if not is_independent(caller, case.payer_id):
        raise OwnDebtForbidden
    state = require_two(
        caller=caller,
        command=WRITE_OFF_COMMAND,
        subject=case.reference,
        money=Money(loss_minor, case.currency),
        figures={},
    )
    if not state.granted:
        return WriteOff(case, state)
    case.written_off_at = clock.now()
    _save(case, "written_off_at")
    _post(
        case,
        "written_off",
        PostingCode.CHARGEBACK_WRITTEN_OFF,
        [
            debit(chart.chargeback_loss(), loss_minor),
            credit(chart.receivable(case.payer_id), loss_minor),
        ],
    )
    _tell(case, Action.CHARGEBACK_WRITTEN_OFF, caller.actor)
    return WriteOff(case, state)


def _open(funding: Funding, psp_ref: str, money: Money, actor: str) -> Chargeback:
    _check_possible(funding, money)
    now = clock.now()
    case = Chargeback.objects.create(
        funding=funding,
        escrow_id=funding.escrow_id,
        payer_id=funding.payer_id,
        psp=funding.psp,
        psp_ref=psp_ref,
        amount_minor=money.amount_minor,
        currency=money.currency,
        created_at=now,
        updated_at=now,
    )
    frozen = hooks.chargeback_handler().opened(case)
    case.disputed_minor, case.frozen_minor = frozen.disputed_minor, frozen.held_minor
    _save(case, "disputed_minor", "frozen_minor")
    _hold_payments(case)
    _move(case, "opened", PostingCode.CHARGEBACK_OPENED, _pending(case), chart.psp(case.psp))
    if case.frozen_minor:
        held = chart.escrow_held(case.escrow_id)
        _move(case, "frozen", PostingCode.CHARGEBACK_FROZEN, held, _frozen(case), frozen=True)
    _tell(case, Action.CHARGEBACK_OPENED, actor, event="chargeback.opened")
    _alert(
        case,
        AlertType.CHARGEBACK_OPENED,
        Severity.CRITICAL,
        "A payer's bank took a charge back; what is left of it is frozen. Answer it at the PSP.",
    )
    return case


def _check_possible(funding: Funding, money: Money) -> None:
    received = funding.received
    # What was won is back at the PSP, and may be taken again under another case.
    others = Chargeback.objects.filter(funding=funding).exclude(status=ChargebackStatus.WON)
    taken_minor = others.aggregate(sum=Sum("amount_minor"))["sum"] or 0
    if money.currency != received.currency or (
        taken_minor + money.amount_minor > received.amount_minor
    ):
        raise ChargebackImpossible


def _win(case: Chargeback, actor: str) -> None:
    # Payments are locked before the books, here and below, like everywhere.
    selectors.lock_waiting_payments(case.escrow_id)
    if case.frozen_minor:
        held = chart.escrow_held(case.escrow_id)
        _move(case, "unfrozen", PostingCode.CHARGEBACK_UNFROZEN, _frozen(case), held, frozen=True)
    _move(case, "won", PostingCode.CHARGEBACK_WON, chart.psp(case.psp), _pending(case))
    _close(case, ChargebackStatus.WON)
    hooks.chargeback_handler().won(case)
    _free_payments(case)
    _tell(case, Action.CHARGEBACK_WON, actor, event="chargeback.won")
    message = "A chargeback was won; what was frozen is free again."
    _alert(case, AlertType.CHARGEBACK_WON, Severity.INFO, message)


def _lose(case: Chargeback, actor: str) -> None:
    """The waterfall: what was frozen, then refunds that were not sent, then the payer's debt.

    What was released is the provider's: they worked for it, and no contract here lets us take it.
    """
    needed_minor = case.amount_minor - case.frozen_minor
    case.returned_minor = _take_unsent_refunds(case, needed_minor, actor)
    case.owed_minor = needed_minor - case.returned_minor
    legs = [
        (_frozen(case), case.frozen_minor),
        (chart.user_funds(case.payer_id), case.returned_minor),
        (chart.receivable(case.payer_id), case.owed_minor),
    ]
    _post(
        case,
        "lost",
        PostingCode.CHARGEBACK_LOST,
        [debit(account, minor) for account, minor in legs if minor]
        + [credit(_pending(case), case.amount_minor)],
    )
    _close(case, ChargebackStatus.LOST, "returned_minor", "owed_minor")
    hooks.chargeback_handler().lost(case)
    _free_payments(case)
    _tell(case, Action.CHARGEBACK_LOST, actor, event="chargeback.lost")
    message = "A chargeback was lost; what had been paid on already is owed by the payer."
    _alert(case, AlertType.CHARGEBACK_LOST, Severity.CRITICAL, message)


def _take_unsent_refunds(case: Chargeback, needed_minor: int, actor: str) -> int:
    """Keep refunds of the escrow back for ever, as far as the bank has given the payer the same
    money: first those through the same charge, then the newest. How much that is."""
    refunds = [
        payment
        for payment in selectors.lock_waiting_payments(case.escrow_id)
        if payment.kind == PaymentKind.REFUND and payment.currency == case.currency
    ]
    refunds.sort(key=lambda row: (row.charge_ref == case.funding.psp_ref, row.pk), reverse=True)
    left_minor = needed_minor
    for payment in refunds:
        if not left_minor:
            break
        part_minor = min(left_minor, payment.amount_minor)
        left_minor -= part_minor
        hold = hold_of_rest(payment)
        payment.hold_reason, payment.reason = Hold.CHARGED_BACK, Reason.CHARGED_BACK
        save(payment, "hold_reason", "reason")
        _told_held(payment, actor)
        keep(payment, case, part_minor, paid_a_debt=False)
        if part_minor < payment.amount_minor:
            # What the bank did not give back is still owed to the payer.
            add_rest(payment, payment.amount_minor - part_minor, hold=hold, actor=actor)
    return needed_minor - left_minor


def _hold_payments(case: Chargeback) -> None:
    for payment in selectors.lock_waiting_payments(case.escrow_id):
        # Who waits for a person already does so for longer.
        if payment.hold_reason == Hold.NONE:
            put_on_hold(payment, Hold.CHARGEBACK)
            save(payment, "hold_reason", "reason")
            _told_held(payment, "system:payments")


def _free_payments(case: Chargeback) -> None:
    if cases.has_open_chargeback(case.escrow_id):
        return
    for payment in selectors.lock_waiting_payments(case.escrow_id):
        if payment.hold_reason != Hold.CHARGEBACK:
            continue
        put_on_hold(payment, Hold.NONE)
        save(payment, "hold_reason", "reason")
        tell(payment, Action.PAYMENT_HOLD_LIFTED, "system:payments")
        if payment.status == PaymentStatus.PENDING:
            bells.ring_for_payment(payment.pk)


def _told_held(payment: Payment, actor: str) -> None:
    tell(payment, Action.PAYMENT_HELD, actor, body={"hold": str(payment.hold_reason)})


def _book_fee(case: Chargeback, fee_minor: int, actor: str) -> None:
    """Book and tell what the PSP's fee for the case has grown or fallen by."""
    change_minor = fee_minor - case.fee_minor
    fee_told = Money(fee_minor, case.currency)
    # A case costs the same however little the bank took back, so the charge is the measure.
    charged_for = case.funding.received
    if not (change_minor and is_credible(fee_told, charged_for, subject=case.reference)):
        return
    fee, psp = chart.dispute_fee(), chart.psp(case.psp)
    # A number of its own for every change: a fee can go up, down and up again.
    case.fee_changes += 1
    step = f"fee:{case.fee_changes}"
    if change_minor > 0:
        legs = [debit(fee, change_minor), credit(psp, change_minor)]
        _post(case, step, PostingCode.DISPUTE_FEE, legs)
    else:
        legs = [debit(psp, -change_minor), credit(fee, -change_minor)]
        _post(case, step, PostingCode.DISPUTE_FEE_RETURNED, legs)
    case.fee_minor = fee_minor
    _save(case, "fee_minor", "fee_changes")
    entries.record(
        actor=actor,
        action=Action.PSP_FEE_BOOKED,
        subject=case.reference,
        stream=f"escrow:{case.escrow_id}",
        body={"psp": case.psp, "fee_minor": change_minor, "currency": case.currency},
    )


def _close(case: Chargeback, status: ChargebackStatus, *fields: str) -> None:
    case.transition_to(status)
    case.closed_at = clock.now()
    _save(case, "status", "closed_at", *fields)


def _pending(case: Chargeback) -> AccountRef:
    return chart.chargeback_pending(case.pk)


def _frozen(case: Chargeback) -> AccountRef:
    return chart.chargeback_frozen(case.pk)


def _move(
    case: Chargeback,
    step: str,
    code: PostingCode,
    debited: AccountRef,
    credited: AccountRef,
    *,
    frozen: bool = False,
) -> None:
    minor = case.frozen_minor if frozen else case.amount_minor
    _post(case, step, code, [debit(debited, minor), credit(credited, minor)])


def _post(case: Chargeback, step: str, code: PostingCode, legs: list[Leg]) -> None:
    key = f"{case.reference}:{step}"
    post(business_key=key, code=code, currency=case.currency, legs=legs)


def _save(case: Chargeback, *fields: str) -> None:
    case.updated_at = clock.now()
    case.save(update_fields=[*fields, "updated_at"])


def _figures(case: Chargeback) -> dict[str, Any]:
    return {
        "funding": case.funding_id,
        "amount_minor": case.amount_minor,
        "currency": case.currency,
        "frozen_minor": case.frozen_minor,
        "returned_minor": case.returned_minor,
        "owed_minor": case.owed_minor,
        "recovered_minor": case.recovered_minor,
        "status": str(case.status),
    }


def _tell(case: Chargeback, action: Action, actor: str, *, event: str | None = None) -> None:
    entries.record(
        actor=actor,
        action=action,
        subject=case.reference,
        stream=f"escrow:{case.escrow_id}",
        body=_figures(case),
        event=event,
        audience=[case.payer_id] if event else [],
    )


def _alert(case: Chargeback, type_: AlertType, severity: Severity, message: str) -> None:
    raise_alert(
        type=type_,
        severity=severity,
        subject=f"escrow:{case.escrow_id}",
        message=message,
        payload={"chargeback": case.pk, **_figures(case)},
    )


def _alert_if_another(case: Chargeback, state: ChargebackStatus) -> None:
    if case.status != ChargebackStatus.OPEN and cases.may_be_another(case, state):
        _alert_contradiction(case, reported=str(state))


def _alert_contradiction(case: Chargeback, **told: str | int) -> None:
    raise_alert(
        type=AlertType.PSP_EVENT_CONTRADICTS,
        severity=Severity.CRITICAL,
        subject=case.reference,
        message="The PSP reports something that contradicts what is known of a chargeback.",
        payload={**_figures(case), **told},
    )
