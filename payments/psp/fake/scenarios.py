"""What the PSP can be told to do wrong."""

from dataclasses import dataclass
from enum import StrEnum


class Behaviour(StrEnum):
    """How one order is treated.

    SETTLE: accepted, paid a moment later, reported. FAIL: accepted, then it fails.
    RETURN: paid, then it comes back. HOLD: accepted; stays open until told.
    REFUSE: refused at once. BUSY: not taken this time, 429.
    NO_ANSWER: accepted, but the connection breaks instead of an answer.
    ERROR_AFTER_ACCEPT: accepted, but the answer is a 500.
    SLOW: accepted, answered late. EARLY_WEBHOOK: reported before it is answered.
    DUPLICATE_WEBHOOK: every report comes twice. LOST_WEBHOOK: no report ever comes.
    OTHER_AMOUNT: one unit more than ordered is paid and reported.
    """

    SETTLE = "settle"
    FAIL = "fail"
    RETURN = "return"
    HOLD = "hold"
    REFUSE = "refuse"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    ERROR_AFTER_ACCEPT = "error_after_accept"
    SLOW = "slow"
    EARLY_WEBHOOK = "early_webhook"
    DUPLICATE_WEBHOOK = "duplicate_webhook"
    LOST_WEBHOOK = "lost_webhook"
    OTHER_AMOUNT = "other_amount"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A behaviour for the next `times` orders, of one kind or destination if these are named.

    seconds: how long the answer takes with SLOW and EARLY_WEBHOOK.
    """

    behaviour: Behaviour
    times: int = 1
    kind: str = ""
    destination: str = ""
    seconds: float = 3.0
