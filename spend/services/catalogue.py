"""Categories and merchants, kept by support."""

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction

from audit.actions import Action
from audit.services import entries
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.kernel.errors import DomainError
from spend import selectors
from spend.errors import CategoryExists, MerchantExists
from spend.models import Category, Merchant
from spend.services.destinations import (
    Destination,
    alert_changed,
    keep_account,
    payable_from,
    user_of,
)
from spend.services.independence import require_no_stake


@transaction.atomic(savepoint=False)
def create_category(*, caller: Caller, code: str, label: str) -> Category:
    """Add a category. Raises CategoryExists."""
    now = clock.now()
    category = Category(code=code, label=label, created_at=now, updated_at=now)
    _insert(category, CategoryExists)
    _tell(category.reference, Action.CATEGORY_CREATED, caller, code=code)
    return category


@transaction.atomic(savepoint=False)
def update_category(*, caller: Caller, category_id: int, changes: Mapping[str, Any]) -> Category:
    """Change the label, or whether it is active. Raises CategoryNotFound."""
    category = selectors.lock_category(category_id)
    changed = _apply(category, changes)
    if changed:
        category.save(update_fields=[*changed, "updated_at"])
        _tell(category.reference, Action.CATEGORY_UPDATED, caller, **_told(category, changed))
    return category


@transaction.atomic(savepoint=False)
def create_merchant(
    *,
    caller: Caller,
    name: str,
    category_id: int | None = None,
    is_certified: bool = False,
    destination: Destination | None = None,
) -> Merchant:
    """Add a merchant. Raises CategoryNotFound, MerchantExists, OwnSpendForbidden and
    ValidationFailed for a destination that is not one."""
    category = selectors.get_category(category_id) if category_id is not None else None
    now = clock.now()
    merchant = Merchant(
        name=name, category=category, is_certified=is_certified, created_at=now, updated_at=now
    )
    if destination is not None:
        _pay_to(merchant, caller, destination)
    _insert(merchant, MerchantExists)
    _tell(
        merchant.reference,
        Action.MERCHANT_CREATED,
        caller,
        category_id=category_id,
        is_certified=is_certified,
        payee_id=merchant.payee_id,
    )
    keep_account(caller=caller, row=merchant, destination=destination, holder=name)
    return merchant


@transaction.atomic(savepoint=False)
def update_merchant(
    *,
    caller: Caller,
    merchant_id: int,
    changes: Mapping[str, Any],
    destination: Destination | None = None,
) -> Merchant:
    """Change the name, the category, whether certified or active, and where they are paid.

    Raises MerchantNotFound, CategoryNotFound, MerchantExists, OwnSpendForbidden and
    ValidationFailed.
    """
    merchant = selectors.lock_merchant(merchant_id)
    if changes.get("category_id") is not None:
        selectors.get_category(changes["category_id"])
    if destination is not None:
        user_id = user_of(destination)
        require_no_stake(caller, user_id)
        changes = {**changes, "payee_id": user_id}
    changed = _apply(merchant, changes)
    if "payee_id" in changed:
        merchant.payee_from = payable_from(merchant.payee_id)
    if changed:
        try:
            with transaction.atomic():
                merchant.save(update_fields=[*changed, "payee_from", "updated_at"])
        except IntegrityError as error:
            raise MerchantExists from error
        _tell(merchant.reference, Action.MERCHANT_UPDATED, caller, **_told(merchant, changed))
    if "payee_id" in changed:
        alert_changed(merchant, caller)
    keep_account(caller=caller, row=merchant, destination=destination, holder=merchant.name)
    return merchant


def _pay_to(merchant: Merchant, caller: Caller, destination: Destination) -> None:
    merchant.payee_id = user_of(destination)
    merchant.payee_from = payable_from(merchant.payee_id)
    require_no_stake(caller, merchant.payee_id)


def _insert(row: Category | Merchant, error: type[DomainError]) -> None:
    try:
        # The row's only unique column is the code or the name.
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as broken:
        raise error from broken


def _apply(row: Category | Merchant, changes: Mapping[str, Any]) -> list[str]:
    changed = [name for name, value in changes.items() if getattr(row, name) != value]
    for name in changed:
        setattr(row, name, changes[name])
    if changed:
        row.updated_at = clock.now()
    return changed


def _told(row: Category | Merchant, changed: list[str]) -> dict[str, Any]:
    # Names and labels are words, which the trail does not hold.
    values = {name: getattr(row, name) for name in changed if name not in {"name", "label"}}
    return {"changed": changed, **values}


def _tell(subject: str, action: Action, caller: Caller, **body: Any) -> None:
    entries.record(
        actor=caller.actor,
        on_behalf_of=caller.on_behalf_of,
        action=action,
        subject=subject,
        body=body,
    )
