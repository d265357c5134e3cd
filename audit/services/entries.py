"""Writing the audit trail: in the transaction of the change itself, or apart from it."""

from collections.abc import Collection, Mapping
from typing import Any

from django.conf import settings
from django.db import connections, transaction

from audit.actions import Action
from audit.models import AuditEntry
from audit.selectors import apart_stream
from audit.services.appending import append, new_entry
from kobatela.kernel import trace
from kobatela.kernel.crashpoints import crashpoint


def record(
    *,
    actor: str,
    action: Action,
    subject: str,
    stream: str | None = None,
    body: Mapping[str, Any] | None = None,
    on_behalf_of: int | None = None,
    event: str | None = None,
    audience: Collection[int] = (),
) -> AuditEntry:
    """Write an entry in the current transaction, and an outbox row when `event` is named.

    `subject` and `stream` are references (`escrow:12`); the stream is the subject's own unless
    given, and everything that happens to an escrow goes to the escrow's. `body` holds ids,
    hashes, states and minor amounts, never personal data and never a float. `audience` are the
    ids of the users who may hear of `event`.

    Raises RuntimeError outside a transaction and TypeError for a body without canonical form.
    """
    if not connections["default"].in_atomic_block:
        raise RuntimeError("An audit entry belongs to the transaction of the change it tells of.")
    entry = new_entry(
        actor=actor,
        action=action,
        subject=subject,
        stream=stream or subject,
        body=body or {},
        on_behalf_of=on_behalf_of,
    )
    return append("default", entry, event=event, audience=audience)


def record_apart(
    *,
    actor: str,
    action: Action,
    subject: str,
    body: Mapping[str, Any] | None = None,
    on_behalf_of: int | None = None,
    stream: str | None = None,
) -> None:
    """Write an entry that stays when the current transaction rolls back: refusals and denials.

    It goes to the stream `apart:<stream>`, which is the subject's own unless given, over a
    connection of its own. While a command is simulated nothing is written.
    """
    if trace.is_simulating():
        return
    entry = new_entry(
        actor=actor,
        action=action,
        subject=subject,
        stream=apart_stream(stream or subject),
        body=body or {},
        on_behalf_of=on_behalf_of,
    )
    alias = settings.AUDIT_APART_DATABASE
    with transaction.atomic(using=alias):
        append(alias, entry)
    crashpoint("entry.kept_apart")
