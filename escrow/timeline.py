"""The story of an escrow as its parties may read it."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from escrow import selectors
from escrow.models import Escrow, Note
from kobatela.kernel.money import format_minor

_MINOR = "_minor"
# Everything else in an audit entry's body is for staff.
_FOR_PARTIES = frozenset(
    {
        "status",
        "before",
        "currency",
        "milestone",
        "milestone_id",
        "milestone_idx",
        "deposit_id",
        "proof_id",
        "replaces",
        "replaced_by",
        "payment_id",
        "origin",
        "funding_id",
        "upload_id",
        "type",
        "kind",
        "attempt",
        "reason",
        "command",
        "deadline",
        "deadline_at",
        "until",
        "ends_at",
        "has_evidence",
        "review_reasons",
        "milestones",
    }
)


def told(escrow: Escrow, entries: Iterable[Any], *, to_staff: bool) -> list[dict[str, Any]]:
    """Audit entries as `{at, kind, actor, data}`; amounts are decimal texts, notes their words."""
    bodies = [(entry, json.loads(entry.body)) for entry in entries]
    note_ids = [body["note_id"] for _, body in bodies if "note_id" in body]
    notes = selectors.notes_by_id(note_ids) if note_ids else {}
    return [
        {
            "at": entry.at,
            "kind": entry.action,
            "actor": entry.actor,
            "data": _data(escrow, body, notes, to_staff=to_staff),
        }
        for entry, body in bodies
    ]


def _data(
    escrow: Escrow, body: Mapping[str, Any], notes: Mapping[int, Note], *, to_staff: bool
) -> dict[str, Any]:
    data: dict[str, Any] = {}
    currency = body.get("currency", escrow.currency)
    for name, value in body.items():
        if name.endswith(_MINOR) and isinstance(value, int):
            data[name.removesuffix(_MINOR)] = format_minor(value, currency)
        elif to_staff or name in _FOR_PARTIES:
            data[name] = value
    note = notes.get(body.get("note_id", 0))
    return data | dict(note.as_said()) if note else data
