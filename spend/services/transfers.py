"""Restricted transfers: who may receive them, and recording those that are allowed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db import IntegrityError, transaction

from audit.actions import Action
from audit.services import entries
from audit.services.alerts import AlertType, Severity, raise_alert
from kobatela.accounts.selectors import require_active_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.kernel.errors import FieldProblem, ValidationFailed
from kobatela.kernel.money import Money, format_minor
from spend import transfers
from spend.errors import UnauthorizedTransfer
from spend.models import AllowedRecipient, Basis, CertifiedAccount, Level, Transfer

Permission = TypeVar("Permission", AllowedRecipient, CertifiedAccount)


@dataclass(frozen=True, slots=True)
class Allowed(Generic[Permission]):
    """A row that permits, and whether this call made it."""

    row: Permission
    is_new: bool


@transaction.atomic
def allow_recipient(
    *, caller: Caller, owner_id: int, recipient_id: int
) -> Allowed[AllowedRecipient]:
    """Let one user transfer to another; who may already stays as they are.

    Raises ValidationFailed for users who are unknown, not active or one and the same.
    """
    _check_users(owner_id=owner_id, recipient_id=recipient_id)
    allowed = transfers.allowed_recipients().filter(owner=owner_id, recipient=recipient_id)
    try:
        with transaction.atomic():
            row, is_new = allowed.get_or_create(
                owner_id=owner_id,
                recipient_id=recipient_id,
                removed_at=None,
                defaults={"created_by": caller.actor, "created_at": clock.now()},
            )
    except IntegrityError:
        row, is_new = allowed.get(), False
    if is_new:
        _tell(caller, Action.ALLOWLIST_ADDED, row.reference, _pair(row))
    return Allowed(row, is_new)


@transaction.atomic
def remove_recipient(*, caller: Caller, allowed_id: int) -> None:
    """Take an entry of the allowlist back. Raises AllowedRecipientNotFound."""
    row = transfers.lock_allowed_recipient(allowed_id)
    row.removed_at = clock.now()
    row.save(update_fields=["removed_at"])
    _tell(caller, Action.ALLOWLIST_REMOVED, row.reference, _pair(row))


@transaction.atomic
def certify_account(*, caller: Caller, user_id: int, level: Level) -> Allowed[CertifiedAccount]:
    """Let anybody transfer to a user, or change their level; the same level changes nothing.

    Raises ValidationFailed for a user who is unknown or not active.
    """
    require_active_user(user_id, field="user_id")
    row, is_new = _certification(caller, user_id, level)
    if not is_new and row.level == level:
        return Allowed(row, is_new=False)
    row.level, row.certified_by, row.certified_at = level, caller.actor, clock.now()
    row.save(update_fields=["level", "certified_by", "certified_at"])
    body = {"user_id": user_id, "level": level}
    _tell(caller, Action.CERTIFICATION_SET, row.reference, body)
    return Allowed(row, is_new)


@transaction.atomic
def remove_certification(*, caller: Caller, certified_id: int) -> None:
    """Take a certification back. Raises CertificationNotFound."""
    row = transfers.lock_certification(certified_id)
    row.removed_at = clock.now()
    row.save(update_fields=["removed_at"])
    _tell(caller, Action.CERTIFICATION_REMOVED, row.reference, {"user_id": row.user_id})


@transaction.atomic
def record_transfer(*, caller: Caller, sender_id: int, receiver_id: int, money: Money) -> Transfer:
    """Record an instruction that the rules allow. It moves no money.

    Raises ValidationFailed for users who are unknown, not active or one and the same, and
    UnauthorizedTransfer, which leaves an audit entry and an alert that outlive the refusal.
    """
    _check_users(sender_id=sender_id, receiver_id=receiver_id)
    basis = transfers.basis_of(sender_id=sender_id, receiver_id=receiver_id)
    if basis is None:
        _tell_refused(caller, sender_id, receiver_id, money)
        raise UnauthorizedTransfer
    transfer = _record(caller, sender_id, receiver_id, money, basis)
    _tell(caller, Action.TRANSFER_RECORDED, transfer.reference, _facts(transfer))
    return transfer


@transaction.atomic
def read_transfer(*, caller: Caller, transfer_id: int) -> Transfer:
    """One transfer, and an entry that it was read. Raises TransactionNotFound."""
    transfer = transfers.get_transfer(transfer_id)
    _tell(caller, Action.TRANSFER_READ, transfer.reference, {})
    return transfer


def _check_users(**named: int) -> None:
    problems: list[FieldProblem] = []
    for field, user_id in named.items():
        try:
            require_active_user(user_id, field=field)
        except ValidationFailed as refusal:
            problems += refusal.details["fields"]
    if not problems and len(set(named.values())) == 1:
        second = list(named)[-1]
        message = "It must be somebody else."
        problems.append({"field": second, "code": "same_user", "message": message})
    if problems:
        raise ValidationFailed(problems)


def _certification(caller: Caller, user_id: int, level: Level) -> tuple[CertifiedAccount, bool]:
    certified = transfers.certified_accounts().select_for_update().filter(user=user_id)
    row = certified.first()
    if row is not None:
        return row, False
    try:
        with transaction.atomic():
            return (
                CertifiedAccount.objects.create(
                    user_id=user_id,
                    level=level,
                    certified_by=caller.actor,
                    certified_at=clock.now(),
                ),
                True,
            )
    except IntegrityError:
        # Another request certified the same user a moment ago.
        return certified.get(), False


def _record(
    caller: Caller, sender_id: int, receiver_id: int, money: Money, basis: Basis
) -> Transfer:
    now = clock.now()
    return Transfer.objects.create(
        sender_id=sender_id,
        receiver_id=receiver_id,
        amount_minor=money.amount_minor,
        currency=money.currency,
        basis=basis,
        created_by=caller.actor,
        created_at=now,
        updated_at=now,
    )


def _tell_refused(caller: Caller, sender_id: int, receiver_id: int, money: Money) -> None:
    entries.record_apart(
        actor=caller.actor,
        on_behalf_of=caller.on_behalf_of,
        action=Action.TRANSFER_REFUSED,
        subject=f"user:{sender_id}",
        body={
            "sender_id": sender_id,
            "receiver_id": receiver_id,
            "amount_minor": money.amount_minor,
            "currency": money.currency,
            "code": UnauthorizedTransfer.code,
        },
    )
    raise_alert(
        type=AlertType.UNAUTHORIZED_TRANSFER_ATTEMPT,
        severity=Severity.WARNING,
        subject=f"user:{sender_id}",
        message=f"A transfer from user {sender_id} to user {receiver_id} was refused.",
        payload={
            "sender_id": sender_id,
            "attempted_receiver_id": receiver_id,
            "amount": format_minor(money.amount_minor, money.currency),
            "currency": money.currency,
        },
        actor_user_id=sender_id,
        apart=True,
    )


def _facts(transfer: Transfer) -> dict[str, Any]:
    return {
        "sender_id": transfer.sender_id,
        "receiver_id": transfer.receiver_id,
        "amount_minor": transfer.amount_minor,
        "currency": transfer.currency,
        "basis": transfer.basis,
    }


def _pair(row: AllowedRecipient) -> dict[str, Any]:
    return {"owner_id": row.owner_id, "recipient_id": row.recipient_id}


def _tell(caller: Caller, action: Action, subject: str, body: Mapping[str, Any]) -> None:
    entries.record(
        actor=caller.actor,
        on_behalf_of=caller.on_behalf_of,
        action=action,
        subject=subject,
        body=body,
    )
