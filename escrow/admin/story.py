"""What happened to an escrow as staff read it: by whom, refused attempts included."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from audit.actions import Action
from escrow import selectors
from escrow.models import Escrow
from escrow.timeline import told
from kobatela.accounts.selectors import people_behind

_ENTRIES = 100


@dataclass(frozen=True, slots=True)
class Happening:
    """One entry of the trail: `who` is the person, `actor` what the trail calls them."""

    at: datetime
    what: str
    who: str
    actor: str
    was_refused: bool
    data: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Dispute:
    """How an escrow came to be disputed, the last time."""

    at: datetime
    who: str
    why: str


def story_of(escrow: Escrow) -> list[Happening]:
    """The latest that happened to the escrow and was tried on it, newest first."""
    entries = sorted(
        [
            *selectors.timeline(escrow).order_by("-stream_seq")[:_ENTRIES],
            *selectors.refused_attempts(escrow).order_by("-stream_seq")[:_ENTRIES],
        ],
        key=lambda entry: (entry.at, entry.pk),
        reverse=True,
    )[:_ENTRIES]
    people = _people(entries)
    return [
        Happening(
            at=item["at"],
            what=item["kind"],
            who=_who(entry, people),
            actor=entry.actor,
            was_refused=item["kind"].endswith(".refused"),
            data=[(name, _shown(value)) for name, value in item["data"].items()],
        )
        for entry, item in zip(entries, told(escrow, entries, to_staff=True), strict=True)
    ]


def dispute_of(escrow: Escrow) -> Dispute | None:
    """Who disputed the escrow last, and with what words; None where nobody has."""
    disputes = selectors.timeline(escrow).filter(action=Action.ESCROW_DISPUTED)
    entry = disputes.order_by("-stream_seq").first()
    if entry is None:
        return None
    (item,) = told(escrow, [entry], to_staff=True)
    data = item["data"]
    deadline = f"The deadline {data['deadline']} passed." if "deadline" in data else ""
    words = data.get("note", "") or deadline or "No reason was given."
    return Dispute(at=entry.at, who=_who(entry, _people([entry])), why=words)


def _people(entries: Sequence[Any]) -> dict[str, str]:
    references = {entry.actor for entry in entries}
    references |= {f"user:{entry.on_behalf_of}" for entry in entries if entry.on_behalf_of}
    return people_behind(references)


def _who(entry: Any, people: Mapping[str, str]) -> str:
    actor = people[entry.actor]
    if entry.on_behalf_of is None:
        return actor
    return f"{actor}, for {people[f'user:{entry.on_behalf_of}']}"


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(item)}" for name, item in value.items())
    if isinstance(value, list):
        return "; ".join(map(_shown, value))
    return str(value)
