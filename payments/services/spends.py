"""Paying merchants and payees from an escrow, and getting such money back into it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from audit.actions import Action
from kobatela.kernel import clock
from kobatela.kernel.money import Money
from payments import recipients, selectors
from payments.errors import PaymentInTransit, PaymentNotGivenBack, PaymentOnHold
from payments.ledger import chart
from payments.ledger.chart import AccountRef, PostingCode
from payments.ledger.services import credit, debit, post
from payments.models import Hold, Payment, PaymentKind, PaymentMethod, PaymentStatus
from payments.psp import registry
from payments.psp.base import Reason
from payments.schedule import SWEEP_EVERY_S
from payments.services.debts import SetOff, credits_of, recover_all
from payments.services.payouts import WAITING
from payments.services.routes import set_route
from payments.services.rows import add_payment, save, tell

# For so long an order that its PSP never got may still turn up there: its money is not spent
# elsewhere meanwhile.
TURNS_UP_WITHIN = timedelta(days=3)
_YIELDING = frozenset({Hold.NONE, Hold.RETURNED})


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who is paid: a user, or `party` (`payee:3`, `merchant:7`) where that is none.

    payable_from: the user is not paid before, because they were named a moment ago.
    """

    party: str
    user_id: int | None = None
    payable_from: datetime | None = None


@transaction.atomic
def request_spend(
    *,
    escrow_id: int,
    kind: str,
    payer_id: int,
    recipient: Recipient,
    money: Money,
    origin: str,
    actor: str,
) -> Payment:
    """Give `money` of the escrow to the recipient and order its payment.

    The escrow must be locked. kind: `spend` or `purchase`. origin: what is paid for
    (`purchase:5`); it is paid for once. Raises AlreadyPosted when it was before, and
    InsufficientFunds when the escrow does not hold that much.
    """
    payment = Payment(
        escrow_id=escrow_id,
        kind=PaymentKind(kind),
        method=PaymentMethod.PSP,
        payer_id=payer_id,
        payee_id=recipient.user_id,
        party="" if recipient.user_id is not None else recipient.party,
        origin=origin,
        payable_from=recipient.payable_from,
        amount_minor=money.amount_minor,
        currency=money.currency,
        psp=registry.default_name(),
        business_key=f"{origin}:pay",
    )
    post(
        business_key=payment.business_key,
        code=PostingCode.SPEND,
        currency=money.currency,
        legs=[
            debit(chart.escrow_held(escrow_id), money.amount_minor),
            credit(_owed(payment), money.amount_minor),
        ],
    )
    set_route(payment)
    return add_payment(payment, actor=actor)


@transaction.atomic
def take_back(
    *,
    origin: str,
    is_given_back: bool,
    actor: str,
    on_behalf_of: int | None = None,
    set_off: Sequence[SetOff] = (),
) -> Payment:
    """Put what was paid for `origin` back into its escrow, which must be locked.

    An order that was not sent, or that the PSP refused, is cancelled. Money that has arrived
    counts as back only when somebody who may say so says that it was given back
    (`is_given_back`); it is then with us outside the PSP, as a deposit that support confirms.
    set_off: the parts of it that pay what the payer owes for lost chargebacks, or make our loss of
    that good, and do not come into the escrow; their cases are locked.

    Raises PaymentNotFound, PaymentInTransit while the outcome is open, and for three days after the
    PSP was said never to have got the order, with when to ask again where that is known,
    PaymentOnHold while staff or a chargeback keeps it, PaymentNotGivenBack, and AlreadyPosted the
    second time.
    """
    payment = selectors.lock_payment(recipients.payment_of_origin(origin).pk)
    if payment.status in WAITING and payment.hold_reason not in _YIELDING:
        raise PaymentOnHold
    may_turn_up_until = _may_turn_up_until(payment)
    if payment.status in WAITING and may_turn_up_until is not None:
        raise PaymentInTransit(_seconds_until(may_turn_up_until))
    if payment.status in WAITING and not selectors.is_in_batch(payment.pk):
        payment.transition_to(PaymentStatus.CANCELLED)
        save(payment, "status")
        _put_back(payment, PostingCode.SPEND_TAKEN_BACK, _owed(payment), set_off)
        action = Action.PAYMENT_TAKEN_BACK
    elif payment.status != PaymentStatus.SETTLED:
        raise PaymentInTransit(_when_it_is_looked_at(payment))
    elif not is_given_back:
        raise PaymentNotGivenBack
    else:
        _put_back(payment, PostingCode.SPEND_GIVEN_BACK, chart.psp(registry.MANUAL), set_off)
        action = Action.PAYMENT_GIVEN_BACK
    recover_all(set_off, actor=actor, by=payment.reference)
    tell(payment, action, actor, on_behalf_of=on_behalf_of)
    return payment


def amount_paid_for(origin: str) -> Money:
    """What was, or is to be, paid for `origin`. Raises PaymentNotFound."""
    return recipients.payment_of_origin(origin).money


def _may_turn_up_until(payment: Payment) -> datetime | None:
    """Until when an order that its PSP never got may turn up there; None for any other, and after
    that."""
    attempt = selectors.last_attempt(payment)
    if attempt is None or attempt.reason != Reason.NEVER_RECEIVED or attempt.finished_at is None:
        return None
    until = attempt.finished_at + TURNS_UP_WITHIN
    return until if until > clock.now() else None


def _when_it_is_looked_at(payment: Payment) -> int | None:
    """How long until the PSP is asked what became of a payment, in seconds; None where people pay
    it, whose statement comes when it comes."""
    if payment.status != PaymentStatus.SENT or payment.lease_until is None:
        return None
    return max(SWEEP_EVERY_S, _seconds_until(payment.lease_until))


def _seconds_until(moment: datetime) -> int:
    return math.ceil((moment - clock.now()).total_seconds())


def _put_back(
    payment: Payment, code: PostingCode, taken_from: AccountRef, set_off: Sequence[SetOff]
) -> None:
    legs = [debit(taken_from, payment.amount_minor)]
    kept_minor = sum(part.amount_minor for part in set_off)
    legs += credits_of(set_off)
    if kept_minor < payment.amount_minor:
        rest_minor = payment.amount_minor - kept_minor
        legs.append(credit(chart.escrow_held(payment.escrow_id), rest_minor))
    post(
        business_key=f"{payment.origin}:back",
        code=code,
        currency=payment.currency,
        legs=legs,
    )


def _owed(payment: Payment) -> AccountRef:
    if payment.payee_id is None:
        return chart.party_payable(payment.party)
    return chart.user_payable(payment.payee_id)
