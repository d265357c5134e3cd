"""What a PSP says of a session that was paid already: a repeat, or money that is booked and held.

No money that is reported is left out of the books, and none that was booked is taken from anybody
by a report alone. Nor is any sent: its refund waits for staff.
"""

from contextlib import suppress

from django.db.models import Sum

from audit.actions import Action
from audit.services import entries
from audit.services.alerts import AlertType, Severity, raise_alert
from kobatela.kernel import clock
from kobatela.kernel.money import Money
from payments.ledger.errors import AlreadyPosted
from payments.models import EventStatus, Funding, Hold, Payment, PspEvent
from payments.services.receipts import book_surplus

# By whatever door it comes, this is how a PSP says that a session was paid.
_PAID = ("funding.succeeded", "payment_intent.succeeded")
_OTHER_AMOUNT = (
    "The PSP reports a second amount for a session that was paid already. What it is more is "
    "booked; its refund is on hold until staff has looked at the PSP's record."
)
_OTHER_CHARGE = (
    "The PSP reports a second charge in a session that was paid already. It is booked; its refund "
    "is on hold until staff has looked at the PSP's record."
)
_TOLD_AGAIN = (
    "The PSP reports for a second time, without a name of the charge, that a session was paid. It "
    "is taken for a repeat and not booked; compare with the PSP's record."
)


def is_another_charge(funding: Funding, charge: str) -> bool:
    """Whether this is the PSP's name of something else than what was booked for the session."""
    return charge not in {"", funding.psp_key, funding.psp_ref, funding.received_ref}


def was_told_before(funding: Funding, provider: str, event_id: str) -> bool:
    """Whether another event than this one has said that the session was paid."""
    told = PspEvent.objects.filter(funding=funding, type__in=_PAID, status=EventStatus.PROCESSED)
    return told.exclude(provider=provider, event_id=event_id).exists()


def book_other_charge(funding: Funding, charge: str, money: Money, actor: str) -> None:
    """Book all that a second charge in a paid session brought. Again: no effect."""
    name = f"charge:{charge}"
    if _book(funding, money, charge, name, actor):
        _alert(funding, Severity.CRITICAL, _OTHER_CHARGE, money, charge=charge)


def book_other_amount(funding: Funding, money: Money, actor: str) -> None:
    """Book what the PSP's figure for a paid session is more than what it has told before in the
    same currency. Again, or less: no effect but for the alert."""
    _alert(funding, Severity.CRITICAL, _OTHER_AMOUNT, money)
    is_foreign = money.currency != funding.received_currency
    name = f"{money.currency}:" if is_foreign else ""
    before = _told_beside(funding, name, money.currency) if is_foreign else funding.received
    if money.amount_minor <= before.amount_minor:
        return
    if not is_foreign:
        funding.received_minor = money.amount_minor
        save_funding(funding, "received_minor")
    more = money - before
    _book(funding, more, funding.psp_ref, f"more:{name}{money.amount_minor}", actor)


def alert_told_again(funding: Funding) -> None:
    """Tell staff that a session was said once more to have been paid, in the same words."""
    _alert(funding, Severity.WARNING, _TOLD_AGAIN, funding.received)


def save_funding(funding: Funding, *fields: str) -> None:
    """Save the named fields, and when."""
    funding.updated_at = clock.now()
    funding.save(update_fields=[*fields, "updated_at"])


def tell_of_funding(
    funding: Funding,
    action: Action,
    actor: str,
    *,
    event: str | None = None,
    on_behalf_of: int | None = None,
) -> None:
    """Write the audit entry of what just happened to the session, in its escrow's stream."""
    entries.record(
        actor=actor,
        action=action,
        subject=funding.reference,
        stream=f"escrow:{funding.escrow_id}",
        body={
            "status": str(funding.status),
            "amount_minor": funding.amount_minor,
            "currency": funding.currency,
            "received_minor": funding.received_minor,
            "received_currency": funding.received_currency,
            "reason": funding.reason,
        },
        on_behalf_of=on_behalf_of,
        event=event,
        audience=[funding.payer_id],
    )


def _told_beside(funding: Funding, name: str, currency: str) -> Money:
    """What was booked of the session in a currency in which it was not paid first."""
    key = f"{funding.reference}:more:{name}"
    booked = Payment.objects.filter(escrow=funding.escrow_id, business_key__startswith=key)
    total: int | None = booked.aggregate(total=Sum("amount_minor"))["total"]
    return Money(total or 0, currency)


def _book(funding: Funding, money: Money, charge: str | None, name: str, actor: str) -> bool:
    """Whether it was not booked before."""
    with suppress(AlreadyPosted):
        book_surplus(
            escrow_id=funding.escrow_id,
            client_id=funding.payer_id,
            source=f"psp:{funding.psp}",
            charge_ref=charge,
            money=money,
            business_key=f"{funding.reference}:{name}",
            actor=actor,
            hold=Hold.CONTRADICTION,
        )
        tell_of_funding(funding, Action.FUNDING_CORRECTED, actor)
        return True
    return False


def _alert(
    funding: Funding, severity: Severity, message: str, reported: Money, **more: str
) -> None:
    raise_alert(
        type=AlertType.RECONCILIATION_MISMATCH,
        severity=severity,
        subject=funding.reference,
        message=message,
        payload={
            "escrow": funding.escrow_id,
            "received_minor": funding.received_minor,
            "received_currency": funding.received_currency,
            "reported_minor": reported.amount_minor,
            "reported_currency": reported.currency,
            **more,
        },
    )
