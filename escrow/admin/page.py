"""Everything that the page of an escrow shows, gathered once."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audit import selectors as audit_selectors
from escrow import rules, selectors
from escrow.admin.story import Dispute, Happening, dispute_of, story_of
from escrow.deadlines import Deadline
from escrow.fees import fee_on_all_held_minor
from escrow.models import Deposit, Escrow, EscrowStatus, Milestone, MilestoneStatus
from kobatela.accounts.selectors import people_behind
from kobatela.accounts.services.approvals import ApprovalState, approval_state, words_given
from kobatela.kernel.money import format_minor
from payments import cases
from payments import selectors as payment_selectors

# Commands on an escrow for which two people may be needed.
PENDING_APPROVALS = (
    rules.RESOLVE.name,
    rules.REFUND.name,
    rules.CLIENT_APPROVE.name,
    rules.CLIENT_REJECT.name,
    rules.CANCEL.name,
)
_ROWS = 200
_TONES: Mapping[str, str] = {
    EscrowStatus.DISPUTED: "bad",
    EscrowStatus.RELEASABLE: "waiting",
    EscrowStatus.FUNDED: "good",
    EscrowStatus.RELEASED: "good",
    MilestoneStatus.PENDING_REVIEW: "waiting",
    MilestoneStatus.REJECTED: "bad",
    MilestoneStatus.APPROVED: "good",
    MilestoneStatus.PAYING: "waiting",
    MilestoneStatus.PAID: "good",
    "PENDING": "waiting",
    "CONFIRMED": "good",
    "FAILED": "bad",
    "SENT": "waiting",
    "SETTLED": "good",
    "ERROR": "bad",
    "OPEN": "waiting",
    "WON": "good",
    "LOST": "bad",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a table: cells as they are shown, a coloured state, and where it leads."""

    cells: Sequence[str]
    state: str
    tone: str
    reference: int


@dataclass(frozen=True, slots=True)
class Approval:
    """A command that one person approved and another has not, and why the first did."""

    command: str
    state: ApprovalState
    note: str


@dataclass(frozen=True, slots=True)
class Page:
    """The whole page."""

    escrow: Escrow
    tone: str
    money: Sequence[tuple[str, str]]
    deadlines: Sequence[Deadline]
    approvals: Sequence[Approval]
    conditions: str
    milestones: Sequence[Line]
    deposits: Sequence[Line]
    payments: Sequence[Line]
    chargebacks: Sequence[Line]
    alerts: Sequence[Any]
    dispute: Dispute | None
    timeline: Sequence[Happening]


def tone_of(status: str) -> str:
    """The colour of a state."""
    return _TONES.get(status, "")


def build(escrow: Escrow) -> Page:
    """Gather the page of one escrow."""
    milestones = selectors.milestones_of(escrow)
    deposits = _latest(selectors.deposits_of(escrow))
    people = people_behind({deposit.reported_by for deposit in deposits})
    return Page(
        escrow=escrow,
        tone=tone_of(escrow.status),
        money=_money(escrow, milestones),
        deadlines=selectors.running_deadlines(escrow, has_milestones=bool(milestones)),
        approvals=_approvals(escrow),
        conditions=_text(escrow.release_conditions),
        milestones=[_milestone(item) for item in milestones],
        deposits=[_deposit(item, people) for item in deposits],
        payments=[_payment(item) for item in _latest(payment_selectors.payments_of(escrow.pk))],
        chargebacks=[_chargeback(item) for item in _latest(cases.chargebacks_of(escrow.pk))],
        alerts=_latest(audit_selectors.alerts().filter(subject=escrow.reference)),
        dispute=dispute_of(escrow),
        timeline=story_of(escrow),
    )


def amount(minor: int, currency: str) -> str:
    """An amount with its currency."""
    return f"{format_minor(minor, currency)} {currency}"


def _money(escrow: Escrow, milestones: Sequence[Milestone]) -> list[tuple[str, str]]:
    rows = {
        "Total": escrow.amount_total_minor,
        "Funded": escrow.funded_minor,
        "Held": escrow.held_minor,
        "Frozen by chargebacks": escrow.frozen_minor,
        "Free": rules.free_of(escrow, rules.open_minor(milestones)),
        "In transit": payment_selectors.in_transit_minor(escrow.pk),
        "Released": escrow.released_minor,
        "Refunded": escrow.refunded_minor,
        "Platform fee on a release": fee_on_all_held_minor(escrow, milestones),
    }
    return [(name, amount(minor, escrow.currency)) for name, minor in rows.items()]


def _approvals(escrow: Escrow) -> list[Approval]:
    states = ((name, approval_state(escrow.reference, name)) for name in PENDING_APPROVALS)
    return [
        Approval(name.replace("_", " "), state, words_given(escrow.reference, name)[0].note)
        for name, state in states
        if state is not None and not state.granted
    ]


def _milestone(milestone: Milestone) -> Line:
    fence = ""
    if milestone.geofence_radius_m is not None:
        spot = f"{milestone.geofence_lat}, {milestone.geofence_lng}"
        fence = f"{milestone.geofence_radius_m} m around {spot}"
    age = milestone.max_age_minutes
    cells = (
        str(milestone.sequence_index),
        milestone.label,
        amount(milestone.amount_minor, milestone.currency),
        milestone.proof_kind,
        milestone.validator,
        fence,
        "any age" if age is None else f"{age} min",
        _text(milestone.proof_requirements),
    )
    return _line(cells, milestone)


def _deposit(deposit: Deposit, people: Mapping[str, str]) -> Line:
    cells = (
        amount(deposit.amount_minor, deposit.currency),
        deposit.source,
        deposit.charge_ref,
        amount(deposit.refunded_minor, deposit.currency),
        people[deposit.reported_by],
        f"{deposit.created_at:%Y-%m-%d %H:%M}",
    )
    return _line(cells, deposit)


def _payment(payment: Any) -> Line:
    cells = (
        payment.kind,
        payment.method,
        amount(payment.amount_minor, payment.currency),
        payment.reason,
        payment.psp_ref or "",
        f"{payment.created_at:%Y-%m-%d %H:%M}",
    )
    return _line(cells, payment)


def _chargeback(case: Any) -> Line:
    cells = (
        amount(case.amount_minor, case.currency),
        amount(case.frozen_minor, case.currency),
        amount(case.owed_minor, case.currency),
        case.psp_ref,
        f"{case.created_at:%Y-%m-%d %H:%M}",
    )
    return _line(cells, case)


def _line(cells: Sequence[str], row: Any) -> Line:
    return Line(cells, row.status, tone_of(row.status), row.pk)


def _latest(rows: Any) -> list[Any]:
    return list(rows.order_by("-pk")[:_ROWS])


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) if value else ""
