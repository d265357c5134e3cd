"""What the tests of escrows share."""

from dataclasses import dataclass, field

import pytest

from escrow import hooks


@dataclass
class ToldEvidence:
    """Stands in for the keepers of the evidence; what they were told, in order."""

    told: list[tuple[str, int, str]] = field(default_factory=list)

    def milestone_decided_by_client(self, escrow_id: int, milestone_id: int, actor: str) -> None:
        """See EvidenceHandler."""
        self.told.append(("decided", milestone_id, actor))

    def escrow_disputed(self, escrow_id: int, actor: str) -> None:
        """See EvidenceHandler."""
        self.told.append(("disputed", escrow_id, actor))

    def escrow_closed(self, escrow_id: int, actor: str) -> None:
        """See EvidenceHandler."""
        self.told.append(("closed", escrow_id, actor))


@pytest.fixture(autouse=True)
def evidence(monkeypatch: pytest.MonkeyPatch) -> ToldEvidence:
    """The evidence handler of every test here; proofs has its own tests."""
    handler = ToldEvidence()
    monkeypatch.setattr(hooks, "_handlers", [handler])
    return handler
