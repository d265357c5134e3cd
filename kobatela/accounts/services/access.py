"""Who gave somebody else a way in as a member of staff, and what that person may not do yet."""

from datetime import timedelta

from django.conf import settings

from audit.actions import Action
from audit.services.alerts import AlertType, Severity, raise_alert
from audit.services.entries import record
from kobatela.accounts.models import User
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller


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
