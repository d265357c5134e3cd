"""Payments out, and each try of one at a PSP."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from kobatela.kernel.money import Money, format_minor
from kobatela.kernel.transitions import check_transition
from payments.models._choices import choices, known


class PaymentKind(StrEnum):
    """Why money leaves."""

    PAYOUT = "payout"
    REFUND = "refund"
    SPEND = "spend"
    PURCHASE = "purchase"


class PaymentMethod(StrEnum):
    """psp: we tell a PSP to pay. external: a collector, or support, pays it outside."""

    PSP = "psp"
    EXTERNAL = "external"


class PaymentStatus(StrEnum):
    """SENT: the call has begun and its outcome is awaited. REFUNDED: it came back after all.
    CANCELLED: the order was taken back before anything was sent, or after the PSP refused it."""

    PENDING = "PENDING"
    SENT = "SENT"
    SETTLED = "SETTLED"
    ERROR = "ERROR"
    REFUNDED = "REFUNDED"
    CANCELLED = "CANCELLED"


class Hold(StrEnum):
    """Why a payment waits for a person. returned: a retry by a party or staff ends the wait.

    chargeback: until the chargeback on its escrow is decided. charged_back: for ever, because the
    bank gave the payer this money itself.
    """

    NONE = ""
    RETURNED = "returned"
    STAFF = "staff"
    CONTRADICTION = "contradiction"
    CHARGEBACK = "chargeback"
    CHARGED_BACK = "charged_back"


class Payment(models.Model):
    """Money on its way out. The row is the work order of the worker that sends it.

    attempt: the number of the current try; each has its own key at the PSP (see Attempt).
    party: who is owed, where that is no user (`payee:3`, `merchant:7`). origin: what was bought or
    spent (`purchase:5`, `spending:9`), the same on every row that pays for it.
    payable_from: not before this moment, because it was named only then that this user is paid.
    destination: who is paid, in the words of the PSP. charge_ref: the charge that a refund
    goes back through. collector: the client system that pays an external refund.
    reason: why it waits or failed, as a code that parties may read. hold: why only a person
    may send it.
    lease_until: until then no other worker turns to the PSP about it.
    debt_minor: what its payer owes for it, because it was paid after it had been taken back.
    """

    TRANSITIONS: ClassVar[Mapping[PaymentStatus, frozenset[PaymentStatus]]] = {
        PaymentStatus.PENDING: frozenset({PaymentStatus.SENT, PaymentStatus.CANCELLED}),
        PaymentStatus.SENT: frozenset({PaymentStatus.SETTLED, PaymentStatus.ERROR}),
        # Back to SENT only when the PSP has what it had said that it never got, or when two people
        # say that it was paid after all.
        PaymentStatus.ERROR: frozenset(
            {PaymentStatus.PENDING, PaymentStatus.SENT, PaymentStatus.CANCELLED}
        ),
        PaymentStatus.SETTLED: frozenset({PaymentStatus.REFUNDED}),
        PaymentStatus.REFUNDED: frozenset(),
        # Only when two people say that it was paid although it had been taken back.
        PaymentStatus.CANCELLED: frozenset({PaymentStatus.SENT}),
    }

    escrow = models.ForeignKey("escrow.Escrow", on_delete=models.PROTECT, db_index=False)
    milestone = models.ForeignKey(
        "escrow.Milestone", on_delete=models.PROTECT, null=True, db_index=False
    )
    kind = models.CharField(max_length=10, choices=choices(PaymentKind))
    method = models.CharField(max_length=10, choices=choices(PaymentMethod))
    payer = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="payments_as_payer",
        db_index=False,
    )
    payee = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="payments_as_payee",
        db_index=False,
    )
    collector = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="payments_as_collector",
        db_index=False,
    )
    party = models.CharField(max_length=40, default="", db_default="", blank=True)
    origin = models.CharField(max_length=40, default="", db_default="", blank=True)
    payable_from = models.DateTimeField(null=True)
    destination = models.CharField(max_length=120, default="", blank=True)
    amount_minor = models.BigIntegerField()
    debt_minor = models.BigIntegerField(default=0, db_default=0)
    currency = models.CharField(max_length=3)
    status = models.CharField(
        max_length=10, choices=choices(PaymentStatus), default=PaymentStatus.PENDING
    )
    attempt = models.PositiveIntegerField(default=1)
    psp = models.CharField(max_length=20)
    psp_key = models.CharField(max_length=64, default="", blank=True)
    psp_ref = models.CharField(max_length=128, null=True, unique=True)  # noqa: DJ001 - unique where set
    charge_ref = models.CharField(max_length=128, default="", blank=True)
    reason = models.CharField(max_length=40, default="", blank=True)
    hold_reason = models.CharField(
        max_length=20, choices=choices(Hold), default=Hold.NONE, blank=True
    )
    business_key = models.CharField(max_length=160, unique=True)
    lease_until = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(name="payment_amount_positive", condition=Q(amount_minor__gt=0)),
            models.CheckConstraint(
                name="payment_debt_within_amount",
                condition=Q(debt_minor__gte=0, debt_minor__lte=F("amount_minor")),
            ),
            models.CheckConstraint(name="payment_status_known", condition=known(PaymentStatus)),
            models.CheckConstraint(name="payment_kind_known", condition=known(PaymentKind, "kind")),
            models.CheckConstraint(name="payment_attempt_positive", condition=Q(attempt__gte=1)),
            models.CheckConstraint(
                name="payment_sent_has_key",
                condition=Q(status__in=["PENDING", "CANCELLED"])
                | Q(method="external")
                | ~Q(psp_key=""),
            ),
            models.CheckConstraint(
                name="payment_settled_has_moment",
                condition=~Q(status__in=["SETTLED", "REFUNDED"]) | Q(settled_at__isnull=False),
            ),
            models.CheckConstraint(
                name="payment_owed_to_one",
                condition=Q(payee__isnull=True) | Q(party=""),
            ),
            models.CheckConstraint(
                name="payment_spent_has_origin",
                condition=Q(kind__in=["payout", "refund"]) | ~Q(origin=""),
            ),
            models.UniqueConstraint(
                fields=["milestone"],
                name="payment_one_live_payout",
                condition=Q(kind="payout") & ~Q(status="REFUNDED"),
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["escrow", "-id"], name="payment_by_escrow"),
            models.Index(fields=["payer", "-id"], name="payment_by_payer"),
            models.Index(fields=["payee", "-id"], name="payment_by_payee"),
            models.Index(
                fields=["collector", "-id"],
                name="payment_by_collector",
                condition=Q(collector__isnull=False),
            ),
            models.Index(fields=["status", "-id"], name="payment_by_status"),
            models.Index(fields=["origin"], name="payment_by_origin", condition=~Q(origin="")),
            models.Index(
                fields=["status", "lease_until"],
                name="payment_wants_work",
                condition=Q(status__in=["PENDING", "SENT"], method="psp"),
            ),
        ]

    def __str__(self) -> str:
        amount = format_minor(self.amount_minor, self.currency)
        return f"payment {self.pk} of {amount} {self.currency} ({self.kind}, {self.status})"

    @property
    def reference(self) -> str:
        """How audit entries and alerts name this payment."""
        return f"payment:{self.pk}"

    @property
    def money(self) -> Money:
        """What is paid."""
        return Money(self.amount_minor, self.currency)

    def transition_to(self, target: PaymentStatus) -> None:
        """Move to `target`; raises InvalidState when the table does not allow it."""
        check_transition(
            self.TRANSITIONS, PaymentStatus(self.status), target, subject=self.reference
        )
        self.status = target


class Attempt(models.Model):
    """One try of a payment at the PSP: committed before the call, completed after it.

    psp_key: our idempotency key at the PSP, never used for another try.
    request_body: the exact text that is sent, also when it is sent again.
    accepted_at: when the PSP first said that it has the order. looks: how often we had to ask.
    result: the final word; empty while it is open.
    psp_message: the PSP's own words, for staff only.
    """

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="attempts")
    number = models.PositiveIntegerField()
    psp = models.CharField(max_length=20)
    psp_key = models.CharField(max_length=64, unique=True)
    psp_ref = models.CharField(max_length=128, null=True, unique=True)  # noqa: DJ001 - unique where set
    request_body = models.TextField()
    looks = models.PositiveIntegerField(default=0)
    result = models.CharField(max_length=10, default="", blank=True)
    reason = models.CharField(max_length=40, default="", blank=True)
    psp_message = models.CharField(max_length=500, default="", blank=True)
    started_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["payment", "number"], name="attempt_number_unique"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["psp", "started_at"], name="attempt_by_psp"),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of payment {self.payment_id}"
