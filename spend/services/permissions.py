"""Where somebody may buy, and whom an escrow's sender may pay."""

from dataclasses import dataclass
from typing import Any

from django.db import transaction

from audit.actions import Action
from audit.services import entries
from escrow import selectors as escrow_selectors
from escrow.services.amounts import AmountIn
from kobatela.accounts.selectors import require_active_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.kernel.errors import ValidationFailed
from spend import selectors
from spend.errors import EscrowNotActive, PayeeAlreadyAllowed
from spend.models import AllowedPayee, AllowedUsage
from spend.services.destinations import (
    Destination,
    alert_changed,
    keep_account,
    payable_from,
    user_of,
)
from spend.services.independence import require_no_stake


@dataclass(frozen=True, slots=True)
class UsageResult:
    """A permission, and whether it was given just now."""

    usage: AllowedUsage
    is_new: bool


@transaction.atomic(savepoint=False)
def allow_usage(
    *, caller: Caller, owner_id: int, merchant_id: int | None, category_id: int | None
) -> UsageResult:
    """Let the owner buy from one merchant, or in one category. Again: no change.

    Raises ValidationFailed (also for both or neither), MerchantNotFound, CategoryNotFound and
    OwnSpendForbidden.
    """
    if (merchant_id is None) == (category_id is None):
        raise ValidationFailed.of("merchant_id", "one_of", "Name a merchant or a category.")
    owner = require_active_user(owner_id, field="owner_id")
    require_no_stake(caller, owner.pk)
    if merchant_id is not None:
        selectors.get_merchant(merchant_id)
    if category_id is not None:
        selectors.get_category(category_id)
    what: dict[str, Any] = {"merchant_id": merchant_id, "category_id": category_id}
    usage, is_new = AllowedUsage.objects.get_or_create(
        **what,
        owner=owner,
        deactivated_at=None,
        defaults={"created_by": caller.actor, "created_at": clock.now()},
    )
    if is_new:
        _tell_usage(usage, Action.USAGE_ALLOWED, caller)
    return UsageResult(usage, is_new)


@transaction.atomic(savepoint=False)
def take_back_usage(*, caller: Caller, usage_id: int) -> AllowedUsage:
    """Take a permission back. Raises UsageNotFound."""
    usage = selectors.lock_usage(usage_id)
    usage.deactivated_at = clock.now()
    usage.save(update_fields=["deactivated_at"])
    _tell_usage(usage, Action.USAGE_TAKEN_BACK, caller)
    return usage


@transaction.atomic(savepoint=False)
def allow_payee(
    *,
    caller: Caller,
    escrow_id: int,
    payee_ref: str,
    label: str,
    destination: Destination | None,
    daily_limit_in: AmountIn | None,
    total_limit_in: AmountIn | None,
) -> AllowedPayee:
    """Let an escrow's sender pay somebody from its free money, within limits.

    Raises EscrowNotFound, EscrowNotActive, PayeeAlreadyAllowed, OwnSpendForbidden and
    ValidationFailed, which names the field.
    """
    escrow_selectors.get_escrow(caller, escrow_id, field="escrow_id")
    escrow = escrow_selectors.lock_escrow(escrow_id)
    daily_minor = daily_limit_in(escrow.currency) if daily_limit_in else None
    total_minor = total_limit_in(escrow.currency) if total_limit_in else None
    payee_id = _payee_of(destination, escrow.client_id)
    require_no_stake(caller, escrow.client_id, escrow.provider_id, payee_id)
    if escrow.status not in escrow_selectors.OPEN_STATUSES:
        raise EscrowNotActive(current=str(escrow.status))
    known = selectors.lock_payee_by_ref(escrow.pk, payee_ref)
    if known is not None:
        raise PayeeAlreadyAllowed(id=known.pk)
    now = clock.now()
    payee = AllowedPayee.objects.create(
        escrow=escrow,
        payee_ref=payee_ref,
        label=label,
        payee_id=payee_id,
        payee_from=payable_from(payee_id),
        currency=escrow.currency,
        daily_limit_minor=daily_minor,
        total_limit_minor=total_minor,
        created_by=caller.actor,
        created_at=now,
        updated_at=now,
    )
    _tell_payee(payee, Action.PAYEE_ALLOWED, caller, daily=daily_minor, total=total_minor)
    keep_account(caller=caller, row=payee, destination=destination, holder=label)
    return payee


@transaction.atomic(savepoint=False)
def update_payee(
    *,
    caller: Caller,
    payee_id: int,
    label: str | None = None,
    destination: Destination | None = None,
) -> AllowedPayee:
    """Call a payee something else, or pay them elsewhere; their limits go on.

    What waits for an account of theirs goes to the new one. What a user was owed stays that
    user's; who wants it back takes it back. Raises PayeeNotFound, OwnSpendForbidden and
    ValidationFailed.
    """
    seen = selectors.get_payee(caller, payee_id)
    escrow = escrow_selectors.lock_escrow(seen.escrow_id)
    payee = selectors.lock_payee(payee_id)
    former_id = payee.payee_id
    if destination is not None:
        payee.payee_id = _payee_of(destination, escrow.client_id)
    require_no_stake(caller, escrow.client_id, escrow.provider_id, former_id, payee.payee_id)
    is_other = payee.payee_id != former_id
    if is_other:
        payee.payee_from = payable_from(payee.payee_id)
    payee.label = label or payee.label
    payee.updated_at = clock.now()
    payee.save(update_fields=["label", "payee", "payee_from", "updated_at"])
    _tell_payee(payee, Action.PAYEE_UPDATED, caller)
    if is_other:
        alert_changed(payee, caller)
    keep_account(caller=caller, row=payee, destination=destination, holder=payee.label)
    return payee


@transaction.atomic(savepoint=False)
def take_back_payee(*, caller: Caller, payee_id: int) -> AllowedPayee:
    """Pay nothing more to a payee. What was ordered goes on. Raises PayeeNotFound."""
    seen = selectors.get_payee(caller, payee_id)
    escrow_selectors.lock_escrow(seen.escrow_id)
    payee = selectors.lock_payee(payee_id)
    payee.deactivated_at = payee.updated_at = clock.now()
    payee.save(update_fields=["deactivated_at", "updated_at"])
    _tell_payee(payee, Action.PAYEE_TAKEN_BACK, caller)
    return payee


def _payee_of(destination: Destination | None, client_id: int) -> int | None:
    user_id = user_of(destination)
    if user_id == client_id:
        message = "The sender's own money goes back to them by a refund."
        raise ValidationFailed.of("destination.user_id", "same_as_client", message)
    return user_id


def _tell_usage(usage: AllowedUsage, action: Action, caller: Caller) -> None:
    entries.record(
        actor=caller.actor,
        on_behalf_of=caller.on_behalf_of,
        action=action,
        subject=usage.reference,
        body={
            "owner_id": usage.owner_id,
            "merchant_id": usage.merchant_id,
            "category_id": usage.category_id,
        },
    )


def _tell_payee(payee: AllowedPayee, action: Action, caller: Caller, **limits: int | None) -> None:
    body: dict[str, Any] = {"payee_id": payee.pk, "user_id": payee.payee_id}
    body |= {f"{name}_limit_minor": value for name, value in limits.items() if value is not None}
    entries.record(
        actor=caller.actor,
        on_behalf_of=caller.on_behalf_of,
        action=action,
        subject=payee.reference,
        stream=f"escrow:{payee.escrow_id}",
        body={**body, "currency": payee.currency},
    )
