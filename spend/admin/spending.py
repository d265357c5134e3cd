"""Payees, mandates and what was spent, in the console."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from escrow.services import deadlines
from kobatela.accounts.list_commands import ListCommand
from kobatela.kernel.admin import Command, ConsoleAdmin, NoteForm
from kobatela.kernel.errors import DomainError
from kobatela.kernel.money import format_minor
from kobatela.uploads.downloads import as_download, or_unavailable
from spend import selectors
from spend.admin.making import (
    STAFF,
    IdField,
    PaidToAdmin,
    PaidToForm,
    caller_of,
    destination_of,
    limit_of,
    made,
    pay_elsewhere,
)
from spend.models import (
    AllowedPayee,
    Mandate,
    MandateStatus,
    Purchase,
    PurchaseStatus,
    Spending,
)
from spend.services import mandates, permissions, receipts, refunds, take_backs


class PayeeForm(PaidToForm):
    """Whom the sender of an escrow may pay, within limits in its currency."""

    escrow_id = IdField(label="Number of the escrow")
    payee_ref = forms.CharField(label="Reference", min_length=2, max_length=120)
    label = forms.CharField(label="Called", min_length=2, max_length=200)
    daily_limit = forms.CharField(label="Limit of a UTC day", max_length=20, required=False)
    total_limit = forms.CharField(label="Limit in all", max_length=20, required=False)
    field_order = ("escrow_id", "payee_ref", "label", "daily_limit", "total_limit")


def _amount(amount_minor: int | None, currency: str) -> str:
    return "—" if amount_minor is None else f"{format_minor(amount_minor, currency)} {currency}"


def _allow(request: HttpRequest, data: Mapping[str, Any]) -> HttpResponse:
    payee = permissions.allow_payee(
        caller=caller_of(request),
        escrow_id=data["escrow_id"],
        payee_ref=data["payee_ref"],
        label=data["label"],
        destination=destination_of(data),
        daily_limit_in=limit_of(data, "daily_limit"),
        total_limit_in=limit_of(data, "total_limit"),
    )
    return made(request, payee, "The sender may pay them.")


def _pay_elsewhere(request: HttpRequest, payee: AllowedPayee, data: Mapping[str, Any]) -> str:
    permissions.update_payee(
        caller=caller_of(request), payee_id=payee.pk, destination=destination_of(data)
    )
    return "It is noted where they are paid; their limits go on."


def _take_back(request: HttpRequest, payee: AllowedPayee, _data: Mapping[str, Any]) -> str:
    permissions.take_back_payee(caller=caller_of(request), payee_id=payee.pk)
    return "Nothing more is paid to this payee; what was ordered goes on."


def _revoke(request: HttpRequest, mandate: Mandate, _data: Mapping[str, Any]) -> str:
    mandates.revoke_mandate(caller=caller_of(request), mandate_id=mandate.pk)
    return "The mandate is revoked."


def _refund(request: HttpRequest, purchase: Purchase, data: Mapping[str, Any]) -> str:
    if purchase.escrow_id is not None:
        deadlines.apply_due(escrow_id=purchase.escrow_id)
    done = refunds.refund_purchase(
        caller=caller_of(request), purchase_id=purchase.pk, note=data["note"]
    )
    if done.approvals is not None:
        return "Your approval counts; a second person has to ask for the same."
    return "The purchase is given back."


def _deny_refund(request: HttpRequest, purchase: Purchase, data: Mapping[str, Any]) -> str:
    refunds.deny_refund(caller=caller_of(request), purchase_id=purchase.pk, note=data["note"])
    return "The purchase stands; its money did not come back."


def _take_back_payment(request: HttpRequest, spending: Spending, data: Mapping[str, Any]) -> str:
    deadlines.apply_due(escrow_id=spending.escrow_id)
    done = take_backs.take_back_spending(
        caller=caller_of(request), payment_id=spending.payment_id, note=data["note"]
    )
    if done.approvals is not None:
        return "Your approval counts; a second person has to ask for the same."
    return "The payment is taken back."


def _no_payment_take_back(spending: Spending) -> str | None:
    return None if spending.taken_back_at is None else "It was taken back."


def _no_take_back(payee: AllowedPayee) -> str | None:
    return None if payee.deactivated_at is None else "It was taken back."


def _no_revocation(mandate: Mandate) -> str | None:
    is_possible = MandateStatus.REVOKED in Mandate.TRANSITIONS[MandateStatus(mandate.status)]
    return None if is_possible else f"It is {mandate.status}."


def _no_denial(purchase: Purchase) -> str | None:
    is_asked = purchase.status == PurchaseStatus.REFUND_PENDING
    return None if is_asked else f"It is {purchase.status}."


def _no_refund(purchase: Purchase) -> str | None:
    return "It was given back." if purchase.status == PurchaseStatus.REFUNDED else None


@admin.register(AllowedPayee)
class PayeeAdmin(PaidToAdmin):
    """Whom senders may pay from their escrows, where, and within which limits."""

    noun = "payee"
    list_display = (
        "id",
        "escrow_id",
        "payee_ref",
        "label",
        "paid_to",
        "daily",
        "total",
        "deactivated_at",
    )
    list_select_related = ("payee",)
    list_filter = (("deactivated_at", admin.EmptyFieldListFilter), "currency")
    search_fields = ("=escrow__id", "payee_ref", "label")
    ordering = ("-id",)
    list_commands: ClassVar = (
        ListCommand("allow", "Allow a payee", PayeeForm, _allow, roles=STAFF),
    )
    commands: ClassVar = (
        pay_elsewhere(_pay_elsewhere, refusal=_no_take_back),
        Command("take_back", "Take back", _take_back, danger=True, refusal=_no_take_back),
    )

    @admin.display(description="per day")
    def daily(self, payee: AllowedPayee) -> str:
        """The limit of a UTC day."""
        return _amount(payee.daily_limit_minor, payee.currency)

    @admin.display(description="in all")
    def total(self, payee: AllowedPayee) -> str:
        """The limit for ever."""
        return _amount(payee.total_limit_minor, payee.currency)


@admin.register(Spending)
class SpendingAdmin(ConsoleAdmin):
    """What payees were paid."""

    list_display = (
        "id",
        "escrow_id",
        "payee_ref",
        "amount",
        "payment_state",
        "actor",
        "created_at",
        "taken_back_at",
    )
    list_filter = (
        "currency",
        "payment__status",
        ("taken_back_at", admin.EmptyFieldListFilter),
    )
    list_select_related = ("payment",)
    search_fields = ("=escrow__id", "payee_ref", "=payment__id")
    ordering = ("-id",)
    commands: ClassVar = (
        Command(
            "take_back",
            "Take back",
            _take_back_payment,
            form_class=NoteForm,
            help_text="Cancels a payment that was not sent, or failed. Its money is free in the "
            "escrow again, or goes to the sender once that has ended.",
            danger=True,
            refusal=_no_payment_take_back,
        ),
    )

    @admin.display(description="amount")
    def amount(self, spending: Spending) -> str:
        """How much."""
        return _amount(spending.amount_minor, spending.currency)

    @admin.display(description="payment")
    def payment_state(self, spending: Spending) -> str:
        """Where the first payment stands; its successors are on its escrow's page."""
        return f"#{spending.payment_id} {spending.payment.status}"


@admin.register(Mandate)
class MandateAdmin(ConsoleAdmin):
    """Who lets whom spend how much."""

    list_display = ("id", "sender", "beneficiary", "total", "spent", "status", "escrow_id", "until")
    list_filter = ("status", "currency", ("escrow", admin.EmptyFieldListFilter))
    list_select_related = ("sender", "beneficiary")
    search_fields = ("=id", "sender__username", "beneficiary__username", "=escrow__id")
    ordering = ("-id",)
    commands: ClassVar = (
        Command(
            "revoke",
            "Revoke",
            _revoke,
            help_text="Nothing more is bought under it; what was bought stays bought.",
            danger=True,
            refusal=_no_revocation,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        """With what was spent."""
        return selectors.visible_mandates(caller_of(request))

    @admin.display(description="total")
    def total(self, mandate: Mandate) -> str:
        """The budget."""
        return _amount(mandate.total_minor, mandate.currency)

    @admin.display(description="spent")
    def spent(self, mandate: Any) -> str:
        """What of it is spent."""
        return _amount(mandate.spent_minor, mandate.currency)

    @admin.display(description="until", ordering="expires_at")
    def until(self, mandate: Mandate) -> str:
        """When it runs out."""
        return f"{mandate.expires_at:%Y-%m-%d %H:%M}"


@admin.register(Purchase)
class PurchaseAdmin(ConsoleAdmin):
    """What was bought, and what senders say was brought back."""

    list_display = ("id", "merchant", "amount", "status", "sender", "beneficiary", "created_at")
    list_filter = (
        "status",
        "currency",
        ("receipt", admin.EmptyFieldListFilter),
        ("category", admin.RelatedOnlyFieldListFilter),
    )
    list_select_related = ("merchant", "sender", "beneficiary")
    search_fields = ("=id", "merchant__name", "sender__username", "beneficiary__username")
    ordering = ("-id",)
    readonly_fields = ("receipt_file",)
    commands: ClassVar = (
        Command(
            "refund",
            "Refund",
            _refund,
            form_class=NoteForm,
            help_text="Returns the budget, and the money into the escrow. Of a payment that has "
            "arrived this says that you have seen the money come back.",
            danger=True,
            refusal=_no_refund,
        ),
        Command(
            "deny_refund",
            "Money never came",
            _deny_refund,
            form_class=NoteForm,
            help_text="Of one that the sender says was brought back: the money did not come, and "
            "the purchase stands. The sender may say so again.",
            refusal=_no_denial,
        ),
    )

    @admin.display(description="amount")
    def amount(self, purchase: Purchase) -> str:
        """How much."""
        return _amount(purchase.amount_minor, purchase.currency)

    @admin.display(description="receipt")
    def receipt_file(self, purchase: Purchase) -> SafeString | str:
        """The file that shows what was bought."""
        if purchase.receipt_id is None:
            return "none"
        address = reverse("admin:spend_purchase_receipt", args=[purchase.pk])
        return format_html('<a href="{}">upload {}</a>', address, purchase.receipt_id)

    def get_urls(self) -> list[URLPattern]:
        """With the file of the receipt."""
        own = path(
            "<int:purchase_id>/receipt-file/",
            self.admin_site.admin_view(self._receipt),
            name="spend_purchase_receipt",
        )
        return [own, *super().get_urls()]

    @or_unavailable
    def _receipt(self, request: HttpRequest, purchase_id: int) -> FileResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            purchase = receipts.read_receipt(caller=caller_of(request), purchase_id=purchase_id)
        except DomainError as refusal:
            raise Http404 from refusal
        assert purchase.receipt is not None, "one without was refused"
        return as_download(purchase.receipt, f"receipt-{purchase.pk}")
