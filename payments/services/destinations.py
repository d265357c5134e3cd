"""Where users are paid: added, seen to be right, taken back. Every change is told to the user."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction

from audit.actions import Action
from audit.services import entries
from audit.services.alerts import AlertType, Severity, raise_alert
from kobatela.accounts.selectors import get_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.kernel.errors import InvalidState
from payments import selectors
from payments.account_numbers import Account, read_account
from payments.errors import DestinationExists, DestinationNotFound
from payments.models import Destination, DestinationKind


@transaction.atomic
def add_destination(
    *,
    caller: Caller,
    user_id: int,
    kind: str,
    fields: Mapping[str, str],
    currency: str = "",
    holder: str = "",
) -> Destination:
    """Add an account of a user; it takes the place of the one of its kind and currency.

    fields: what describes an account of this kind (see `read_account`). currency: empty for any.
    holder: whose it is, the username unless given. It is usable after the cooling-off; until then
    its predecessor is paid. Tells the user and staff.

    Raises UserNotFound (also for somebody whom the caller does not act for), ValidationFailed and
    DestinationExists.
    """
    user = get_user(caller, user_id)
    account = read_account(DestinationKind(kind), fields)
    _one_at_a_time(user_id)
    now = clock.now()
    usable_from = now + timedelta(seconds=settings.KOBATELA_DESTINATION_COOLING_S)
    replaced = _replace(user_id, account, currency, usable_from)
    destination = Destination.objects.create(
        user_id=user_id,
        kind=account.kind,
        currency=currency,
        operator=account.operator,
        account=account.account,
        bank_code=account.bank_code,
        holder=holder.strip() or user.username,
        masked=account.masked,
        usable_from=usable_from,
        created_by=caller.actor,
        created_at=now,
        updated_at=now,
    )
    _tell(destination, Action.DESTINATION_ADDED, caller, "destination.added", replaced=replaced)
    return destination


@transaction.atomic
def deactivate_destination(*, caller: Caller, user_id: int, destination_id: int) -> Destination:
    """Pay nothing to it any more. One that was still cooling off gives its predecessor back.

    Raises UserNotFound and DestinationNotFound, also for one that is no longer in force.
    """
    get_user(caller, user_id)
    _one_at_a_time(user_id)
    destination = selectors.get_destination(user_id, destination_id)
    now = clock.now()
    restored = _predecessor(destination) if destination.usable_from > now else None
    _deactivate(destination)
    if restored is not None:
        restored.usable_until = None
        _save(restored, "usable_until")
    _tell(
        destination,
        Action.DESTINATION_DEACTIVATED,
        caller,
        "destination.deactivated",
        restored=restored.pk if restored else None,
    )
    return destination


@transaction.atomic
def verify_destination(*, caller: Caller, destination_id: int) -> Destination:
    """Note that staff has seen that the account is the user's. Again: no change.

    Raises DestinationNotFound, and InvalidState for one that is no longer in force.
    """
    destination = Destination.objects.select_for_update(no_key=True).filter(pk=destination_id)
    found = destination.first()
    if found is None or not caller.is_staff:
        raise DestinationNotFound
    if found.deactivated_at is not None:
        raise InvalidState("It is not in force any more.")
    if found.verified_at is None:
        found.verified_at = clock.now()
        found.verified_by = caller.actor
        _save(found, "verified_at", "verified_by")
        _record(found, Action.DESTINATION_VERIFIED, caller, None)
    return found


def _one_at_a_time(user_id: int) -> None:
    # A user's accounts replace each other: two changes at once would both see the same one.
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"destinations:{user_id}"]
        )


def _replace(user_id: int, account: Account, currency: str, usable_from: datetime) -> int | None:
    """Let the current account of this kind and currency end when the new one begins.

    One that never became usable goes at once, and the one before it stays until then.
    """
    current = Destination.objects.filter(
        user=user_id,
        kind=account.kind,
        currency=currency,
        deactivated_at__isnull=True,
        usable_until__isnull=True,
    ).first()
    if current is None:
        return None
    is_same = selectors.accounts_of([current.pk])[current.pk] == account.account
    if is_same and current.operator == account.operator and current.bank_code == account.bank_code:
        raise DestinationExists
    ends = current
    if current.usable_from > clock.now():
        before = _predecessor(current)
        _deactivate(current)
        if before is None:
            return current.pk
        ends = before
    ends.usable_until = usable_from
    _save(ends, "usable_until")
    return current.pk


def _predecessor(destination: Destination) -> Destination | None:
    """The account that is paid until this one becomes usable."""
    found = selectors.destinations_in_force(clock.now()).filter(
        user=destination.user_id,
        kind=destination.kind,
        currency=destination.currency,
        usable_until__isnull=False,
    )
    return found.first()


def _deactivate(destination: Destination) -> None:
    destination.deactivated_at = clock.now()
    _save(destination, "deactivated_at")


def _save(destination: Destination, *fields: str) -> None:
    destination.updated_at = clock.now()
    destination.save(update_fields=[*fields, "updated_at"])


def _tell(
    destination: Destination,
    action: Action,
    caller: Caller,
    event: str,
    **told: int | None,
) -> None:
    _record(destination, action, caller, event, **told)
    is_change = any(value is not None for value in told.values()) or event.endswith("deactivated")
    raise_alert(
        type=AlertType.DESTINATION_CHANGED,
        severity=Severity.WARNING if is_change else Severity.INFO,
        subject=f"user:{destination.user_id}",
        message="Where a user is paid was changed; the user is told.",
        payload={"destination": destination.pk, "kind": destination.kind, "event": event, **told},
        actor_user_id=caller.user_id,
    )


def _record(
    destination: Destination,
    action: Action,
    caller: Caller,
    event: str | None,
    **told: int | None,
) -> None:
    entries.record(
        actor=caller.actor,
        on_behalf_of=caller.on_behalf_of,
        action=action,
        subject=destination.reference,
        stream=f"user:{destination.user_id}",
        body={
            "user": destination.user_id,
            "kind": destination.kind,
            "currency": destination.currency,
            "usable_from": destination.usable_from.isoformat(),
            **told,
        },
        event=event,
        audience=[destination.owner_id],
    )
