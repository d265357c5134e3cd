"""What Stripe's events mean here. Stripe's names end in this file."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from kobatela.kernel.money import Money, format_minor
from payments.psp.base import OrderState, Outcome
from payments.psp.stripe import objects
from payments.webhooks.body import STRIPE, UNREADABLE, Report, json_object, name_of

PARTLY_REVERSED = "PARTLY_REVERSED"
BODY_UNREADABLE = "BODY_UNREADABLE"
OTHER_MODE = "OTHER_MODE"

_ORDER_EFFECTS = {
    OrderState.SETTLED: "payment.settled",
    OrderState.FAILED: "payment.failed",
    OrderState.RETURNED: "payment.returned",
}
_DISPUTE_EFFECTS = {"won": "chargeback.won", "lost": "chargeback.lost"}


def read_stripe_report(body: bytes, *, is_live: bool) -> Report:
    """Read a body. Raises WebhookBodyInvalid and MissingEventId.

    Only the name of an event must be right for it to be kept. One whose object cannot be read has
    the effect `unreadable`, so that staff sees it; one of the other mode (play money, or real
    money) has none. Endpoints for connected accounts get events of both modes.
    """
    fields = json_object(body)
    event_id, kind = name_of(fields)
    report = Report(
        provider=STRIPE,
        event_id=event_id,
        type=kind,
        effect="",
        psp_ref="",
        references=frozenset(),
        amount=None,
        currency="",
        account=objects.text(fields, "account"),
    )
    if fields.get("livemode", is_live) is not is_live:
        return replace(report, note=OTHER_MODE)
    read = _MEANINGS.get(kind)
    if read is None:
        return report
    data = fields.get("data")
    told = data.get("object") if isinstance(data, Mapping) else None
    if not isinstance(told, Mapping):
        return _unreadable(report)
    return read(report, told)


def _settled_transfer(report: Report, told: Mapping[str, Any]) -> Report:
    # Stripe sends the transfer as it is now: at the latest try it may be reversed already.
    return _order(report, told, objects.read_transfer(told))


def _reversed_transfer(report: Report, told: Mapping[str, Any]) -> Report:
    if objects.is_partly_reversed(told):
        return _unreadable(report, PARTLY_REVERSED)
    return _order(report, told, objects.read_transfer(told))


def _failed_transfer(report: Report, told: Mapping[str, Any]) -> Report:
    outcome = objects.read_transfer(told)
    return _order(report, told, outcome and replace(outcome, state=OrderState.FAILED))


def _refund(report: Report, told: Mapping[str, Any]) -> Report:
    return _order(report, told, objects.read_refund(told))


def _order(report: Report, told: Mapping[str, Any], outcome: Outcome | None) -> Report:
    if outcome is None or outcome.psp_ref is None:
        return _unreadable(report)
    effect = _ORDER_EFFECTS.get(outcome.state, "")
    return _about(report, effect, outcome.psp_ref, _names(told, outcome.psp_ref), outcome.money)


def _collected(report: Report, told: Mapping[str, Any]) -> Report:
    psp_ref = objects.text(told, "id")
    money = objects.amount_of(told, "amount_received")
    if not psp_ref or money is None:
        return _unreadable(report)
    return _about(report, "funding.succeeded", psp_ref, _names(told, psp_ref), money)


def _not_collected(report: Report, told: Mapping[str, Any]) -> Report:
    psp_ref = objects.text(told, "id")
    if not psp_ref:
        return _unreadable(report)
    return _about(report, "funding.failed", psp_ref, _names(told, psp_ref), None)


def _dispute_opened(report: Report, told: Mapping[str, Any]) -> Report:
    # A bank that only asks has taken nothing; when it does, the funds are reported as withdrawn.
    is_inquiry = str(told.get("status")).startswith("warning_")
    return _dispute(report, told, "chargeback.inquiry" if is_inquiry else "chargeback.opened")


def _dispute_withdrawn(report: Report, told: Mapping[str, Any]) -> Report:
    return _dispute(report, told, "chargeback.opened")


def _dispute_closed(report: Report, told: Mapping[str, Any]) -> Report:
    # A warning that is closed never took any money.
    return _dispute(report, told, _DISPUTE_EFFECTS.get(str(told.get("status")), ""))


def _dispute(report: Report, told: Mapping[str, Any], effect: str) -> Report:
    psp_ref, money = objects.text(told, "id"), objects.amount_of(told)
    names = {objects.text(told, "payment_intent"), objects.text(told, "charge")} - {""}
    if not psp_ref or not names or money is None:
        return _unreadable(report)
    about = _about(report, effect, psp_ref, frozenset(names), money)
    fee_minor = objects.fees_of(told, money.currency)
    return (
        about if fee_minor is None else replace(about, fee=format_minor(fee_minor, money.currency))
    )


def _failed_payout(report: Report, told: Mapping[str, Any]) -> Report:
    psp_ref, money = objects.text(told, "id"), objects.amount_of(told)
    if not psp_ref or money is None:
        return _unreadable(report)
    return _about(report, "payee_payout.failed", psp_ref, frozenset({psp_ref}), money)


def _names(told: Mapping[str, Any], psp_ref: str) -> frozenset[str]:
    return frozenset({psp_ref, objects.reference_of(told)} - {""})


def _about(
    report: Report, effect: str, psp_ref: str, names: frozenset[str], money: Money | None
) -> Report:
    return replace(
        report,
        effect=effect,
        psp_ref=psp_ref,
        references=names,
        amount=format_minor(money.amount_minor, money.currency) if money else None,
        currency=money.currency if money else "",
    )


def _unreadable(report: Report, note: str = BODY_UNREADABLE) -> Report:
    return replace(report, effect=UNREADABLE, note=note)


_MEANINGS: Mapping[str, Callable[[Report, Mapping[str, Any]], Report]] = {
    "payment_intent.succeeded": _collected,
    "payment_intent.payment_failed": _not_collected,
    "payment_intent.canceled": _not_collected,
    "transfer.created": _settled_transfer,
    "transfer.reversed": _reversed_transfer,
    # Of the days when transfers went to banks; its money never left our balance.
    "transfer.failed": _failed_transfer,
    "refund.created": _refund,
    "refund.updated": _refund,
    "refund.failed": _refund,
    "charge.refund.updated": _refund,
    "charge.dispute.created": _dispute_opened,
    "charge.dispute.funds_withdrawn": _dispute_withdrawn,
    "charge.dispute.closed": _dispute_closed,
    "payout.failed": _failed_payout,
}
