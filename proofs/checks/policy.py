"""Whether a machine may approve a proof: only when nothing at all speaks for a person's look.

A pure function of the case; who gathers the case holds the locks that make its sums true.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from proofs.checks.findings import Severity
from proofs.states import ProofType, ReviewReason

SUPPORT_VALIDATES = "SUPPORT"
CLEAN_ADVICE = "clean"


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineCase:
    """Everything on which the machine's approval of one proof depends.

    approve_max_minor and day_max_minor are the limits of the milestone's currency, None where the
    currency has none and a machine never approves. escrow_day_minor and provider_day_minor are
    what machines approved in 24 hours before this proof, in the same currency. advice is the
    advisor's word, None while there is none; without_advisor says that none is asked.
    """

    milestone_kind: str
    validator: str
    has_file: bool
    has_fence: bool
    has_age_limit: bool
    worst_severity: Severity | None
    reuse_reasons: tuple[ReviewReason, ...]
    came_by_link: bool
    parties_related: bool
    rejected_before: bool
    amount_minor: int
    approve_max_minor: int | None
    day_max_minor: int | None
    escrow_day_minor: int
    provider_day_minor: int
    drawn_for_review: bool
    switched_on: bool
    without_advisor: bool = True
    advice: str | None = None


def reasons_to_hold(case: MachineCase) -> tuple[ReviewReason, ...]:
    """Why a person must decide, beyond the findings.

    What the evidence itself is lacking comes alone: which other rules would have held it too is of
    no use to anybody then.
    """
    about_evidence = tuple(_held_by_evidence(case))
    return about_evidence or (*_held_by_terms(case), *_held_by_limits(case))


def machine_may_approve(case: MachineCase) -> bool:
    """Whether no finding above info and no reason to hold speaks against it."""
    return case.worst_severity in {None, Severity.INFO} and not reasons_to_hold(case)


def _held_by_evidence(case: MachineCase) -> Iterator[ReviewReason]:
    if not case.has_file:
        yield ReviewReason.NO_FILE
    elif case.milestone_kind != ProofType.PHOTO:
        yield ReviewReason.DOCUMENT
    yield from case.reuse_reasons


def _held_by_terms(case: MachineCase) -> Iterator[ReviewReason]:
    if case.validator != SUPPORT_VALIDATES:
        yield ReviewReason.SENDER_VALIDATES
    if not case.has_fence:
        yield ReviewReason.FENCE_NOT_SET
    if not case.has_age_limit:
        yield ReviewReason.AGE_LIMIT_NOT_SET
    if case.came_by_link:
        yield ReviewReason.CAME_BY_LINK
    if case.parties_related:
        yield ReviewReason.PARTIES_RELATED
    # A machine does not overrule the person who said no.
    if case.rejected_before:
        yield ReviewReason.REJECTED_BEFORE


def _held_by_limits(case: MachineCase) -> Iterator[ReviewReason]:
    if case.approve_max_minor is None or case.amount_minor > case.approve_max_minor:
        yield ReviewReason.AMOUNT_ABOVE_LIMIT
    elif _day_is_full(case):
        yield ReviewReason.DAY_LIMIT_REACHED
    if case.drawn_for_review:
        yield ReviewReason.DRAWN_FOR_REVIEW
    if not case.switched_on:
        yield ReviewReason.MACHINE_APPROVAL_OFF
    if not case.without_advisor:
        yield from held_by_advice(case.advice)


def held_by_advice(advice: str | None) -> Iterator[ReviewReason]:
    """Why a person must look, as far as the advisor was asked; None: it gave no advice."""
    if advice is None:
        yield ReviewReason.AI_UNAVAILABLE
    elif advice != CLEAN_ADVICE:
        yield ReviewReason.AI_ADVICE


def _day_is_full(case: MachineCase) -> bool:
    if case.day_max_minor is None:
        return True
    busiest = max(case.escrow_day_minor, case.provider_day_minor)
    return busiest + case.amount_minor > case.day_max_minor
