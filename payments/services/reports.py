"""What a PSP's report means: which row it is about, and what it does there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from audit.services.alerts import AlertType, Severity, raise_alert
from kobatela.accounts.selectors import user_of_stripe_account
from payments import cases, hooks, selectors
from payments.errors import ChargebackImpossible, WebhookBodyInvalid
from payments.models import (
    Attempt,
    ChargebackStatus,
    EventStatus,
    Funding,
    FundingStatus,
    PaymentKind,
)
from payments.psp.base import OrderState, Outcome, Reason
from payments.psp.registry import MANUAL
from payments.services.chargebacks import record_chargeback
from payments.services.fundings import fail_funding, succeed_funding
from payments.services.outcomes import record_outcome
from payments.services.rows import lock_owner
from payments.services.second_amounts import was_told_before
from payments.webhooks.body import STRIPE, UNREADABLE, Report

_UNKNOWN_OBJECT = "UNKNOWN_OBJECT"


@dataclass(frozen=True, slots=True)
class Target:
    """The attempt or the funding that a report names; neither when we know none.

    ambiguous: it names several, which no honest report does.
    """

    attempt: Attempt | None = None
    funding: Funding | None = None
    ambiguous: bool = False

    @property
    def payment_id(self) -> int | None:
        """The payment of the attempt."""
        return self.attempt.payment_id if self.attempt else None

    @property
    def funding_id(self) -> int | None:
        """The funding."""
        return self.funding.pk if self.funding else None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an event comes to, and why, as a code for staff."""

    status: EventStatus
    reason: str = ""


def find_target(report: Report) -> Target:
    """The row that the report is about, by the PSP's reference or by our own key.

    Our key is committed before the PSP hears it, so a report that overtakes the PSP's answer
    finds its row all the same.
    """
    if report.effect not in _EFFECTS or not report.references:
        return Target()
    references = set(report.references)
    if report.effect.startswith(("funding.", "chargeback.")):
        found = selectors.find_fundings(references) or _by_case(report)
        fundings = [row for row in found if _is_of(row, report)]
        if len(fundings) > 1:
            return Target(ambiguous=True)
        return Target(funding=fundings[0] if fundings else None)
    attempts = [row for row in selectors.find_attempts(references) if _is_of(row, report)]
    if len(attempts) > 1:
        return Target(ambiguous=True)
    return Target(attempt=attempts[0] if attempts else None)


def _by_case(report: Report) -> list[Funding]:
    """The fundings of a chargeback that is named without its charge."""
    if not report.effect.startswith("chargeback."):
        return []
    names = set(report.references) | {report.psp_ref}
    return list({case.funding_id: case.funding for case in cases.find_chargebacks(names)}.values())


def _is_of(row: Attempt | Funding, report: Report) -> bool:
    # Who holds the secret of one door says nothing about what went through another, and what
    # people pay is told by their bank's statement alone.
    if row.psp == MANUAL:
        return False
    return (row.psp == STRIPE) == (report.provider == STRIPE)


def lock_target(target: Target) -> None:
    """Take the locks of what the report is about, owner first."""
    if target.attempt is not None:
        lock_owner(target.attempt.payment)
        selectors.lock_payment(target.attempt.payment_id)
    elif target.funding is not None:
        hooks.funding_handler().lock_owner(target.funding.escrow_id)
        selectors.lock_funding(target.funding.pk)


def apply(report: Report, target: Target, *, actor: str) -> Verdict:
    """Do what the report says, with the target locked."""
    if report.effect in _WITHOUT_TARGET:
        return _WITHOUT_TARGET[report.effect](report)
    effect = _EFFECTS.get(report.effect)
    if effect is None:
        return Verdict(EventStatus.IGNORED, report.note or "NO_EFFECT_HERE")
    problem = _problem_of(report, target)
    if problem is not None:
        return problem
    try:
        return effect(report, target, actor)
    except WebhookBodyInvalid:
        return Verdict(EventStatus.FAILED, "AMOUNT_INVALID")


def _problem_of(report: Report, target: Target) -> Verdict | None:
    if target.ambiguous:
        return Verdict(EventStatus.FAILED, "AMBIGUOUS")
    if not report.references:
        return Verdict(EventStatus.FAILED, "NO_REFERENCE")
    if target.attempt is None and target.funding is None:
        return Verdict(EventStatus.WAITING, _UNKNOWN_OBJECT)
    return None


def _order(
    state: OrderState, kind: PaymentKind | None = None
) -> Callable[[Report, Target, str], Verdict]:
    def effect(report: Report, target: Target, actor: str) -> Verdict:
        attempt = target.attempt
        assert attempt is not None, "order reports have an attempt"
        if kind is not None and attempt.payment.kind != kind:
            return Verdict(EventStatus.FAILED, "OTHER_KIND")
        outcome = Outcome(
            state,
            psp_ref=_reference_of_psp(report, attempt),
            reason=_REASONS.get(state, Reason.NONE),
            money=report.money(attempt.payment.currency),
            fee=report.fee_money(attempt.payment.currency),
        )
        record_outcome(attempt_id=attempt.pk, outcome=outcome, actor=actor)
        return Verdict(EventStatus.PROCESSED)

    return effect


def _reference_of_psp(report: Report, attempt: Attempt) -> str | None:
    # A PSP that names the order by our key alone has told no reference of its own.
    return report.psp_ref if report.psp_ref not in {"", attempt.psp_key} else None


def _funding_succeeded(report: Report, target: Target, actor: str) -> Verdict:
    assert target.funding is not None, "funding reports have a funding"
    funding = selectors.lock_funding(target.funding.pk)
    psp_ref = funding.psp_ref or report.psp_ref
    if not psp_ref:
        # Without the charge nothing could ever go back; our own call is about to bring it.
        return Verdict(EventStatus.WAITING, "CHARGE_UNKNOWN")
    # Once money has come in, an amount without a currency is in that money's.
    own_currency = funding.received_currency or funding.currency
    succeed_funding(
        funding_id=funding.pk,
        money=report.money(own_currency),
        psp_ref=psp_ref,
        actor=actor,
        fee=report.fee_money(own_currency),
        charge=report.psp_ref,
        is_told_again=funding.status == FundingStatus.SUCCEEDED
        and was_told_before(funding, report.provider, report.event_id),
    )
    return Verdict(EventStatus.PROCESSED)


def _chargeback(state: ChargebackStatus) -> Callable[[Report, Target, str], Verdict]:
    def effect(report: Report, target: Target, actor: str) -> Verdict:
        assert target.funding is not None, "chargeback reports have a funding"
        funding = selectors.lock_funding(target.funding.pk)
        if funding.status != FundingStatus.SUCCEEDED:
            # What was not booked cannot be taken back; the report of its arrival is on its way.
            return Verdict(EventStatus.WAITING, "CHARGE_NOT_BOOKED")
        try:
            record_chargeback(
                funding=funding,
                psp_ref=_name_of_case(report, funding),
                state=state,
                money=report.money(funding.received_currency),
                actor=actor,
                fee_minor=_fee_of_case(report, funding),
            )
        except ChargebackImpossible:
            return Verdict(EventStatus.FAILED, "CHARGEBACK_IMPOSSIBLE")
        return Verdict(EventStatus.PROCESSED)

    return effect


def _fee_of_case(report: Report, funding: Funding) -> int | None:
    """What the PSP took for a case until now; None when it does not say."""
    if report.fee is None:
        return None
    fee = report.fee_money(funding.received_currency)
    return fee.amount_minor if fee else 0


def _name_of_case(report: Report, funding: Funding) -> str:
    """The PSP's name of a chargeback; one that has none is named as its charge."""
    names = {report.psp_ref, *report.references} - {"", funding.psp_ref, funding.psp_key}
    if report.psp_ref in names:
        return report.psp_ref
    return min(names) if names else funding.psp_ref or funding.psp_key


def _unreadable(report: Report) -> Verdict:
    return Verdict(EventStatus.FAILED, report.note)


def _inquiry(report: Report) -> Verdict:
    """A bank only asks: no money has moved, but unanswered it becomes a chargeback."""
    raise_alert(
        type=AlertType.CHARGEBACK_OPENED,
        severity=Severity.WARNING,
        subject=f"psp:{report.provider}",
        message="A payer's bank asks about a charge; answer it at the PSP.",
        payload={
            "case": report.psp_ref,
            "charges": sorted(report.references),
            "amount": str(report.amount),
            "currency": report.currency,
        },
    )
    return Verdict(EventStatus.PROCESSED)


def _payee_payout_failed(report: Report) -> Verdict:
    """What the payee's account cannot hand on stays there, and is the payee's own: our payment
    has arrived. Staff can tell them."""
    user_id = user_of_stripe_account(report.account)
    raise_alert(
        type=AlertType.PAYOUT_FAILED,
        severity=Severity.WARNING,
        subject=f"user:{user_id}" if user_id else f"psp:{report.provider}",
        message="A bank refused what the PSP paid out of a payee's account there.",
        payload={
            "account": report.account,
            "payout": report.psp_ref,
            "amount": str(report.amount),
            "currency": report.currency,
        },
    )
    return Verdict(EventStatus.PROCESSED)


def _funding_failed(_report: Report, target: Target, actor: str) -> Verdict:
    assert target.funding is not None, "funding reports have a funding"
    fail_funding(funding_id=target.funding.pk, reason=Reason.PSP_REFUSED, actor=actor)
    return Verdict(EventStatus.PROCESSED)


_REASONS = {
    OrderState.FAILED: Reason.PSP_REFUSED,
    OrderState.RETURNED: Reason.RETURNED_BY_BANK,
}
_WITHOUT_TARGET: Mapping[str, Callable[[Report], Verdict]] = {
    UNREADABLE: _unreadable,
    "chargeback.inquiry": _inquiry,
    "payee_payout.failed": _payee_payout_failed,
}
_EFFECTS: Mapping[str, Callable[[Report, Target, str], Verdict]] = {
    "payment.settled": _order(OrderState.SETTLED),
    "payment.failed": _order(OrderState.FAILED),
    "payment.returned": _order(OrderState.RETURNED),
    # The predecessor's names; its PSP still sends them.
    "payment_succeeded": _order(OrderState.SETTLED),
    "payment_failed": _order(OrderState.FAILED),
    "refund.settled": _order(OrderState.SETTLED, PaymentKind.REFUND),
    "refund.failed": _order(OrderState.FAILED, PaymentKind.REFUND),
    "refund.returned": _order(OrderState.RETURNED, PaymentKind.REFUND),
    "refund.reversed": _order(OrderState.RETURNED, PaymentKind.REFUND),
    "funding.succeeded": _funding_succeeded,
    "funding.failed": _funding_failed,
    "chargeback.opened": _chargeback(ChargebackStatus.OPEN),
    "chargeback.won": _chargeback(ChargebackStatus.WON),
    "chargeback.lost": _chargeback(ChargebackStatus.LOST),
}
