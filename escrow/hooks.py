"""What an escrow tells the floor above: the keepers of the evidence."""

from typing import Protocol


class EvidenceHandler(Protocol):
    """Keeps the proofs. Every call comes in the transaction of the change, the escrow locked."""

    def milestone_decided_by_client(self, escrow_id: int, milestone_id: int, actor: str) -> None:
        """The milestone was accepted without a decision on its pending proof: approve that."""

    def escrow_disputed(self, escrow_id: int, actor: str) -> None:
        """The escrow is frozen; no proof is decided until it is resolved."""

    def escrow_closed(self, escrow_id: int, actor: str) -> None:
        """The escrow has ended: reject what is still pending."""


_handlers: list[EvidenceHandler] = []


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
