"""Where payees and merchants who are no users are paid. A change is told to staff."""

from collections.abc import Mapping
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction

from audit.actions import Action
from audit.services import entries
from audit.services.alerts import AlertType, Severity, raise_alert
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from payments import recipients, selectors
from payments.account_numbers import Account, read_account
from payments.models import Destination, DestinationKind


@transaction.atomic
def set_account_of_party(
    *, caller: Caller, party: str, kind: str, fields: Mapping[str, str], holder: str
) -> Destination:
    """Pay `party` (`payee:3`, `merchant:7`) to this account; it takes the place of the one before.

    fields: what describes an account of this kind (see `read_account`). holder: whose it is. It is
    usable after the cooling-off; until then the one before is paid. The same account again
    changes nothing. Raises ValidationFailed, which names the field.
    """
    account = read_account(DestinationKind(kind), fields)
    _one_at_a_time(party)
    current = recipients.destination_of_party(party)
    if current is not None and _is_same(current, account):
        return current
    now = clock.now()
    usable_from = now + timedelta(seconds=settings.KOBATELA_DESTINATION_COOLING_S)
    if current is not None:
        _end(current, usable_from)
    destination = Destination.objects.create(
        party=party,
        kind=account.kind,
        operator=account.operator,
        account=account.account,
        bank_code=account.bank_code,
        holder=holder,
        masked=account.masked,
        usable_from=usable_from,
        created_by=caller.actor,
        created_at=now,
        updated_at=now,
    )
    _tell(destination, caller, replaced=current.pk if current else None)
    return destination


def _one_at_a_time(party: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"destinations:{party}"]
        )


def _is_same(current: Destination, account: Account) -> bool:
    known = selectors.accounts_of([current.pk])[current.pk]
    is_same_place = (current.operator, current.bank_code) == (account.operator, account.bank_code)
    return known == account.account and is_same_place


def _end(current: Destination, at: object) -> None:
    """The account that cannot be paid yet ends at once, another when its successor begins."""
    now = clock.now()
    if current.usable_from > now:
        Destination.objects.filter(pk=current.pk).update(deactivated_at=now, updated_at=now)
    else:
        Destination.objects.filter(pk=current.pk).update(usable_until=at, updated_at=now)


def _tell(destination: Destination, caller: Caller, *, replaced: int | None) -> None:
    told = {"party": destination.party, "kind": destination.kind, "replaced": replaced}
    entries.record(
        actor=caller.actor,
        on_behalf_of=caller.on_behalf_of,
        action=Action.DESTINATION_ADDED,
        subject=destination.reference,
        stream=destination.party,
        body={**told, "usable_from": destination.usable_from.isoformat()},
    )
    if replaced is not None:
        raise_alert(
            type=AlertType.DESTINATION_CHANGED,
            severity=Severity.WARNING,
            subject=destination.party,
            message="Where a payee or a merchant is paid was changed.",
            payload={"destination": destination.pk, **told},
            actor_user_id=caller.user_id,
        )
