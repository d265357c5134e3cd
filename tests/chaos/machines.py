"""What the trail must tell of each thing that has states: which entry is which move.

Written from the contract; a test holds these tables against the product's own state machines and
its list of actions, so that a new state, a new move or a new action without a judge fails.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


# What comes before the first state.
NOTHING = "-"
Move = tuple[str, str]


@dataclass(frozen=True)
class Machine:
    """The life of one kind of thing, as its audit entries tell it.

    rows: the table of a snapshot that holds them. moves: for each action from which states
    (parted by spaces, `-` for nothing) it leads to which. notes: actions that move nothing.
    """

    rows: str
    moves: Mapping[str, Move]
    notes: frozenset[str] = field(default_factory=frozenset)

    def sources(self, action: str) -> frozenset[str]:
        """The states from which an action may move."""
        return frozenset(self.moves[action][0].split())

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Every move from a state to another one."""
        for action, (_, target) in self.moves.items():
            yield from ((source, target) for source in self.sources(action) if source != target)

    def later(self, state: str) -> frozenset[str]:
        """The states in which a thing may be found that was once seen in `state`."""
        found, pairs = {state}, set(self.pairs())
        while more := {target for source, target in pairs if source in found} - found:
            found |= more
        return frozenset(found)


_OPEN_MILESTONE = "WAITING PENDING_REVIEW REJECTED"
_OPEN_ESCROW = "DRAFT FUNDED RELEASABLE"

# By the noun of their actions, which is that of their subjects too (`milestone:7`).
MACHINES: Mapping[str, Machine] = {
    "escrow": Machine(
        "escrows",
        {
            "escrow.created": ("-", "DRAFT"),
            "escrow.funded": ("DRAFT", "FUNDED"),
            "escrow.delivered": ("FUNDED", "RELEASABLE"),
            "escrow.disputed": (_OPEN_ESCROW, "DISPUTED"),
            "escrow.released": (f"{_OPEN_ESCROW} DISPUTED", "RELEASED"),
            "escrow.refunded": ("FUNDED RELEASABLE DISPUTED", "REFUNDED"),
            "escrow.cancelled": ("DRAFT", "CANCELLED"),
        },
        frozenset(
            {
                "escrow.read",
                "escrow.partly_refunded",
                "escrow.spent",
                "escrow.spent_put_back",
                "escrow.spent_after_all",
                "escrow.deadline_paused",
                "escrow.hold_ending",
                "escrow.money_frozen",
                "escrow.money_freed",
                "escrow.charged_back",
            }
        ),
    ),
    "milestone": Machine(
        "milestones",
        {
            "milestone.created": ("-", "WAITING"),
            "milestone.submitted": ("WAITING REJECTED", "PENDING_REVIEW"),
            "milestone.rejected": ("PENDING_REVIEW", "REJECTED"),
            "milestone.reopened": ("PENDING_REVIEW", "REJECTED"),
            "milestone.approved": (_OPEN_MILESTONE, "APPROVED"),
            "milestone.cancelled": (_OPEN_MILESTONE, "CANCELLED"),
            "milestone.paying": ("APPROVED", "PAYING"),
            "milestone.paid": ("PAYING", "PAID"),
            "milestone.payout_failed": ("PAYING", "APPROVED"),
            "milestone.payout_returned": ("PAID", "APPROVED"),
        },
    ),
    "deposit": Machine(
        "deposits",
        {
            "deposit.reported": ("-", "PENDING"),
            "deposit.confirmed": ("- PENDING", "CONFIRMED"),
            "deposit.rejected": ("PENDING", "FAILED"),
            "deposit.expired": ("PENDING", "FAILED"),
            "deposit.not_needed": ("PENDING", "FAILED"),
        },
    ),
    "payment": Machine(
        "payments",
        {
            "payment.requested": ("-", "PENDING"),
            "payment.sent": ("PENDING", "SENT"),
            "payment.settled": ("SENT", "SETTLED"),
            "payment.failed": ("SENT", "ERROR"),
            "payment.funds_pending": ("SENT", "ERROR"),
            # Of one that its PSP had been said never to have got, or that was paid after all.
            "payment.found": ("ERROR PENDING CANCELLED", "SENT"),
            # Of one that waits for a word: it may go, and is where it was.
            "payment.retried": ("ERROR PENDING", "PENDING"),
            "payment.returned": ("SETTLED", "REFUNDED"),
            "payment.taken_back": ("PENDING ERROR", "CANCELLED"),
            "payment.same_money": ("PENDING", "CANCELLED"),
        },
        frozenset(
            {
                "payment.given_back",
                "payment.debt_paid",
                "payment.paid_otherwise",
                "payment.held",
                "payment.hold_lifted",
                "payment.surplus_booked",
                "payment.routed",
                "payment.uncovered",
                "payment.covered",
            }
        ),
    ),
    "funding": Machine(
        "fundings",
        {
            "funding.created": ("-", "CREATED"),
            "funding.succeeded": ("CREATED FAILED", "SUCCEEDED"),
            "funding.failed": ("CREATED", "FAILED"),
        },
        frozenset({"funding.corrected"}),
    ),
    "funds_move": Machine(
        "funds_moves",
        {
            "funds_move.proposed": ("-", "WAITING"),
            "funds_move.booked": ("WAITING", "BOOKED"),
            "funds_move.rejected": ("WAITING", "REJECTED"),
        },
    ),
    "chargeback": Machine(
        "chargebacks",
        {
            "chargeback.opened": ("-", "OPEN"),
            "chargeback.won": ("OPEN", "WON"),
            "chargeback.lost": ("OPEN", "LOST"),
        },
        frozenset({"chargeback.written_off", "chargeback.recovered", "chargeback.owed_again"}),
    ),
    "batch": Machine(
        "batches",
        {
            "batch.collected": ("-", "DRAFT"),
            "batch.approved": ("DRAFT", "APPROVED"),
            "batch.exported": ("APPROVED", "EXPORTED"),
            "batch.imported": ("EXPORTED", "IMPORTED"),
            "batch.closed": ("EXPORTED IMPORTED", "CLOSED"),
            "batch.cancelled": ("DRAFT APPROVED", "CANCELLED"),
        },
        frozenset({"batch.statement_taken"}),
    ),
    "proof": Machine(
        "proofs",
        {
            "proof.submitted": ("-", "PENDING"),
            "proof.approved": ("PENDING", "APPROVED"),
            "proof.rejected": ("PENDING", "REJECTED"),
            "proof.replaced": ("PENDING", "REJECTED"),
        },
        frozenset(
            {
                "proof.refused",
                "proof.read",
                "proof.info_requested",
                "proof.document_read",
                "proof.document_reread",
                "proof.document_not_read",
            }
        ),
    ),
    "purchase": Machine(
        "purchases",
        {
            "purchase.made": ("-", "COMPLETED"),
            "purchase.refund_asked": ("COMPLETED", "REFUND_PENDING"),
            "purchase.refund_denied": ("REFUND_PENDING", "COMPLETED"),
            "purchase.refunded": ("COMPLETED REFUND_PENDING", "REFUNDED"),
        },
        frozenset(
            {
                "purchase.refused",
                "purchase.paid",
                "purchase.payout_failed",
                "purchase.payout_returned",
                "purchase.receipt_added",
            }
        ),
    ),
    "mandate": Machine(
        "mandates",
        {
            "mandate.created": ("-", "ACTIVE"),
            "mandate.consumed": ("ACTIVE", "CONSUMED"),
            "mandate.restored": ("CONSUMED", "ACTIVE"),
            "mandate.expired": ("ACTIVE", "EXPIRED"),
            "mandate.revoked": ("ACTIVE CONSUMED", "REVOKED"),
        },
    ),
}

# Nouns whose entries tell of no state that money hangs on: who may do what, who read what, what a
# machine said, which job ran. Those of jobs, spendings and fees are counted against their rows.
NO_STATE = words(
    """
    access advice advisor alert allowlist apikey approval audit batch_file category certification
    destination difference escrow_grant job merchant party payee proof_file project project_mandates
    projects psp_event psp_fee purchase_receipt reconciliation reread spending staff switch transfer
    upload usage user
    """
)
