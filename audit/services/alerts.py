"""Raising alerts and acknowledging them. Repeated ones of one subject fold into the open one."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import connections, transaction

from audit import selectors
from audit.actions import Action
from audit.alert_types import AlertStatus, AlertType, Severity
from audit.models import Alert
from audit.services.appending import append, new_entry
from audit.services.entries import record
from kobatela.kernel import clock, trace
from kobatela.kernel.canonical import canonical_json

__all__ = ["AlertType", "Severity", "acknowledge_alert", "raise_alert"]

# Where in the payload of an acknowledged alert its note stands.
NOTE = "note"
# Under `earlier` a payload keeps what the repeated ones before said, newest first.
# Folding is one statement: between a look and an insert another process could insert too. One that
# says the same again adds nothing to what was said before.
_FOLD = """
INSERT INTO audit_alert AS alert (type, severity, subject, message, payload, actor_user_id,
                                  status, count, created_at, last_seen_at, acknowledged_by)
VALUES (%(type)s, %(severity)s, %(subject)s, %(message)s, %(payload)s::jsonb, %(actor_user_id)s,
        'OPEN', 1, %(at)s, %(at)s, '')
ON CONFLICT (type, subject) WHERE status = 'OPEN' DO UPDATE
   SET count = alert.count + 1,
       last_seen_at = greatest(alert.last_seen_at, excluded.last_seen_at),
       severity = excluded.severity, message = excluded.message,
       payload = CASE WHEN excluded.payload = alert.payload - 'earlier' THEN alert.payload
                 ELSE excluded.payload || jsonb_build_object('earlier', jsonb_path_query_array(
                   jsonb_build_array(alert.payload - 'earlier')
                   || coalesce(alert.payload -> 'earlier', '[]'), '$[0 to 9]'))
                 END,
       actor_user_id = excluded.actor_user_id
RETURNING id
"""


def raise_alert(
    *,
    type: AlertType,  # noqa: A002 - the word of the API
    severity: Severity,
    subject: str,
    message: str,
    payload: Mapping[str, Any] | None = None,
    actor_user_id: int | None = None,
    apart: bool = False,
) -> Alert:
    """Tell staff of something. An open alert of the same type and subject is counted up instead,
    and keeps the last ten different payloads of before under `earlier`.

    `payload` holds what an audit body may hold: ids, states, minor amounts. With `apart` the
    alert stays when the current transaction rolls back; not so while a command is simulated,
    which alerts nobody. Opening an alert is audited, repeating it is not.
    """
    alias = settings.AUDIT_APART_DATABASE if apart and not trace.is_simulating() else "default"
    with transaction.atomic(using=alias):
        with connections[alias].cursor() as cursor:
            cursor.execute(
                _FOLD,
                {
                    "type": type,
                    "severity": severity,
                    "subject": subject,
                    "message": message,
                    "payload": canonical_json(payload or {}),
                    "actor_user_id": actor_user_id,
                    "at": clock.now(),
                },
            )
            (alert_id,) = cursor.fetchone()
        alert = Alert.objects.using(alias).get(pk=alert_id)
        if alert.count == 1:
            reference = f"alert:{alert_id}"
            entry = new_entry(
                actor="system:alerts",
                action=Action.ALERT_RAISED,
                subject=reference,
                stream=reference,
                body={"type": type, "severity": severity, "about": subject},
            )
            append(alias, entry)
    return alert


@transaction.atomic
def acknowledge_alert(
    *, alert_id: int, actor: str, on_behalf_of: int | None = None, note: str = ""
) -> Alert:
    """Say that somebody has looked; the next one of its subject opens a new alert.

    Whoever does so again changes nothing, the first one's note included. Raises AlertNotFound.
    """
    # The lock makes a repeated raising wait: it then counts this alert up or opens the next one,
    # and is never lost in between.
    alert = selectors.lock_alert(alert_id)
    if alert.status == AlertStatus.ACKNOWLEDGED:
        return alert
    alert.transition_to(AlertStatus.ACKNOWLEDGED)
    alert.acknowledged_by = actor
    alert.acknowledged_at = clock.now()
    if note:
        alert.payload = {**alert.payload, NOTE: note}
    alert.save(update_fields=["status", "acknowledged_by", "acknowledged_at", "payload"])
    record(
        actor=actor,
        on_behalf_of=on_behalf_of,
        action=Action.ALERT_ACKNOWLEDGED,
        subject=f"alert:{alert.pk}",
        body={
            "type": alert.type,
            "about": alert.subject,
            "count": alert.count,
            "has_note": bool(note),
        },
    )
    return alert
