"""Payments, fundings and PSP events in the console."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from kobatela.accounts.services.approvals import ApprovalState
from kobatela.accounts.services.callers import staff_caller
from kobatela.kernel.admin import Command, ConsoleAdmin
from payments import selectors
from payments.admin.tables import postings_table, table
from payments.models import (
    EventStatus,
    Funding,
    Hold,
    Payment,
    PaymentMethod,
    PaymentStatus,
    PspEvent,
)
from payments.psp.registry import ONLINE
from payments.services.after_all import say_was_paid, why_not_paid
from payments.services.events import reprocess_event
from payments.services.holds import MAY_BE_HELD, OF_CHARGEBACKS, hold_payment, lift_hold
from payments.services.never_received import say_never_received
from payments.services.paid_otherwise import settle_as_told, why_not_as_told
from payments.services.payouts import execute_payment
from payments.services.refunds import confirm_external
from payments.services.same_money import say_same_money, why_not_same
from payments.services.sending import may_give_up

_NOTED = "It is noted. Another person must say the same."


def _execute(request: HttpRequest, payment: Payment, _data: Mapping[str, Any]) -> str:
    caller = staff_caller(request.user)  # type: ignore[arg-type]  # the console lets only staff in
    execute_payment(payment_id=payment.pk, caller=caller)
    return "The payment is on its way to the PSP."


def _confirm(request: HttpRequest, payment: Payment, _data: Mapping[str, Any]) -> str:
    caller = staff_caller(request.user)  # type: ignore[arg-type]  # the console lets only staff in
    confirm_external(payment_id=payment.pk, caller=caller)
    return "The refund is settled."


def _by_two(
    say: Callable[..., ApprovalState], done: str
) -> Callable[[HttpRequest, Payment, Mapping[str, Any]], str]:
    """The command of what two people must say of a payment; `done`: what the second one reads."""

    def run(request: HttpRequest, payment: Payment, _data: Mapping[str, Any]) -> str:
        caller = staff_caller(request.user)  # type: ignore[arg-type]  # only staff comes here
        return done if say(payment_id=payment.pk, caller=caller).granted else _NOTED

    return run


def _hold(request: HttpRequest, payment: Payment, _data: Mapping[str, Any]) -> str:
    caller = staff_caller(request.user)  # type: ignore[arg-type]  # the console lets only staff in
    hold_payment(payment_id=payment.pk, caller=caller)
    return "The payment is on hold."


def _lift(request: HttpRequest, payment: Payment, _data: Mapping[str, Any]) -> str:
    caller = staff_caller(request.user)  # type: ignore[arg-type]  # the console lets only staff in
    lifted = lift_hold(payment_id=payment.pk, caller=caller)
    if lifted.hold_reason == Hold.CONTRADICTION:
        return _NOTED
    return "The payment is no longer on hold."


def _reprocess(request: HttpRequest, event: PspEvent, _data: Mapping[str, Any]) -> str:
    caller = staff_caller(request.user)  # type: ignore[arg-type]  # the console lets only staff in
    reprocess_event(event_id=event.pk, caller=caller)
    return "A worker will look at the event again."


def _no_execution(payment: Payment) -> str | None:
    if payment.method != PaymentMethod.PSP:
        return "The PSP does not make this payment."
    if payment.status in {PaymentStatus.SETTLED, PaymentStatus.REFUNDED}:
        return "It has ended."
    if payment.hold_reason in {Hold.STAFF, Hold.CONTRADICTION}:
        return "It is on hold; lift the hold first."
    if payment.hold_reason in OF_CHARGEBACKS:
        return "A chargeback holds it."
    return None


def _no_confirmation(payment: Payment) -> str | None:
    if payment.method != PaymentMethod.EXTERNAL:
        return "The PSP reports this payment."
    return None if payment.status == PaymentStatus.SENT else "It has ended."


def _no_giving_up(payment: Payment) -> str | None:
    if payment.status != PaymentStatus.SENT or payment.method != PaymentMethod.PSP:
        return "It is not in transit at a PSP."
    attempt = selectors.current_attempt(payment)
    is_old = attempt is not None and payment.psp in ONLINE and may_give_up(attempt)
    return None if is_old else "The PSP has it, or may still get it."


def _no_hold(payment: Payment) -> str | None:
    if payment.method != PaymentMethod.PSP or payment.status not in MAY_BE_HELD:
        return "It is not waiting."
    if payment.hold_reason == Hold.CHARGED_BACK:
        return "The bank gave this money back itself."
    is_held = payment.hold_reason in {Hold.STAFF, Hold.CONTRADICTION}
    return "It is on hold." if is_held else None


def _no_payment(payment: Payment) -> str | None:
    return why_not_paid(payment, selectors.last_attempt(payment))


def _no_lift(payment: Payment) -> str | None:
    if payment.hold_reason in OF_CHARGEBACKS:
        return "A chargeback holds it."
    return "It is not on hold." if payment.hold_reason == Hold.NONE else None


def _no_reprocessing(event: PspEvent) -> str | None:
    done = event.status in {EventStatus.PROCESSED, EventStatus.IGNORED}
    return "It was processed." if done else None


@admin.display(description="amount", ordering="amount_minor")
def _amount(row: Payment | Funding) -> str:
    return str(row.money)


@admin.register(Payment)
class PaymentAdmin(ConsoleAdmin):
    """Every payment with what it booked, how often it was tried, and what the PSP said."""

    list_display = ("id", "kind", "method", "status", _amount, "payee", "reason", "created_at")
    list_filter = ("status", "kind", "method", "currency", "hold_reason")
    search_fields = ("=psp_ref", "=business_key", "=escrow__id", "=id")
    list_select_related = ("payee",)
    ordering = ("-id",)
    readonly_fields = ("postings", "tries", "psp_events")
    commands: ClassVar = (
        Command(
            "execute",
            "Execute",
            _execute,
            help_text="Sends a payment that waits, or tries one that failed again.",
            refusal=_no_execution,
        ),
        Command(
            "confirm",
            "Confirm as paid",
            _confirm,
            help_text="Says that the collector, or somebody at the bank, paid this refund.",
            refusal=_no_confirmation,
        ),
        Command(
            "never_received",
            "Never received",
            _by_two(
                say_never_received,
                "The payment has failed and can be executed again, under a new key.",
            ),
            help_text="Says that the PSP has no such payment, because you have looked there under "
            "each of the keys below. Two people must say so. Then it can be executed again.",
            danger=True,
            refusal=_no_giving_up,
        ),
        Command(
            "was_paid",
            "It was paid",
            _by_two(say_was_paid, "The payment is booked as paid."),
            help_text="Says that the last try below, which had failed, was paid after all, because "
            "you have seen it on the account or at the PSP. Two people must say so.",
            danger=True,
            refusal=_no_payment,
        ),
        Command(
            "as_told",
            "Settle as the PSP says",
            _by_two(settle_as_told, "The payment is booked as the PSP says."),
            help_text="For a payment of which the PSP says that it paid another amount: compare "
            "with its own record. Less: the rest stays owed and is paid on its own. More: the "
            "surplus is our loss. Two people must say so.",
            danger=True,
            refusal=why_not_as_told,
        ),
        Command(
            "same_money",
            "It is the same money",
            _by_two(say_same_money, "The money is booked once, and is not paid again."),
            help_text="Says that what the PSP returned is the money that support had booked as "
            "given back by the merchant: it came once, and is not paid again. Compare both on the "
            "accounts. Two people must say so.",
            danger=True,
            refusal=why_not_same,
        ),
        Command(
            "hold",
            "Hold",
            _hold,
            help_text="Nobody can send it until the hold is lifted here.",
            danger=True,
            refusal=_no_hold,
        ),
        Command(
            "lift",
            "Lift the hold",
            _lift,
            help_text="Look at the PSP's own record first: a payment that it made must not be "
            "sent again. Where its reports contradict each other, two people must say so.",
            danger=True,
            refusal=_no_lift,
        ),
    )

    @admin.display(description="postings")
    def postings(self, payment: Payment) -> SafeString:
        """What it moved in the books."""
        return postings_table(selectors.postings_of(payment))

    @admin.display(description="attempts")
    def tries(self, payment: Payment) -> SafeString:
        """Each try at the PSP, with the PSP's own words."""
        return table(
            ("attempt", "key", "PSP reference", "result", "reason", "looks", "the PSP said"),
            payment.attempts.order_by("number").values_list(
                "number", "psp_key", "psp_ref", "result", "reason", "looks", "psp_message"
            ),
        )

    @admin.display(description="events")
    def psp_events(self, payment: Payment) -> SafeString:
        """What the PSP reported."""
        return table(
            ("received", "event", "type", "status", "reason"),
            payment.events.order_by("pk").values_list(
                "received_at", "event_id", "type", "status", "reason"
            ),
        )


@admin.register(Funding)
class FundingAdmin(ConsoleAdmin):
    """Sessions in which PSPs collect deposits."""

    list_display = ("id", "escrow_id", "status", _amount, "psp", "psp_ref", "created_at")
    list_filter = ("status", "currency")
    search_fields = ("=psp_ref", "=escrow__id", "=id")
    ordering = ("-id",)
    # With the secret anybody could pay in the payer's place, or learn what they pay.
    exclude = ("client_secret", "request_body")


@admin.register(PspEvent)
class PspEventAdmin(ConsoleAdmin):
    """What PSPs sent, as they sent it."""

    noun = "psp_event"
    list_display = (
        "id",
        "provider",
        "event_id",
        "type",
        "status",
        "reason",
        "tries",
        "received_at",
    )
    list_filter = ("status", "provider", "type")
    search_fields = ("=event_id", "=payment__psp_ref", "=sha256")
    ordering = ("-id",)
    exclude = ("body",)
    readonly_fields = ("said",)
    commands: ClassVar = (
        Command(
            "reprocess",
            "Process again",
            _reprocess,
            help_text="A worker looks at the event once more. What had its effect has none again.",
            refusal=_no_reprocessing,
        ),
    )

    @admin.display(description="body")
    def said(self, event: PspEvent) -> str:
        """The exact text."""
        return bytes(event.body).decode(errors="replace")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Without the bodies, which only the record page shows."""
        return super().get_queryset(request).defer("body")
