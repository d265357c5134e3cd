"""What an escrow tells the floor above, the keepers of the evidence, and what it asks there."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class EvidenceHandler(Protocol):
    """Keeps the proofs. Every call comes in the transaction of the change, the escrow locked."""

    def milestone_decided_by_client(self, escrow_id: int, milestone_id: int, actor: str) -> None:
        """The milestone was accepted without a decision on its pending proof: approve that."""

    def escrow_disputed(self, escrow_id: int, actor: str) -> None:
        """The escrow is frozen; no proof is decided until it is resolved."""

    def escrow_closed(self, escrow_id: int, actor: str) -> None:
        """The escrow has ended: reject what is still pending."""


@dataclass(frozen=True, slots=True, repr=False)
class Outsiders:
    """Who may be paid from an escrow, or spend of it, and is no party of it.

    names: of those who are no users. user_ids: those who are. parties: whose accounts they have
    in payments (`payee:3`). It has no text of its own, so that it is printed nowhere.
    """

    names: tuple[str, ...] = ()
    user_ids: frozenset[int] = frozenset()
    parties: frozenset[str] = frozenset()


OutsidersSource = Callable[[int, int], Outsiders]

_handlers: list[EvidenceHandler] = []
_sources: list[OutsidersSource] = []


def register_evidence_handler(handler: EvidenceHandler) -> None:
    """Name the one handler. For AppConfig.ready; RuntimeError when there is another already."""
    if _handlers and _handlers[0] is not handler:
        raise RuntimeError("Evidence has exactly one handler.")
    _handlers[:] = [handler]


def has_evidence_handler() -> bool:
    """Whether somebody listens; a system check fails the start when nobody does."""
    return bool(_handlers)


def evidence_handler() -> EvidenceHandler:
    """The handler. RuntimeError when none is registered."""
    if not _handlers:
        raise RuntimeError("No evidence handler is registered.")
    return _handlers[0]


def register_outsiders_source(source: OutsidersSource) -> None:
    """Name the one who knows them. For AppConfig.ready; RuntimeError when there is another."""
    if _sources and _sources[0] is not source:
        raise RuntimeError("Who is paid from an escrow is known in one place only.")
    _sources[:] = [source]


def has_outsiders_source() -> bool:
    """Whether somebody knows; a system check fails the start when nobody does."""
    return bool(_sources)


def outsiders_of(escrow_id: int, limit: int) -> Outsiders:
    """Whom an escrow knows without their being a party, at most `limit` of each sort."""
    return _sources[0](escrow_id, limit)
