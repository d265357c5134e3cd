"""What may be done to an escrow, by whom and when: one rule for each command.

A rule looks at a `Standing` and raises the refusal. The commands ask it under the escrow's lock;
`allowed_actions` asks all of them for the summary. So what is offered and what is accepted cannot
drift apart. Nothing here reads the database, but for whom the caller acts and is related to.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from escrow.errors import (
    DeadlinePassed,
    EscrowClosed,
    EscrowOverFunded,
    EscrowRoleForbidden,
    InsufficientEscrowBalance,
    MilestoneNotWaiting,
    MilestoneSequenceError,
    MilestonesOpen,
    NoOpenMilestone,
    OwnEscrowForbidden,
)
from escrow.models import Escrow, EscrowStatus, Milestone, MilestoneStatus
from kobatela.accounts.selectors import is_independent
from kobatela.kernel.caller import Caller, Scope
from kobatela.kernel.errors import DomainError, InvalidState
from kobatela.kernel.money import format_minor

TERMINAL = frozenset({EscrowStatus.RELEASED, EscrowStatus.REFUNDED, EscrowStatus.CANCELLED})
BEFORE_DISPUTE = frozenset({EscrowStatus.DRAFT, EscrowStatus.FUNDED, EscrowStatus.RELEASABLE})
OPEN_MILESTONE = frozenset(
    {MilestoneStatus.WAITING, MilestoneStatus.PENDING_REVIEW, MilestoneStatus.REJECTED}
)
# A milestone in one of these has a proof that is pending or was accepted.
PROVEN_MILESTONE = frozenset(MilestoneStatus) - {
    MilestoneStatus.WAITING,
    MilestoneStatus.REJECTED,
    MilestoneStatus.CANCELLED,
}


def held_minor(escrow: Escrow) -> int:
    """What the escrow holds now."""
    return escrow.held_minor


def open_minor(milestones: Sequence[Milestone]) -> int:
    """What the milestones that are not decided yet are worth."""
    return sum(item.amount_minor for item in milestones if item.status in OPEN_MILESTONE)


def free_of(escrow: Escrow, promised_minor: int) -> int:
    """What of the held money no open milestone needs; 0 once nothing may be taken out.

    What a chargeback has frozen is not free. promised_minor: what the open milestones are worth.
    """
    if escrow.status not in {EscrowStatus.DRAFT, EscrowStatus.FUNDED}:
        return 0
    return max(0, escrow.available_minor - promised_minor)


def missing_minor(escrow: Escrow) -> int:
    """What the escrow still needs to be fully funded."""
    return escrow.amount_total_minor - escrow.funded_minor


def current_milestone(milestones: Sequence[Milestone]) -> Milestone | None:
    """The first milestone that is not decided; proofs go to it only."""
    undecided = [item for item in milestones if item.status in OPEN_MILESTONE]
    return min(undecided, key=lambda item: item.sequence_index, default=None)


@dataclass(frozen=True)
class Standing:
    """An escrow as one caller meets it at one moment.

    Whom the caller acts for may cost a query, so it is asked once.

    milestones: all of the escrow's, or none where the rule needs none (deposits).
    pending_deposits: how many wait for support; only counted for staff.
    """

    escrow: Escrow
    caller: Caller
    at: datetime
    milestones: Sequence[Milestone] = ()
    pending_deposits: int = 0

    @cached_property
    def is_client(self) -> bool:
        """Whether the caller acts for the client's side."""
        return self.caller.may_act_for(self.escrow.client_id) and not self.caller.is_staff

    @cached_property
    def is_provider(self) -> bool:
        """Whether the caller acts for the provider's side."""
        return self.caller.may_act_for(self.escrow.provider_id) and not self.caller.is_staff

    @cached_property
    def is_independent(self) -> bool:
        """Whether the person behind the key has no stake in what is done here for others."""
        return is_independent(self.caller, self.escrow.client_id, self.escrow.provider_id)

    def may_answer(self, milestone: Milestone) -> bool:
        """Whether the caller may send what more was asked for, in place of what is under review."""
        if milestone.more_asked_at is None:
            return False
        return self.is_provider or (milestone.more_asked_of_client and self.is_client)

    @property
    def refunds_as_provider(self) -> bool:
        """Whether a refund is the provider giving up the money.

        A key that acts for both sides speaks for the client, unless it is a provider's key.
        """
        return self.is_provider and (not self.is_client or self.caller.scope is Scope.PROVIDER)

    @property
    def free_minor(self) -> int:
        """What may be taken out without touching an open milestone."""
        return free_of(self.escrow, open_minor(self.milestones))

    @property
    def has_proof(self) -> bool:
        """Whether any proof is pending or was accepted."""
        return any(item.status in PROVEN_MILESTONE for item in self.milestones)


@dataclass(frozen=True, slots=True)
class Rule:
    """When a command is accepted. `name` is what `allowed_actions` and approvals call it.

    scopes: the keys that pass the gate of its endpoint.
    check: raises the DomainError that says why not; the caller's side comes first.
    """

    name: str
    scopes: frozenset[Scope]
    check: Callable[[Standing], None]


def require_status(escrow: Escrow, allowed: frozenset[EscrowStatus]) -> None:
    """Raise InvalidState unless the escrow is in one of `allowed`."""
    if escrow.status not in allowed:
        raise InvalidState(
            f"The escrow is {escrow.status}; this does not allow it.", current=str(escrow.status)
        )


def require_takes_money(escrow: Escrow) -> None:
    """Raise EscrowClosed once the escrow has ended and InvalidState while it is disputed."""
    if escrow.status in TERMINAL:
        raise EscrowClosed(current=str(escrow.status))
    require_status(escrow, BEFORE_DISPUTE)


def require_room(escrow: Escrow, amount_minor: int) -> None:
    """Raise EscrowOverFunded when the escrow needs less than `amount_minor`."""
    missing = missing_minor(escrow)
    if amount_minor > missing:
        raise EscrowOverFunded(missing=format_minor(missing, escrow.currency))


def require_held(escrow: Escrow, amount_minor: int) -> None:
    """Raise InsufficientEscrowBalance when less than `amount_minor` is held and not frozen."""
    if escrow.available_minor < amount_minor:
        raise _insufficient(escrow, amount_minor - escrow.available_minor)


def require_unfrozen(escrow: Escrow) -> None:
    """Raise InsufficientEscrowBalance while a chargeback keeps what is held from being decided."""
    if escrow.frozen_minor:
        raise _insufficient(escrow, escrow.frozen_minor)


def require_whole(escrow: Escrow) -> None:
    """Raise InsufficientEscrowBalance while money is frozen or was charged back: to accept all
    would be to pay less than was agreed, without a word."""
    require_unfrozen(escrow)
    if missing_minor(escrow):
        raise _insufficient(escrow, missing_minor(escrow))


def _insufficient(escrow: Escrow, lacking_minor: int) -> InsufficientEscrowBalance:
    return InsufficientEscrowBalance(
        held=format_minor(held_minor(escrow), escrow.currency),
        frozen=format_minor(escrow.frozen_minor, escrow.currency),
        missing=format_minor(lacking_minor, escrow.currency),
    )


def require_provable(
    escrow: Escrow,
    milestones: Sequence[Milestone],
    at: datetime,
    *,
    wanted: Milestone | None = None,
    may_answer: Callable[[Milestone], bool] | None = None,
) -> Milestone:
    """The current milestone, if it can take a proof now.

    wanted: the milestone that the proof is for. may_answer: whether who sends it may do so while
    another is under review, because more was asked for; nobody unless given.

    Raises DeadlinePassed, InvalidState (disputed), NoOpenMilestone, MilestoneSequenceError,
    MilestoneNotWaiting and InsufficientEscrowBalance.
    """
    if at >= escrow.deadline_at:
        raise DeadlinePassed(deadline_at=escrow.deadline_at.isoformat())
    require_status(escrow, frozenset(EscrowStatus) - {EscrowStatus.DISPUTED})
    current = current_milestone(milestones)
    if current is None:
        raise NoOpenMilestone
    if wanted is not None and wanted.pk != current.pk:
        raise MilestoneSequenceError(current=current.sequence_index)
    is_answer = may_answer is not None and may_answer(current)
    if current.status == MilestoneStatus.PENDING_REVIEW and not is_answer:
        raise MilestoneNotWaiting(current=str(current.status))
    require_held(escrow, current.amount_minor)
    return current


def _client_only(standing: Standing) -> None:
    if not standing.is_client:
        raise EscrowRoleForbidden("Only the client's side may do this.")


def require_party(standing: Standing) -> None:
    """Raise EscrowRoleForbidden unless the caller acts for a party."""
    if not (standing.is_client or standing.is_provider):
        raise EscrowRoleForbidden("Only a party to the escrow may do this.")


def _staff_only(standing: Standing) -> None:
    if not standing.caller.is_staff:
        raise EscrowRoleForbidden("Only support may do this.")
    _not_own(standing)


def _not_own(standing: Standing) -> None:
    if not standing.is_independent:
        raise OwnEscrowForbidden


def _client_decides(standing: Standing) -> None:
    _client_only(standing)
    _not_own(standing)


def _deposit(standing: Standing) -> None:
    _client_only(standing)
    require_takes_money(standing.escrow)
    require_room(standing.escrow, 1)


def _add_milestone(standing: Standing) -> None:
    _client_only(standing)
    require_status(standing.escrow, frozenset({EscrowStatus.DRAFT, EscrowStatus.FUNDED}))


def _mark_delivered(standing: Standing) -> None:
    require_party(standing)
    require_status(standing.escrow, frozenset({EscrowStatus.FUNDED}))
    current = current_milestone(standing.milestones)
    if current is not None:
        raise MilestonesOpen(current=current.sequence_index)


def _client_approve(standing: Standing) -> None:
    _client_decides(standing)
    require_status(standing.escrow, frozenset({EscrowStatus.FUNDED, EscrowStatus.RELEASABLE}))
    require_whole(standing.escrow)


def _client_reject(standing: Standing) -> None:
    _client_decides(standing)
    require_status(standing.escrow, BEFORE_DISPUTE)
    require_may_turn_down(standing)


def _cancel(standing: Standing) -> None:
    _client_decides(standing)
    require_status(standing.escrow, frozenset({EscrowStatus.DRAFT}))
    require_may_turn_down(standing)


def _dispute(standing: Standing) -> None:
    require_party(standing)
    require_status(standing.escrow, BEFORE_DISPUTE)


def _refund(standing: Standing) -> None:
    if not standing.caller.is_staff:
        require_party(standing)
    _not_own(standing)
    require_status(standing.escrow, BEFORE_DISPUTE)


def _resolve(standing: Standing) -> None:
    _staff_only(standing)
    require_status(standing.escrow, frozenset({EscrowStatus.DISPUTED}))
    require_unfrozen(standing.escrow)


def _confirm_deposit(standing: Standing) -> None:
    _reject_deposit(standing)
    require_takes_money(standing.escrow)


def _reject_deposit(standing: Standing) -> None:
    _staff_only(standing)
    if not standing.pending_deposits:
        raise InvalidState("No deposit waits for confirmation.")


def _submit_proof(standing: Standing) -> None:
    require_party(standing)
    require_provable(
        standing.escrow, standing.milestones, standing.at, may_answer=standing.may_answer
    )


_SENDER = frozenset({Scope.SENDER})
_PARTIES = frozenset({Scope.SENDER, Scope.PROVIDER})
_SUPPORT = frozenset({Scope.SUPPORT})

DEPOSIT = Rule("deposit", _SENDER, _deposit)
FUNDING_SESSION = Rule("funding_session", _SENDER | {Scope.ADMIN}, _deposit)
ADD_MILESTONE = Rule("add_milestone", _SENDER, _add_milestone)
SUBMIT_PROOF = Rule("submit_proof", _PARTIES, _submit_proof)
MARK_DELIVERED = Rule("mark_delivered", _PARTIES, _mark_delivered)
CLIENT_APPROVE = Rule("client_approve", _SENDER, _client_approve)
CLIENT_REJECT = Rule("client_reject", _SENDER, _client_reject)
CANCEL = Rule("cancel", _SENDER, _cancel)
DISPUTE = Rule("dispute", _PARTIES, _dispute)
REFUND = Rule("refund", _PARTIES | _SUPPORT, _refund)
RESOLVE = Rule("resolve", _SUPPORT, _resolve)
CONFIRM_DEPOSIT = Rule("confirm_deposit", _SUPPORT, _confirm_deposit)
REJECT_DEPOSIT = Rule("reject_deposit", _SUPPORT, _reject_deposit)

RULES: Sequence[Rule] = (
    DEPOSIT,
    FUNDING_SESSION,
    ADD_MILESTONE,
    SUBMIT_PROOF,
    MARK_DELIVERED,
    CLIENT_APPROVE,
    CLIENT_REJECT,
    CANCEL,
    DISPUTE,
    REFUND,
    RESOLVE,
    CONFIRM_DEPOSIT,
    REJECT_DEPOSIT,
)


def allowed_actions(
    standing: Standing, passes_gate: Callable[[Caller, frozenset[Scope]], bool]
) -> list[str]:
    """The commands that this caller could give now, by name.

    passes_gate: whether the caller's key passes an endpoint of these scopes.
    """
    return [
        rule.name
        for rule in RULES
        if passes_gate(standing.caller, rule.scopes) and _accepts(rule, standing)
    ]


def _accepts(rule: Rule, standing: Standing) -> bool:
    try:
        rule.check(standing)
    except DomainError:
        return False
    return True


def require_may_turn_down(standing: Standing) -> None:
    """Raise InsufficientEscrowBalance when a refusal would give back money that is frozen."""
    if outcome_of_rejection(standing) is not EscrowStatus.DISPUTED:
        require_unfrozen(standing.escrow)


def outcome_of_rejection(standing: Standing) -> EscrowStatus:
    """Where client-reject and cancel lead.

    Money goes back only while no proof is pending or accepted; after that support decides.
    """
    escrow = standing.escrow
    if not standing.has_proof:
        by_status: Mapping[str, EscrowStatus] = {
            EscrowStatus.DRAFT: EscrowStatus.CANCELLED,
            EscrowStatus.FUNDED: EscrowStatus.REFUNDED,
        }
        return by_status.get(escrow.status, EscrowStatus.DISPUTED)
    return EscrowStatus.DISPUTED
