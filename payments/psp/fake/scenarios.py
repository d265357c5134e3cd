"""What the PSP can be told to do wrong.

A scenario is scripted by `POST /scenario {behaviour, times?, kind?, destination?, metadata?,
seconds?}` for the next orders or sessions that fit it, or by an order itself, whose metadata may
name a `scenario`. Chargebacks and late changes of mind are commands: `POST /chargebacks {charge,
amount?}`, `/chargebacks/{id}/win|lose`, `/orders/{id}/settle|fail|return`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Behaviour(StrEnum):
    """How one order is treated.

    SETTLE: accepted, paid a moment later, reported. FAIL: accepted, then it fails.
    RETURN: paid, then it comes back. HOLD: accepted; stays open until told.
    REVERSE: a refund that is paid and reported as failed after all.
    REFUSE: refused at once. BUSY: not taken this time, 429.
    DROP_BEFORE: the connection breaks and nothing was taken.
    NO_ANSWER: accepted, but the connection breaks instead of an answer.
    ERROR_AFTER_ACCEPT: accepted, but the answer is a 500.
    SLOW: accepted, answered late. EARLY_WEBHOOK: reported before it is answered.
    DUPLICATE_WEBHOOK: every report comes twice. LOST_WEBHOOK: no report ever comes.
    LATE_WEBHOOK: every report comes late. REORDERED_WEBHOOKS: paid, then it comes back, and the
    second report comes first.
    OTHER_AMOUNT: one unit more than ordered is paid and reported.
    CHARGEBACK: of a session (kind `funding`): it is paid, and then the payer's bank takes all of
    it back.

    Of sessions and of cases (kind `chargeback`) the reports can be scripted too: twice, late or
    never. A late report that a case was opened comes behind the one of its end.
    """

    SETTLE = "settle"
    FAIL = "fail"
    RETURN = "return"
    REVERSE = "reverse"
    HOLD = "hold"
    REFUSE = "refuse"
    BUSY = "busy"
    DROP_BEFORE = "drop_before"
    NO_ANSWER = "no_answer"
    ERROR_AFTER_ACCEPT = "error_after_accept"
    SLOW = "slow"
    EARLY_WEBHOOK = "early_webhook"
    DUPLICATE_WEBHOOK = "duplicate_webhook"
    LOST_WEBHOOK = "lost_webhook"
    LATE_WEBHOOK = "late_webhook"
    REORDERED_WEBHOOKS = "reordered_webhooks"
    OTHER_AMOUNT = "other_amount"
    CHARGEBACK = "chargeback"


# Nothing was taken, so the same key is a new order.
NOT_TAKEN = frozenset({Behaviour.BUSY, Behaviour.DROP_BEFORE})


@dataclass(frozen=True, slots=True)
class Scenario:
    """A behaviour for the next `times` orders, of one kind, destination or metadata if these are
    named.

    metadata: what the order's own must hold (`{"payment": "12"}`). seconds: how late the answer is
    with SLOW and EARLY_WEBHOOK, and the report with LATE_WEBHOOK.
    """

    behaviour: Behaviour
    times: int = 1
    kind: str = ""
    destination: str = ""
    seconds: float = 3.0
    metadata: Mapping[str, str] = field(default_factory=dict)
