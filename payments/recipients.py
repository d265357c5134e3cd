"""Reading what pays merchants and payees, and the accounts of those who are no users."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from kobatela.kernel import clock
from payments.errors import PaymentNotFound
from payments.models import Destination, Payment
from payments.selectors import destinations_in_force


@dataclass(frozen=True, slots=True)
class Recipients:
    """Whom the payments of an escrow go to or come from: users, and parties that are none."""

    user_ids: frozenset[int]
    parties: frozenset[str]


def recipients_of(escrow_id: int, *, limit: int) -> Recipients:
    """All who were ever to be paid from an escrow, or to pay for it; found in at most `limit` rows
    of different ones."""
    rows = Payment.objects.filter(escrow=escrow_id).order_by("payee_id", "party")
    told = rows.values_list("payee_id", "payer_id", "collector_id", "party").distinct()
    found = list(told[:limit])
    return Recipients(
        user_ids=frozenset(filter(None, (user_id for *users, _ in found for user_id in users))),
        parties=frozenset(filter(None, (party for *_, party in found))),
    )


def payment_of_origin(origin: str) -> Payment:
    """The row that pays for something now: its first payment, or what followed one that came back.
    Raises PaymentNotFound."""
    payment = payments_of_origins([origin]).get(origin)
    if payment is None:
        raise PaymentNotFound
    return payment


def payments_of_origins(origins: Collection[str]) -> dict[str, Payment]:
    """`payment_of_origin` of many in one query; those without one are left out."""
    found = Payment.objects.filter(origin__in=origins).exclude(origin="").order_by("pk")
    return {payment.origin: payment for payment in found}


def origin_of_payment(payment_id: int) -> str:
    """What a payment pays for (`spending:9`); empty for a payout, a refund, or no payment."""
    found = Payment.objects.filter(pk=payment_id).values_list("origin", flat=True)
    return found.first() or ""


def destination_of_party(party: str) -> Destination | None:
    """The newest account in force of somebody who is no user; None while they have none."""
    return destinations_of_parties([party]).get(party)


def destinations_of_parties(parties: Collection[str]) -> dict[str, Destination]:
    """`destination_of_party` of many in one query; those without one are left out."""
    found = destinations_in_force(clock.now()).filter(party__in=parties)
    return {destination.party: destination for destination in found.order_by("pk")}


def usable_destination_of_party(party: str, now: datetime) -> Destination | None:
    """The account to which somebody who is no user is paid now; None while there is none."""
    found = destinations_in_force(now).filter(party=party, usable_from__lte=now)
    return found.order_by("-usable_from", "-pk").first()
