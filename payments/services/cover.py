"""Whether a PSP holds the money of a payment before it is told to pay it.

What counts is our own ledger: what came in through the PSP and has not left, less what is on its
way out. Money that lies with a collector covers nothing that a PSP is to pay.
"""

from collections.abc import Collection, Sequence

from django.conf import settings
from django.db import connection, transaction

from audit.actions import Action
from audit.services.alerts import AlertType, Severity, raise_alert
from payments import bells, selectors
from payments.coverage import free_minor
from payments.models import Hold, Payment, PaymentStatus
from payments.psp.base import Reason
from payments.services.rows import lock_owner, save, tell

_ACTOR = "system:coverage"
# Two payments must not count on the same money, and the account's sixteen balance rows are not
# there to be locked; this is, until the transaction ends.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"


def take_cover(payments: Sequence[Payment], *, actor: str) -> Collection[int]:
    """Those of the payments, all of one PSP and currency, for which the money is there, by id.

    The others wait UNCOVERED. Called when every payment of the transaction is locked and before
    anything is booked: the PSP's money stays locked until the transaction ends, so that what is
    free is given once. Earlier ones come first; a smaller one passes one that is too large.
    """
    if not (_is_required() and payments):
        return [payment.pk for payment in payments]
    left_minor = _lock_free_minor(payments[0])
    covered: list[int] = []
    for payment in payments:
        if payment.amount_minor <= left_minor:
            left_minor -= payment.amount_minor
            covered.append(payment.pk)
        else:
            _wait(payment, actor)
    return covered


def payments_to_sort(limit: int) -> list[int]:
    """Payments whose cover is not what their reason says: what waits UNCOVERED and could go, and
    what waits for people who could not pay it. The oldest first, by PSP and currency."""
    found: list[int] = []
    for psp, currency in selectors.accounts_to_cover():
        left_minor = free_minor(psp, currency)
        for payment_id, reason, amount_minor in selectors.payments_to_cover(psp, currency, limit):
            is_waiting = reason == Reason.UNCOVERED
            is_covered = not _is_required() or amount_minor <= left_minor
            if is_covered and is_waiting:
                left_minor -= amount_minor
            if is_covered == is_waiting:
                found.append(payment_id)
    return found[:limit]


@transaction.atomic
def sort_payment(*, payment_id: int) -> bool:
    """Let a payment go on whose money is there now, or mark one that people could not pay.

    What goes on is sent by a worker after the commit, or can be put into a batch.
    """
    seen = Payment.objects.get(pk=payment_id)
    lock_owner(seen)
    payment = selectors.lock_payment(payment_id)
    is_at_rest = payment.status == PaymentStatus.PENDING and payment.hold_reason == Hold.NONE
    if not is_at_rest or payment.reason not in {Reason.NONE, Reason.UNCOVERED}:
        return False
    if _is_required() and payment.amount_minor > _lock_free_minor(payment):
        return _wait(payment, _ACTOR)
    return payment.reason == Reason.UNCOVERED and _go_on(payment)


def _is_required() -> bool:
    required: bool = settings.KOBATELA_REQUIRE_COVERAGE
    return required


def lock_free_minor(psp: str, currency: str) -> int:
    """What a PSP holds and has promised to nobody, locked until the transaction ends."""
    _lock_place(psp, currency)
    return free_minor(psp, currency)


def lock_collector(user_id: int, currency: str) -> None:
    """Keep others from counting on what lies with a collector, until the transaction ends. Before
    anything is booked, because the books are locked last."""
    _lock_place(f"collector:{user_id}", currency)


def _lock_place(place: str, currency: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [f"coverage:{place}:{currency}"])


def _lock_free_minor(payment: Payment) -> int:
    return lock_free_minor(payment.psp, payment.currency)


def _go_on(payment: Payment) -> bool:
    payment.reason = Reason.NONE
    save(payment, "reason")
    tell(payment, Action.PAYMENT_COVERED, _ACTOR, body={"psp": payment.psp})
    bells.ring_for_payment(payment.pk)
    return True


def _wait(payment: Payment, actor: str) -> bool:
    if payment.reason == Reason.UNCOVERED:
        return False
    payment.reason = Reason.UNCOVERED
    save(payment, "reason")
    tell(payment, Action.PAYMENT_UNCOVERED, actor, body={"psp": payment.psp})
    raise_alert(
        type=AlertType.COVERAGE_SHORTFALL,
        severity=Severity.WARNING,
        subject=f"coverage:{payment.psp}:{payment.currency}",
        message="A payment waits because the PSP that would make it does not hold the money.",
        payload={
            "payment": payment.pk,
            "amount_minor": payment.amount_minor,
            "currency": payment.currency,
            "free_minor": free_minor(payment.psp, payment.currency),
        },
    )
    return True
