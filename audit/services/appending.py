"""The one statement that writes audit entries."""

from collections.abc import Collection, Mapping
from typing import Any

from django.db import connections

from audit.actions import Action
from audit.models import AuditEntry
from kobatela.kernel import clock, context
from kobatela.kernel.canonical import canonical_json

_APPEND = "SELECT * FROM audit_append(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"


def new_entry(
    *,
    actor: str,
    action: Action,
    subject: str,
    stream: str,
    body: Mapping[str, Any],
    on_behalf_of: int | None = None,
) -> AuditEntry:
    """An entry that is not yet written. Raises TypeError for a body without canonical form."""
    return AuditEntry(
        stream=stream,
        at=clock.now(),
        actor=actor,
        on_behalf_of=on_behalf_of,
        action=action,
        subject=subject,
        request_id=context.request_id(),
        body=canonical_json(body),
    )


def append(
    alias: str, entry: AuditEntry, *, event: str | None = None, audience: Collection[int] = ()
) -> AuditEntry:
    """Write `entry`, its number in the stream and its outbox row in one round trip."""
    with connections[alias].cursor() as cursor:
        cursor.execute(
            _APPEND,
            [
                entry.stream,
                entry.at,
                entry.actor,
                entry.on_behalf_of,
                entry.action,
                entry.subject,
                entry.request_id,
                entry.body,
                event,
                list(audience),
            ],
        )
        entry.pk, entry.stream_seq, entry.transaction_id = cursor.fetchone()
    # The function has inserted the row; the instance stands for it, as after Model.save.
    entry._state.adding = False  # noqa: SLF001
    entry._state.db = alias  # noqa: SLF001
    return entry
