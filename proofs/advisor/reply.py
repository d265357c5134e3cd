"""What comes of asking the model, and where it is asked."""

from dataclasses import dataclass
from enum import StrEnum

from proofs.advisor.answer import Advice
from proofs.advisor.breaker import Outcome

# The pauses before the second and the third try.
RETRY_AFTER_S = (1.0, 3.0)
CONNECT_TIMEOUT_S = 5.0


class Missing(StrEnum):
    """Why there is no advice."""

    TIMEOUT = "TIMEOUT"
    UNREACHABLE = "UNREACHABLE"
    OVERLOADED = "OVERLOADED"
    MISCONFIGURED = "MISCONFIGURED"
    CALL_REFUSED = "CALL_REFUSED"
    ANSWER_INVALID = "ANSWER_INVALID"
    EGRESS_REFUSED = "EGRESS_REFUSED"
    MATERIAL_UNREADABLE = "MATERIAL_UNREADABLE"
    BREAKER_OPEN = "BREAKER_OPEN"
    SWITCHED_OFF = "SWITCHED_OFF"
    GIVEN_UP = "GIVEN_UP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where the model is, and how long one try may take. It is printed nowhere: it has the key."""

    base_url: str
    api_key: str
    model: str
    timeout_s: float

    def __repr__(self) -> str:
        return f"<{self.model}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came of asking: advice, or why there is none; and what it cost.

    attempts counts the calls that left us, latency_ms is of all of them and the pauses between.
    """

    advice: Advice | None = None
    missing: Missing | None = None
    outcome: Outcome = Outcome.NOT_MADE
    attempts: int = 0
    latency_ms: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
