"""Reading payments, fundings, PSP events and destinations; and rows under their lock."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum

from kobatela.accounts.visible import visible_to
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from payments.errors import DestinationNotFound, EventNotFound, PaymentNotFound
from payments.ledger import selectors as ledger_selectors
from payments.models import (
    Attempt,
    BatchLine,
    BatchLineStatus,
    Destination,
    EventStatus,
    Funding,
    FundingStatus,
    Hold,
    Payment,
    PaymentMethod,
    PaymentStatus,
    PspEvent,
)
from payments.psp.base import WITHOUT_ROUTE, Reason
from payments.psp.registry import MANUAL, ONLINE

if TYPE_CHECKING:
    from payments.ledger.models import Transfer

EFFECTS = (
    "sent", "settled", "failed", "never_received", "found", "found_again", "returned",
    "set_off", "set_off_again", "owed", "owed_again", "unpaid", "overpaid", "fee",
)  # fmt: skip

# A merchant's or a payee's user who was deactivated.
_OF_INACTIVE = ~Q(origin="") & Q(payee__is_active=False)


def visible_payments(caller: Caller) -> QuerySet[Payment]:
    """The payments that the caller may see: all for staff, else those that its parties pay,
    receive or are to pay out as collector."""
    return Payment.objects.filter(visible_to(caller, "payer", "payee", "collector"))


def get_payment(caller: Caller, payment_id: int) -> Payment:
    """One payment. Raises PaymentNotFound, also for one that the caller may not see."""
    payment = visible_payments(caller).filter(pk=payment_id).first()
    if payment is None:
        raise PaymentNotFound
    return payment


def find_payments(
    caller: Caller,
    *,
    escrow_id: int | None = None,
    milestone_id: int | None = None,
    status: str | None = None,
    kind: str | None = None,
    method: str | None = None,
    currency: str | None = None,
    q: str | None = None,
) -> QuerySet[Payment]:
    """Visible payments by the filters of `GET /payments`. q: a PSP reference or a business key."""
    exact = {
        "escrow": escrow_id,
        "milestone": milestone_id,
        "status": status,
        "kind": kind,
        "method": method,
        "currency": currency,
    }
    found = visible_payments(caller).filter(
        **{name: value for name, value in exact.items() if value is not None}
    )
    if q:
        found = found.filter(Q(psp_ref=q) | Q(business_key=q))
    return found


def payments_of(escrow_id: int) -> QuerySet[Payment]:
    """The payments of one escrow."""
    return Payment.objects.filter(escrow=escrow_id)


def in_transit_minor(escrow_id: int) -> int:
    """What an escrow's payments have handed to PSPs and collectors, with the outcome open."""
    sent = payments_of(escrow_id).filter(status=PaymentStatus.SENT, currency=F("escrow__currency"))
    return sent.aggregate(total=Sum("amount_minor"))["total"] or 0


def lock_payment(payment_id: int) -> Payment:
    """One payment, locked until the transaction ends. Raises PaymentNotFound.

    What it belongs to is locked first (`hooks`), the ledger's accounts after it.
    """
    locked = Payment.objects.select_for_update(of=("self",), no_key=True)
    payment = locked.filter(pk=payment_id).order_by().first()
    if payment is None:
        raise PaymentNotFound
    return payment


def current_attempt(payment: Payment) -> Attempt | None:
    """The attempt that the payment is on; None while it was not sent."""
    return Attempt.objects.filter(payment=payment, number=payment.attempt).first()


def last_attempt(payment: Payment) -> Attempt | None:
    """The last attempt that was begun, also when the next is ordered; None if none was."""
    return Attempt.objects.filter(payment=payment).order_by("-number").first()


def find_attempts(references: set[str]) -> list[Attempt]:
    """The attempts that a PSP may mean by these words: its own reference, or our key."""
    known = Q(psp_ref__in=references) | Q(psp_key__in=references)
    return list(Attempt.objects.filter(known).select_related("payment").order_by("pk"))


def payments_for_staff() -> QuerySet[Payment]:
    """Payments that somebody must look at: refused by the PSP, or held."""
    held = Q(status=PaymentStatus.PENDING) & ~Q(hold_reason=Hold.NONE)
    wanted = Payment.objects.filter(held | Q(status=PaymentStatus.ERROR))
    # What the bank gave back itself is never sent: nobody has anything to do about it.
    return wanted.exclude(hold_reason=Hold.CHARGED_BACK)


def payments_to_send(before: datetime, limit: int) -> list[int]:
    """Payments that nobody has sent although they were ready `before`, oldest first."""
    waiting = _pending().filter(psp__in=ONLINE, updated_at__lte=before)
    waiting = waiting.exclude(reason__in=[*WITHOUT_ROUTE, Reason.UNCOVERED, Reason.FUNDS_PENDING])
    return list(waiting.order_by("pk").values_list("pk", flat=True)[:limit])


def payments_to_route(now: datetime, limit: int) -> list[int]:
    """Payments that waited for a destination, or for their payee, and need not any more; and
    those that wait for a batch and are in none that could pay them, oldest first."""
    has_one = Exists(_usable_for_payee(now))
    has_found = Q(has_one, reason=Reason.DESTINATION_MISSING)
    may_be_paid = Q(reason=Reason.PAYEE_INACTIVE, payee__is_active=True)
    is_time = Q(reason=Reason.PAYEE_TOO_NEW, payable_from__lte=now)
    has_lost = Q(~has_one | _OF_INACTIVE, ~_in_batch(), psp=MANUAL, reason=Reason.NONE)
    waiting = _pending().filter(has_found | may_be_paid | is_time | has_lost)
    return list(waiting.order_by("pk").values_list("pk", flat=True)[:limit])


def accounts_to_cover() -> list[tuple[str, str]]:
    """The PSPs and currencies in which payments wait for money, or for people."""
    found = _to_cover().order_by("psp", "currency").values_list("psp", "currency")
    return list(found.distinct())


def payments_to_cover(psp: str, currency: str, limit: int) -> list[tuple[int, str, int]]:
    """Those payments, oldest first, with their reason and amount in minor units."""
    found = _to_cover().filter(psp=psp, currency=currency).order_by("pk")
    return list(found.values_list("pk", "reason", "amount_minor")[:limit])


def uncovered_totals() -> list[tuple[str, str, int, int]]:
    """What waits UNCOVERED: PSP, currency, how many, and their sum in minor units."""
    waiting = _pending().filter(reason=Reason.UNCOVERED).order_by("psp", "currency")
    sums = waiting.values_list("psp", "currency")
    return list(sums.annotate(count=Count("pk"), total=Sum("amount_minor")))


def _to_cover() -> QuerySet[Payment]:
    for_people = Q(psp=MANUAL, reason=Reason.NONE)
    return _pending().filter(Q(reason=Reason.UNCOVERED) | for_people)


def payments_to_collect(currency: str, kind: str, now: datetime) -> QuerySet[Payment]:
    """Payments that people have to make, to accounts of a kind, and that are in no batch, oldest
    first."""
    has_account = Exists(_usable_for_payee(now).filter(kind=kind))
    waiting = _pending().filter(has_account, ~_OF_INACTIVE, ~_in_batch(), currency=currency)
    return waiting.filter(psp=MANUAL, reason=Reason.NONE).order_by("pk")


def _usable_for_payee(now: datetime) -> QuerySet[Destination]:
    """The destinations to which the payment of an outer query could be paid now."""
    is_users = Q(user=OuterRef("payee"))
    is_partys = Q(party=OuterRef("party")) & ~Q(party="")
    return destinations_in_force(now).filter(
        is_users | is_partys,
        Q(currency="") | Q(currency=OuterRef("currency")),
        usable_from__lte=now,
    )


def _in_batch() -> Exists:
    """Whether the payment of an outer query is in a batch that has not ended for it."""
    return Exists(BatchLine.objects.filter(payment=OuterRef("pk"), status=BatchLineStatus.OPEN))


def _pending() -> QuerySet[Payment]:
    """What a PSP is to pay and nobody holds."""
    return Payment.objects.filter(
        status=PaymentStatus.PENDING, method=PaymentMethod.PSP, hold_reason=Hold.NONE
    )


def payments_to_look_up(now: datetime, limit: int) -> list[int]:
    """Payments in transit that no worker is turning to the PSP about, longest overdue first."""
    overdue = Payment.objects.filter(
        status=PaymentStatus.SENT, method=PaymentMethod.PSP, psp__in=ONLINE, lease_until__lte=now
    )
    return list(overdue.order_by("lease_until").values_list("pk", flat=True)[:limit])


def payments_unknown_since(before: datetime, limit: int) -> list[Payment]:
    """Payments sent `before` of which the PSP has never said that it has them."""
    unknown = Payment.objects.filter(
        status=PaymentStatus.SENT,
        method=PaymentMethod.PSP,
        sent_at__lte=before,
        attempts__number=F("attempt"),
        attempts__accepted_at__isnull=True,
    )
    return list(unknown.order_by("sent_at")[:limit])


def open_funding(escrow_id: int) -> Funding | None:
    """The escrow's open funding session, if there is one."""
    return Funding.objects.filter(escrow=escrow_id, status=FundingStatus.CREATED).first()


def find_fundings(references: set[str]) -> list[Funding]:
    """The fundings that a PSP may mean by these words: its own reference, or our key."""
    known = Q(psp_ref__in=references) | Q(psp_key__in=references)
    return list(Funding.objects.filter(known).order_by("pk"))


def lock_funding(funding_id: int) -> Funding:
    """One funding, locked until the transaction ends; its escrow is locked first."""
    locked = Funding.objects.select_for_update(of=("self",), no_key=True)
    return locked.order_by().get(pk=funding_id)


def lock_waiting_payments(escrow_id: int) -> list[Payment]:
    """The payments of an escrow that a PSP is to make and has not been told of, locked, oldest
    first. The escrow is locked first."""
    locked = payments_of(escrow_id).select_for_update(of=("self",), no_key=True)
    waiting = locked.filter(
        status__in=[PaymentStatus.PENDING, PaymentStatus.ERROR], method=PaymentMethod.PSP
    )
    return list(waiting.exclude(hold_reason=Hold.CHARGED_BACK).order_by("pk"))


def get_event(event_id: int) -> PspEvent:
    """One stored PSP event. Raises EventNotFound."""
    event = PspEvent.objects.filter(pk=event_id).first()
    if event is None:
        raise EventNotFound
    return event


def lock_event(event_id: int) -> PspEvent:
    """One stored PSP event, locked; what it is about is locked first. Raises EventNotFound."""
    event = PspEvent.objects.select_for_update(of=("self",)).filter(pk=event_id).first()
    if event is None:
        raise EventNotFound
    return event


def events_to_process(now: datetime, limit: int) -> list[int]:
    """Stored events that are due (again), oldest first."""
    due = PspEvent.objects.filter(
        status__in=[EventStatus.RECEIVED, EventStatus.WAITING], next_try_at__lte=now
    )
    return list(due.order_by("next_try_at").values_list("pk", flat=True)[:limit])


def events_for_staff() -> QuerySet[PspEvent]:
    """Events that could not be taken, which only a person can have processed again."""
    return PspEvent.objects.filter(status=EventStatus.FAILED)


def postings_of(payment: Payment) -> "QuerySet[Transfer]":
    """What the payment moved in the books, oldest first."""
    keys = [
        f"{payment.reference}:{number}:{effect}"
        for number in range(1, payment.attempt + 1)
        for effect in EFFECTS
    ]
    return ledger_selectors.transfers([payment.business_key, *keys])


def destinations_in_force(now: datetime) -> QuerySet[Destination]:
    """The destinations that are, or will be, paid to."""
    not_replaced = Q(usable_until__isnull=True) | Q(usable_until__gt=now)
    return Destination.objects.filter(not_replaced, deactivated_at__isnull=True)


def destinations_of(user_id: int, currency: str, now: datetime) -> list[Destination]:
    """A user's destinations in force that take a currency, the one to prefer first: one that is
    named for the currency, then the newest."""
    takes_it = Q(currency="") | Q(currency=currency)
    found = destinations_in_force(now).filter(takes_it, user=user_id)
    return sorted(found, key=lambda row: (row.currency, row.usable_from, row.pk), reverse=True)


def find_destinations(user_id: int) -> QuerySet[Destination]:
    """A user's destinations in force. The user was found through what the caller may see."""
    return destinations_in_force(clock.now()).filter(user=user_id)


def get_destination(user_id: int, destination_id: int) -> Destination:
    """One of them. Raises DestinationNotFound."""
    destination = find_destinations(user_id).filter(pk=destination_id).first()
    if destination is None:
        raise DestinationNotFound
    return destination


def accounts_of(destination_ids: Collection[int]) -> dict[int, str]:
    """The accounts in full, by destination: for the file of a batch and for the PSP only."""
    found = Destination.objects.filter(pk__in=destination_ids)
    return dict(found.values_list("pk", "account"))


@dataclass(frozen=True, slots=True, repr=False)
class AccountText:
    """An account in full and whose it is; it has no text of its own, so that it is printed nowhere.

    A number of mobile money begins with +.
    """

    number: str
    holder: str


def account_texts_of(
    user_ids: Collection[int], *, parties: Collection[str] = ()
) -> list[AccountText]:
    """Every account that these users and parties ever named: for keeping them out of what leaves
    us."""
    found = Destination.objects.filter(Q(user__in=user_ids) | Q(party__in=parties))
    return [AccountText(*row) for row in found.values_list("account", "holder")]


def was_taken_back(user_id: int, account: str) -> bool:
    """Whether the user once named this account and then said that it is not to be paid."""
    named = Destination.objects.filter(user=user_id, account=account)
    return named.filter(deactivated_at__isnull=False).exists()


def overdue_external(before: datetime, limit: int) -> list[Payment]:
    """Refunds outside a PSP that nobody has confirmed since they were ordered `before`, oldest
    first."""
    waiting = Payment.objects.filter(status=PaymentStatus.SENT, method=PaymentMethod.EXTERNAL)
    return list(waiting.filter(sent_at__lte=before).order_by("sent_at")[:limit])


def is_in_batch(payment_id: int) -> bool:
    """Whether a payment is in a batch that has not come to its end for it."""
    return BatchLine.objects.filter(payment=payment_id, status=BatchLineStatus.OPEN).exists()
