"""Who gave somebody else a way in, and what may not be done by it yet."""

from datetime import timedelta

from django.conf import settings

from audit.actions import Action
from audit.services.alerts import AlertType, Severity, raise_alert
from audit.services.entries import record
from kobatela.accounts.models import ApiKey, User
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller

_NEW_FOR = timedelta(days=1)


def note_access_given(
    *, caller: Caller, user: User | None, alert: AlertType, what: str, subject: str
) -> None:
    """Alert that `caller` gave a way in as `user`, or (None) with a key of nobody.

    Whoever sets the password of a colleague, or holds a key of theirs, could be two people at
    once; so for a day the colleague's approvals do not count where two are needed, and both are
    told. What people do about themselves, and what the installation does, is none of this.
    Call it in the transaction that gives the way in.
    """
    if caller.actor.startswith("system:") or (user is not None and user.pk == caller.user_id):
        return
    payload = {"by": caller.actor}
    if user is not None:
        cooling = timedelta(seconds=settings.KOBATELA_STAFF_ACCESS_COOLING_S)
        user.approves_from = clock.now() + cooling
        user.save(update_fields=["approves_from"])
        payload |= {"user": f"user:{user.pk}", "approves_from": user.approves_from.isoformat()}
        record(
            actor=caller.actor,
            on_behalf_of=caller.on_behalf_of,
            action=Action.STAFF_ACCESS_GIVEN,
            subject=f"user:{user.pk}",
            body=payload,
            event="staff.access_given",
            audience=sorted({user.pk, caller.user_id or user.pk}),
        )
    raise_alert(
        type=alert,
        severity=Severity.WARNING,
        subject=subject,
        message=what,
        payload=payload,
        actor_user_id=caller.user_id,
    )


def note_party_access(*, caller: Caller, key: ApiKey) -> None:
    """Alert that `caller` has seen a key of a party who is at work here already.

    With it one admin could release alone what in a party's name takes two; so for a day it moves
    no large sums (see count_large_sum), and the party is told. Other keys of theirs go on as
    before. The first key of a new user opens nothing that was there before, and is none of this.
    Call it in the transaction that issues the key.
    """
    user = key.user
    assert user is not None, "a party's key belongs to a user"
    is_own = user.pk == caller.user_id
    if caller.actor.startswith("system:") or is_own or _is_first_of_new(user, key):
        return
    cooling = timedelta(seconds=settings.KOBATELA_STAFF_ACCESS_COOLING_S)
    key.large_sums_from = clock.now() + cooling
    key.save(update_fields=["large_sums_from"])
    payload = {
        "by": caller.actor,
        "user": f"user:{user.pk}",
        "large_sums_from": key.large_sums_from.isoformat(),
    }
    record(
        actor=caller.actor,
        on_behalf_of=caller.on_behalf_of,
        action=Action.PARTY_ACCESS_GIVEN,
        subject=f"apikey:{key.public_id}",
        body=payload,
        event="party.access_given",
        audience=[user.pk],
    )
    raise_alert(
        type=AlertType.PARTY_KEY_ISSUED,
        severity=Severity.WARNING,
        subject=f"apikey:{key.public_id}",
        message=f"Somebody else issued a key of {user.username}, who is at work here already.",
        payload=payload,
        actor_user_id=caller.user_id,
    )


def _is_first_of_new(user: User, key: ApiKey) -> bool:
    # Whom a partner manages may have escrows without ever having had a key.
    is_new = user.managed_by_id is None and user.created_at > clock.now() - _NEW_FOR
    return is_new and not ApiKey.objects.filter(user=user).exclude(pk=key.pk).exists()
