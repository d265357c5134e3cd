"""Which PSP makes a payment, and where it pays: decided when the payment is sent."""

from dataclasses import dataclass

from audit.actions import Action
from kobatela.accounts.selectors import is_active_user
from kobatela.kernel import clock
from payments import recipients, selectors
from payments.models import Destination, DestinationKind, Payment, PaymentKind
from payments.psp import registry
from payments.psp.base import WITHOUT_ROUTE, Reason
from payments.services.rows import save, tell

# What people at a bank or an operator pay, from the file of a batch.
PAID_BY_PEOPLE = frozenset({DestinationKind.MOBILE_MONEY, DestinationKind.BANK})


@dataclass(frozen=True, slots=True)
class Route:
    """A PSP, and who is paid in its words; empty for a refund, which goes back its own way."""

    psp: str
    destination: str


def find_route(payment: Payment) -> Route | None:
    """How a payment would be made now; None while its payee has no destination to use.

    The payee's own destination decides the PSP. Who has named none is paid where the online PSP
    has an account for everybody, or for them.
    """
    if payment.kind == PaymentKind.REFUND and payment.psp != registry.MANUAL:
        return Route(payment.psp, "")
    if payment.payee_id is None:
        return _route_of_party(payment)
    return None if why_payee_waits(payment) else _route_of_user(payment, payment.payee_id)


def why_payee_waits(payment: Payment) -> Reason:
    """Why the user whom a purchase or a payment to a payee is owed to is not paid now.

    Who was deactivated is paid once they are active again; who was named a moment ago, when
    everybody had time to see it. A provider is owed for work that was proven and always paid.
    """
    if not payment.origin or payment.payee_id is None:
        return Reason.NONE
    if not is_active_user(payment.payee_id):
        return Reason.PAYEE_INACTIVE
    is_too_new = payment.payable_from is not None and payment.payable_from > clock.now()
    return Reason.PAYEE_TOO_NEW if is_too_new else Reason.NONE


def account_for(payment: Payment) -> Destination | None:
    """The destination that a batch would pay now for a payment."""
    if why_payee_waits(payment):
        return None
    if payment.payee_id is not None:
        return usable_by_people(payment.payee_id, payment.currency)
    return recipients.usable_destination_of_party(payment.party, clock.now())


def usable_by_people(user_id: int, currency: str) -> Destination | None:
    """The destination of a user that a batch would pay now."""
    for destination in selectors.destinations_of(user_id, currency, clock.now()):
        if _is_usable(destination, ""):
            return destination
    return None


def set_route(payment: Payment) -> bool:
    """Give a payment that is not stored yet its route; whether it has one."""
    route = find_route(payment)
    if route is None:
        payment.destination = ""
        payment.reason = why_payee_waits(payment) or Reason.DESTINATION_MISSING
        return False
    payment.psp, payment.destination = route.psp, route.destination
    if payment.reason in WITHOUT_ROUTE:
        payment.reason = Reason.NONE
    return True


def take_route(payment: Payment, *, actor: str) -> bool:
    """Decide the route of a locked payment that waits; whether it can be called in now.

    One without a destination waits for it, and one that people pay for a batch.
    """
    if payment.psp == registry.MANUAL and selectors.is_in_batch(payment.pk):
        return False
    before = payment.psp, payment.destination, payment.reason
    has_route = set_route(payment)
    if before != (payment.psp, payment.destination, payment.reason):
        save(payment, "psp", "destination", "reason")
        told = {"psp": payment.psp, "reason": str(payment.reason)}
        tell(payment, Action.PAYMENT_ROUTED, actor, body=told)
    return has_route and payment.psp in registry.reachable()


def _route_of_user(payment: Payment, user_id: int) -> Route | None:
    online = _online(payment)
    known = selectors.destinations_of(user_id, payment.currency, clock.now())
    for destination in known:
        if _is_usable(destination, online):
            return _to(destination, online)
    if known or not online:
        return None
    words = registry.default_destination(online, user_id)
    if not words or selectors.was_taken_back(user_id, words):
        return None
    return Route(online, words)


def _route_of_party(payment: Payment) -> Route | None:
    """How somebody who is no user is paid: where the online PSP knows them, else by people."""
    words = registry.party_destination(_online(payment), payment.party) if payment.party else ""
    if words:
        return Route(_online(payment), words)
    account = account_for(payment) if payment.party else None
    return Route(registry.MANUAL, account.reference) if account else None


def _online(payment: Payment) -> str:
    """The PSP of those whom people do not pay; empty when there is none."""
    if payment.kind == PaymentKind.REFUND:
        return ""
    names = (payment.psp, registry.default_name())
    return next((name for name in names if name in registry.ONLINE), "")


def _is_usable(destination: Destination, online: str) -> bool:
    is_served = destination.kind in PAID_BY_PEOPLE or bool(online)
    return is_served and destination.usable_from <= clock.now()


def _to(destination: Destination, online: str) -> Route:
    if destination.kind in PAID_BY_PEOPLE:
        # The account itself stands in the file of a batch and nowhere else.
        return Route(registry.MANUAL, destination.reference)
    return Route(online, selectors.accounts_of([destination.pk])[destination.pk])
