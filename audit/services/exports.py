"""The trail as JSON lines, whatever its length, in the memory of one batch."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from audit import selectors
from audit.actions import Action
from audit.models import AuditEntry
from audit.selectors import Horizon
from audit.services.entries import record
from kobatela.kernel.canonical import canonical_json

_BATCH_ROWS = 1_000


@transaction.atomic
def begin_export(*, actor: str, on_behalf_of: int | None, filters: Mapping[str, Any]) -> Horizon:
    """Write down who takes the trail along, and by which filters.

    The horizon of what is taken: what a transaction writes that runs now, or one that began after
    it, is left for the next export.
    """
    horizon = selectors.transaction_horizon()
    told = {name: _told(value) for name, value in sorted(filters.items())}
    record(
        actor=actor,
        on_behalf_of=on_behalf_of,
        action=Action.AUDIT_EXPORTED,
        subject=actor,
        body={"filters": told, "horizon": horizon.oldest_running},
    )
    return horizon


def export_lines(*, horizon: Horizon, **filters: Any) -> Iterator[bytes]:
    """The entries behind the horizon that match, oldest first, each a line of canonical JSON."""
    matching = selectors.entries(**filters).filter(horizon.behind()).order_by("pk")
    after = 0
    while batch := list(matching.filter(pk__gt=after)[:_BATCH_ROWS]):
        yield b"".join(_line(entry) for entry in batch)
        after = batch[-1].pk


def _line(entry: AuditEntry) -> bytes:
    head = canonical_json(
        {
            "id": entry.pk,
            "at": entry.at.isoformat(),
            "actor": entry.actor,
            "on_behalf_of": entry.on_behalf_of,
            "action": entry.action,
            "subject": entry.subject,
            "stream": entry.stream,
            "stream_seq": entry.stream_seq,
            "request_id": entry.request_id,
            "transaction_id": entry.transaction_id,
        }
    )
    # The stored text itself, byte for byte: it is what seals are made over.
    return f'{head[:-1]},"body":{entry.body}}}\n'.encode()


def _told(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
