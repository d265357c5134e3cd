"""Permissions of senders to spend: given, revoked, run out."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from audit.actions import Action
from audit.services import entries
from audit.services.jobs import Heartbeat, count_changed
from escrow import selectors as escrow_selectors
from escrow.errors import EscrowNotFound
from kobatela.accounts.selectors import party_or_refuse, require_active_user
from kobatela.accounts.services.approvals import ApprovalState, count_large_sum, require_approval
from kobatela.accounts.visible import visible_to
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.kernel.money import CurrencyMismatch, Money
from spend import selectors
from spend.errors import (
    ActiveMandateExists,
    EscrowNotActive,
    MandateExpiresInPast,
    SpendRoleForbidden,
)
from spend.models import Mandate, MandateStatus
from spend.services.independence import require_no_stake

BY_JOB = "system:mandates"
COMMAND = "mandate"
_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class MandateTerms:
    """What a sender permits. Without a category and a merchant everything that may be bought."""

    sender_id: int
    beneficiary_id: int
    total: Money
    expires_at: datetime
    allowed_category_id: int | None = None
    allowed_merchant_id: int | None = None
    escrow_id: int | None = None
    max_per_hour: int | None = None


@dataclass(frozen=True, slots=True)
class MandateResult:
    """The mandate with `spent_minor`. With `approvals` it was not given yet."""

    mandate: Mandate
    approvals: ApprovalState | None = None


@transaction.atomic(savepoint=False)
def create_mandate(*, caller: Caller, terms: MandateTerms) -> MandateResult:
    """Let the beneficiary spend. The sender is one whom the caller acts for.

    A mandate between the same two in the same currency that has run out, or whose escrow has ended,
    does not stand in the way; one that is in force does. Where an admin gives it in the sender's
    name and it lets money of an escrow go, above a figure two people must ask for the same.

    Raises ValidationFailed for unknown people, CategoryNotFound, MerchantNotFound, EscrowNotFound
    (also for one that is not the sender's), CurrencyMismatch, EscrowNotActive,
    MandateExpiresInPast and ActiveMandateExists.
    """
    party_or_refuse(caller, terms.sender_id, "sender_id")
    require_active_user(terms.beneficiary_id, field="beneficiary_id")
    require_no_stake(caller, terms.sender_id, terms.beneficiary_id)
    if terms.allowed_category_id is not None:
        selectors.get_category(terms.allowed_category_id, field="allowed_category_id")
    if terms.allowed_merchant_id is not None:
        selectors.get_merchant(terms.allowed_merchant_id, field="allowed_merchant_id")
    now = clock.now()
    if terms.expires_at <= now:
        message = "The mandate would have expired already."
        problem = {"field": "expires_at", "code": "in_past", "message": message}
        raise MandateExpiresInPast([problem])  # type: ignore[list-item]  # it is a problem
    escrow = _lock_escrow(terms, terms.escrow_id) if terms.escrow_id is not None else None
    _make_way(terms)
    row = _row(terms, caller, now)
    missing = _missing_approval(caller, terms, escrow) if escrow is not None else None
    if missing is not None:
        return MandateResult(row, missing)
    mandate = _insert(row)
    _tell(
        mandate,
        Action.MANDATE_CREATED,
        caller.actor,
        event="mandate.created",
        on_behalf_of=caller.on_behalf_of,
        total_minor=mandate.total_minor,
        currency=mandate.currency,
        allowed_category_id=mandate.allowed_category_id,
        allowed_merchant_id=mandate.allowed_merchant_id,
        expires_at=mandate.expires_at.isoformat(),
    )
    return MandateResult(selectors.with_spent(mandate))


def _missing_approval(caller: Caller, terms: MandateTerms, escrow: Any) -> ApprovalState | None:
    """Four eyes on money that an admin lets go in a party's name: its purchases ask nobody."""
    if caller.on_behalf_of is None:
        whole = Money(escrow.amount_total_minor, escrow.currency)
        count_large_sum(caller=caller, money=terms.total, whole=whole)
        return None
    state = require_approval(
        caller=caller,
        command=COMMAND,
        subject=escrow.reference,
        escrow_id=escrow.pk,
        money=terms.total,
        figures={
            "beneficiary_id": terms.beneficiary_id,
            "allowed_category_id": terms.allowed_category_id,
            "allowed_merchant_id": terms.allowed_merchant_id,
            "max_per_hour": terms.max_per_hour,
            "expires_at": terms.expires_at.isoformat(),
        },
    )
    return None if state.granted else state


@transaction.atomic(savepoint=False)
def revoke_mandate(*, caller: Caller, mandate_id: int) -> Mandate:
    """End a mandate at once; what was bought under it stays bought. Again: no change.

    One that is spent can be revoked too: then no refund brings it back. Raises MandateNotFound,
    SpendRoleForbidden for the beneficiary, and InvalidState for one that has run out.
    """
    seen = selectors.get_mandate(caller, mandate_id)
    if not (caller.is_staff or caller.may_act_for(seen.sender_id)):
        raise SpendRoleForbidden
    mandate = selectors.lock_mandate(mandate_id)
    if mandate.status != MandateStatus.REVOKED:
        move(
            mandate,
            MandateStatus.REVOKED,
            Action.MANDATE_REVOKED,
            caller.actor,
            event="mandate.revoked",
            on_behalf_of=caller.on_behalf_of,
        )
    return selectors.with_spent(mandate)


@transaction.atomic(savepoint=False)
def clean_up_mandates(*, caller: Caller) -> int:
    """Expire the mandates that have run out, of those that the caller may see; how many."""
    visible = visible_to(caller, "sender", "beneficiary")
    due = selectors.mandates_expired_by(clock.now(), _AT_ONCE, visible)
    return sum(_expire(mandate_id, caller.actor) for mandate_id in sorted(due))


def expire_mandates(heartbeat: Heartbeat) -> dict[str, Any]:
    """The job: mandates that have run out become EXPIRED, each in a transaction of its own."""
    due = selectors.mandates_expired_by(clock.now(), _AT_ONCE)
    return {"expired": count_changed(_expire_by_job, due, heartbeat)}


def restore(mandate: Mandate, actor: str) -> None:
    """Make a locked mandate ACTIVE again after a refund, if it was spent and could still be used.

    It stays as it is when another one took its place meanwhile.
    """
    if mandate.status != MandateStatus.CONSUMED or _is_over(mandate):
        return
    try:
        with transaction.atomic():
            move(mandate, MandateStatus.ACTIVE, Action.MANDATE_RESTORED, actor)
    except IntegrityError:
        mandate.refresh_from_db()


def move(
    mandate: Mandate,
    target: MandateStatus,
    action: Action,
    actor: str,
    *,
    event: str | None = None,
    on_behalf_of: int | None = None,
) -> None:
    """Move a locked mandate on its table, save it and tell of it. Raises InvalidState."""
    before = str(mandate.status)
    mandate.transition_to(target)
    mandate.updated_at = clock.now()
    mandate.save(update_fields=["status", "updated_at"])
    _tell(mandate, action, actor, event=event, on_behalf_of=on_behalf_of, before=before)


def _lock_escrow(terms: MandateTerms, escrow_id: int) -> Any:
    """The escrow under its lock; it must be the sender's. A foreign one is never waited for."""
    if escrow_selectors.client_of(escrow_id) != terms.sender_id:
        raise EscrowNotFound.in_body("escrow_id", escrow_id)
    escrow = escrow_selectors.lock_escrow(escrow_id)
    if escrow.currency != terms.total.currency:
        raise CurrencyMismatch
    if escrow.status not in escrow_selectors.OPEN_STATUSES:
        raise EscrowNotActive(current=str(escrow.status))
    return escrow


def _make_way(terms: MandateTerms) -> None:
    active = selectors.active_mandate(terms.sender_id, terms.beneficiary_id, terms.total.currency)
    if active is None:
        return
    if not _is_over(active):
        raise ActiveMandateExists(id=active.pk)
    _expire(active.pk, BY_JOB)


def _is_over(mandate: Mandate) -> bool:
    """Whether nothing can be bought under it any more. Its escrow needs no lock for the question:
    one that has ended never opens again."""
    if mandate.expires_at <= clock.now():
        return True
    escrow = mandate.escrow
    return escrow is not None and escrow.status not in escrow_selectors.OPEN_STATUSES


def _row(terms: MandateTerms, caller: Caller, now: datetime) -> Mandate:
    return Mandate(
        sender_id=terms.sender_id,
        beneficiary_id=terms.beneficiary_id,
        total_minor=terms.total.amount_minor,
        currency=terms.total.currency,
        allowed_category_id=terms.allowed_category_id,
        allowed_merchant_id=terms.allowed_merchant_id,
        escrow_id=terms.escrow_id,
        max_per_hour=terms.max_per_hour,
        expires_at=terms.expires_at,
        created_by=caller.actor,
        created_at=now,
        updated_at=now,
    )


def _insert(mandate: Mandate) -> Mandate:
    try:
        # The only unique columns are those of the mandate in force.
        with transaction.atomic():
            mandate.save(force_insert=True)
    except IntegrityError as error:
        raise ActiveMandateExists from error
    return mandate


@transaction.atomic
def _expire_by_job(mandate_id: int) -> bool:
    return _expire(mandate_id, BY_JOB)


def _expire(mandate_id: int, actor: str) -> bool:
    mandate = selectors.lock_mandate(mandate_id)
    if mandate.status != MandateStatus.ACTIVE or not _is_over(mandate):
        return False
    move(
        mandate,
        MandateStatus.EXPIRED,
        Action.MANDATE_EXPIRED,
        actor,
        event="mandate.expired",
    )
    return True


def _tell(
    mandate: Mandate,
    action: Action,
    actor: str,
    *,
    event: str | None,
    on_behalf_of: int | None,
    **body: Any,
) -> None:
    stream = mandate.reference if mandate.escrow_id is None else f"escrow:{mandate.escrow_id}"
    entries.record(
        actor=actor,
        on_behalf_of=on_behalf_of,
        action=action,
        subject=mandate.reference,
        stream=stream,
        body={
            "sender_id": mandate.sender_id,
            "beneficiary_id": mandate.beneficiary_id,
            "status": mandate.status,
            **body,
        },
        event=event,
        audience=[mandate.sender_id, mandate.beneficiary_id] if event else (),
    )
