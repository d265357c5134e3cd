"""Having a PSP collect a deposit from the sender."""

import secrets
from datetime import timedelta

from django.db import transaction

from audit.actions import Action
from audit.services.alerts import AlertType, Severity, raise_alert
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.kernel.crashpoints import crashpoint
from kobatela.kernel.money import Money
from payments import hooks, selectors
from payments.errors import PspNotConfigured, PspRefused, PspUnavailable
from payments.models import Funding, FundingStatus
from payments.psp import registry
from payments.psp.base import OrderState, PspDown, PspSaysNo
from payments.services.fees import book_fee
from payments.services.second_amounts import (
    alert_told_again,
    book_other_amount,
    book_other_charge,
    is_another_charge,
    save_funding,
    tell_of_funding,
)

SUPERSEDED = "SUPERSEDED"
EXPIRED = "EXPIRED"
PSP_REFUSED = "PSP_REFUSED"

# The PSP reports within seconds; what it has not reported by then may have been lost.
LOOK_AFTER = timedelta(minutes=10)
LOOK_EVERY = timedelta(hours=1)
# A session that was replaced or expired here stays open at the PSP, and its payer has its secret.
LOOK_AT_ENDED_EVERY = timedelta(hours=6)
LOOK_AT_ENDED_FOR = timedelta(days=30)
# A fee is on record with the charge; where it is not, an hour changes nothing.
FEE_EVERY = timedelta(hours=12)
# As long as a deposit may be announced without arriving.
EXPIRES_AFTER = timedelta(days=14)


def open_session(*, caller: Caller, escrow_id: int, payer_id: int, money: Money) -> Funding:
    """Open a PSP session in which `payer_id` pays `money`; the answer has its client secret.

    Called outside any transaction, because a PSP is called between two of them. While a session
    for the same amount is open it is answered again; one for another amount is replaced. Raises
    PspNotConfigured, PspUnavailable (a retry finds the same session) and PspRefused.
    """
    with transaction.atomic(durable=True):
        funding = create_funding(
            actor=caller.actor,
            on_behalf_of=caller.on_behalf_of,
            escrow_id=escrow_id,
            payer_id=payer_id,
            money=money,
        )
    crashpoint("funding.created")
    return open_at_psp(funding_id=funding.pk)


@transaction.atomic
def create_funding(
    *,
    actor: str,
    escrow_id: int,
    payer_id: int,
    money: Money,
    on_behalf_of: int | None = None,
) -> Funding:
    """The row of a session that is to be opened, or the open one for the same amount.

    Locks the escrow. Raises PspNotConfigured where no PSP collects.
    """
    psp = registry.default_name()
    if psp not in registry.reachable():
        raise PspNotConfigured
    hooks.funding_handler().lock_owner(escrow_id)
    earlier = selectors.open_funding(escrow_id)
    if earlier is not None:
        if earlier.money == money and earlier.payer_id == payer_id:
            return earlier
        # Should it be paid all the same, the money is booked, and what is too much goes back.
        _fail(selectors.lock_funding(earlier.pk), SUPERSEDED, actor)
    key = f"kobf_{secrets.token_hex(16)}"
    now = clock.now()
    metadata = {"escrow": str(escrow_id), "reference": key}
    funding = Funding.objects.create(
        escrow_id=escrow_id,
        payer_id=payer_id,
        amount_minor=money.amount_minor,
        currency=money.currency,
        psp=psp,
        psp_key=key,
        request_body=registry.get_psp(psp).funding_body(money, metadata),
        next_look_at=now + LOOK_AFTER,
        created_by=actor,
        created_at=now,
        updated_at=now,
    )
    tell_of_funding(funding, Action.FUNDING_CREATED, actor, on_behalf_of=on_behalf_of)
    return funding


def open_at_psp(*, funding_id: int) -> Funding:
    """Open the session at the PSP and keep its client secret; nothing when that is done.

    Called outside any transaction. Raises PspUnavailable and PspRefused.
    """
    funding = Funding.objects.get(pk=funding_id)
    if funding.client_secret:
        return funding
    try:
        opened = registry.get_psp(funding.psp).open_funding(funding.psp_key, funding.request_body)
    except PspDown as error:
        raise PspUnavailable from error
    except PspSaysNo as error:
        fail_funding(funding_id=funding_id, reason=PSP_REFUSED, actor=f"psp:{funding.psp}")
        raise PspRefused from error
    crashpoint("funding.opened")
    with transaction.atomic(durable=True):
        funding = selectors.lock_funding(funding_id)
        if not funding.client_secret:
            funding.client_secret = opened.client_secret
            funding.psp_ref = opened.psp_ref
            save_funding(funding, "client_secret", "psp_ref")
        crashpoint("funding.secret_written")
    crashpoint("funding.secret_kept")
    return funding


def look_up_funding(*, funding_id: int) -> None:
    """Ask the PSP what became of an open session whose report may have been lost.

    Called outside any transaction. A session that nobody paid within 14 days has failed.
    """
    funding = _postpone_look(funding_id)
    if funding is None:
        return
    crashpoint("funding.look_postponed")
    actor = f"psp:{funding.psp}"
    found = registry.get_psp(funding.psp).find_funding(funding.psp_key, funding.psp_ref or "")
    crashpoint("funding.looked_up")
    if found.state is OrderState.SETTLED:
        succeed_funding(
            funding_id=funding_id,
            money=found.money,
            psp_ref=found.psp_ref,
            actor=actor,
            fee=found.fee,
        )
    elif found.state is OrderState.FAILED:
        fail_funding(funding_id=funding_id, reason=PSP_REFUSED, actor=actor)
    elif found.state is not OrderState.UNKNOWN and _is_too_old(funding):
        fail_funding(funding_id=funding_id, reason=EXPIRED, actor="system:payments")


def look_up_ended_funding(*, funding_id: int) -> None:
    """Ask the PSP whether a session that has failed here was paid there, and its report lost.

    Called outside any transaction. What was paid is booked as money that a PSP reports.
    """
    funding = _postpone_look(funding_id, FundingStatus.FAILED, LOOK_AT_ENDED_EVERY)
    if funding is None:
        return
    found = registry.get_psp(funding.psp).find_funding(funding.psp_key, funding.psp_ref or "")
    if found.state is OrderState.SETTLED:
        succeed_funding(
            funding_id=funding_id,
            money=found.money,
            psp_ref=found.psp_ref,
            actor=f"psp:{funding.psp}",
            fee=found.fee,
        )


@transaction.atomic(durable=True)
def _postpone_look(
    funding_id: int,
    status: FundingStatus = FundingStatus.CREATED,
    every: timedelta = LOOK_EVERY,
) -> Funding | None:
    funding = selectors.lock_funding(funding_id)
    if funding.status != status:
        return None
    funding.next_look_at = clock.now() + every
    # That somebody looks is no change of the session.
    funding.save(update_fields=["next_look_at"])
    return funding


def _is_too_old(funding: Funding) -> bool:
    return clock.now() - funding.created_at > EXPIRES_AFTER


def look_up_fee(*, funding_id: int) -> None:
    """Ask the PSP what it charged for money that has come in. Called outside any transaction."""
    funding = _postpone_look(funding_id, FundingStatus.SUCCEEDED, FEE_EVERY)
    if funding is None or funding.fee_minor is not None:
        return
    found = registry.get_psp(funding.psp).find_funding(funding.psp_key, funding.psp_ref or "")
    if found.state is OrderState.SETTLED and found.fee is not None:
        succeed_funding(
            funding_id=funding_id,
            money=found.money,
            psp_ref=found.psp_ref,
            actor=f"psp:{funding.psp}",
            fee=found.fee,
        )


@transaction.atomic
def succeed_funding(
    *,
    funding_id: int,
    money: Money | None,
    psp_ref: str,
    actor: str,
    fee: Money | None = None,
    charge: str = "",
    is_told_again: bool = False,
) -> Funding:
    """Book what the PSP reports as collected; `money` is its figure, ours when it gives none.

    Reported money is booked whatever was asked for; a difference raises an alert. Again: no
    effect, but for a fee that was not told before, and for what is no repeat (second_amounts).
    charge: how the PSP names what was paid, "" where it names the session only. is_told_again:
    whether another report has said the same before.
    """
    funding = _locked(funding_id)
    if funding.status != FundingStatus.SUCCEEDED:
        _succeed(funding, money or funding.money, psp_ref, actor, charge)
    elif is_another_charge(funding, charge):
        # What was charged for it is not the session's one fee.
        book_other_charge(funding, charge, money or funding.money, actor)
        fee = None
    elif money is not None and money != funding.received:
        book_other_amount(funding, money, actor)
    elif is_told_again:
        alert_told_again(funding)
    if fee is not None and funding.fee_minor is None and fee.currency == funding.received_currency:
        is_taken = book_fee(
            subject=funding.reference,
            escrow_id=funding.escrow_id,
            psp=funding.psp,
            fee=fee,
            charged_for=funding.received,
            actor=actor,
        )
        if is_taken:
            funding.fee_minor = fee.amount_minor
            save_funding(funding, "fee_minor")
    crashpoint("funding.booked")
    return funding


def _succeed(funding: Funding, received: Money, psp_ref: str, actor: str, charge: str) -> None:
    funding.transition_to(FundingStatus.SUCCEEDED)
    funding.psp_ref = funding.psp_ref or psp_ref
    funding.received_ref = charge
    funding.reason = ""
    funding.received_minor = received.amount_minor
    funding.received_currency = received.currency
    save_funding(
        funding,
        "status",
        "psp_ref",
        "reason",
        "received_ref",
        "received_minor",
        "received_currency",
    )
    tell_of_funding(funding, Action.FUNDING_SUCCEEDED, actor, event="funding.succeeded")
    if received != funding.money:
        _alert_difference(funding)
    hooks.funding_handler().succeeded(funding, received, funding.psp)


@transaction.atomic
def fail_funding(*, funding_id: int, reason: str, actor: str) -> Funding:
    """The session ended without money. No effect on one that has ended."""
    funding = _locked(funding_id)
    if funding.status == FundingStatus.CREATED:
        _fail(funding, reason, actor)
    return funding


def _locked(funding_id: int) -> Funding:
    escrow_id = Funding.objects.values_list("escrow_id", flat=True).get(pk=funding_id)
    hooks.funding_handler().lock_owner(escrow_id)
    return selectors.lock_funding(funding_id)


def _fail(funding: Funding, reason: str, actor: str) -> None:
    funding.transition_to(FundingStatus.FAILED)
    funding.reason = reason
    funding.next_look_at = clock.now() + LOOK_EVERY
    save_funding(funding, "status", "reason", "next_look_at")
    tell_of_funding(funding, Action.FUNDING_FAILED, actor, event="funding.failed")
    hooks.funding_handler().failed(funding)


def _alert_difference(funding: Funding) -> None:
    raise_alert(
        type=AlertType.RECONCILIATION_MISMATCH,
        severity=Severity.WARNING,
        subject=funding.reference,
        message="The PSP collected another amount than the one that was asked for.",
        payload={
            "escrow": funding.escrow_id,
            "asked_minor": funding.amount_minor,
            "asked_currency": funding.currency,
            "received_minor": funding.received_minor,
            "received_currency": funding.received_currency,
        },
    )
