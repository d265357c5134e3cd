"""The machine's part of a decision: why a person must look, or the approval itself."""

import hashlib
import hmac
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection

from audit.services.switches import SwitchName, is_on
from escrow.services.evidence import release_milestone
from kobatela.accounts.selectors import are_related
from proofs.checks.findings import Severity, worst_severity
from proofs.checks.policy import (
    MachineCase,
    held_by_advice,
    machine_may_approve,
    reasons_to_hold,
)
from proofs.models import Proof
from proofs.selectors import machine_approved_minor, taken_where, was_rejected
from proofs.services import outcome
from proofs.services.evidence import Evidence
from proofs.services.reuse import Reuse, look_around, look_for_picture
from proofs.states import MACHINE_ACTOR, ProofType, ReviewReason

if TYPE_CHECKING:
    from escrow.models import Escrow, Milestone

_MACHINE_LOCK = 7102


@dataclass(frozen=True, slots=True)
class Judgement:
    """Every finding on a proof, and the reasons for a person to look; approved without one."""

    findings: list[dict[str, Any]]
    reasons: list[str]


def judge(
    *, escrow: "Escrow", milestone: "Milestone", evidence: Evidence, reuse: Reuse
) -> Judgement:
    """Put everything together that speaks for a person's look at a proof.

    Where nothing does so far, the machine's approvals wait for each other to the end of the
    transaction: the sums of the day and the search for the same picture are then those at commit.
    """
    case = _with_sums(
        escrow,
        _case(
            escrow,
            milestone,
            file_sha256=evidence.sha256,
            worst_severity=worst_severity(evidence.findings),
            reuse_reasons=reuse.reasons,
        ),
    )
    findings = list(evidence.findings)
    if milestone.proof_kind == ProofType.PHOTO and evidence.facts is not None:
        findings += look_for_picture(
            perceptual_hash=evidence.facts.perceptual_hash,
            provider_id=escrow.provider_id,
            but=reuse.proof_ids,
        )
        facts = evidence.facts.to_json()
        taken = taken_where(evidence.captured_at, facts)
        findings += look_around(
            provider_id=escrow.provider_id, taken=taken, facts=facts, but=reuse.proof_ids
        )
    case = replace(case, worst_severity=worst_severity(findings))
    soft = [finding.code.value for finding in findings if finding.severity is Severity.SOFT]
    reasons = [*soft, *case.reuse_reasons] or list(reasons_to_hold(case))
    assert machine_may_approve(case) == (not reasons)
    return Judgement(
        [*(finding.to_json() for finding in findings), *reuse.findings],
        [str(reason) for reason in reasons],
    )


def judge_with_advice(
    *, proof: Proof, escrow: "Escrow", milestone: "Milestone", advice: str | None
) -> list[str]:
    """Judge a stored proof again, now that the advisor was asked: the reasons for a person to look.

    The reasons that it had stay. Where it had none, all conditions are asked again as they are now,
    and the machine's approvals wait for each other as in `judge`. advice is None where none came.
    """
    known = list(proof.review_reasons)
    if milestone.more_asked_at is not None:
        # Somebody acted before the advice came, and waits for more than this proof shows.
        known.append(ReviewReason.MORE_WAS_ASKED.value)
    if known:
        return [*known, *map(str, held_by_advice(advice))]
    severities = {Severity(finding["severity"]) for finding in proof.findings}
    case = _case(
        escrow,
        milestone,
        file_sha256=proof.file_sha256,
        worst_severity=next((item for item in Severity if item in severities), None),
        came_by_link=proof.came_by_link,
    )
    case = _with_sums(escrow, replace(case, without_advisor=False, advice=advice))
    reasons = reasons_to_hold(case)
    assert machine_may_approve(case) == (not reasons)
    return [str(reason) for reason in reasons]


def approve(*, proof: Proof, escrow: "Escrow", milestone: "Milestone") -> None:
    """Approve a proof against which nothing speaks, and release its milestone."""
    outcome.record_approval(proof=proof, actor=MACHINE_ACTOR, note="")
    release_milestone(escrow=escrow, milestone=milestone, proof_id=proof.pk, actor=MACHINE_ACTOR)


def _with_sums(escrow: "Escrow", case: MachineCase) -> MachineCase:
    """The case with the sums of the day, if nothing else speaks against it."""
    if not machine_may_approve(case):
        return case
    _lock_machine()
    escrow_day, provider_day = machine_approved_minor(
        provider_id=escrow.provider_id, escrow_id=escrow.pk, currency=escrow.currency
    )
    return replace(case, escrow_day_minor=escrow_day, provider_day_minor=provider_day)


def _case(
    escrow: "Escrow",
    milestone: "Milestone",
    *,
    file_sha256: str,
    worst_severity: Severity | None,
    reuse_reasons: tuple[ReviewReason, ...] = (),
    came_by_link: bool = False,
) -> MachineCase:
    return MachineCase(
        milestone_kind=milestone.proof_kind,
        validator=milestone.validator,
        has_file=bool(file_sha256),
        has_fence=milestone.geofence_radius_m is not None,
        has_age_limit=milestone.max_age_minutes is not None,
        worst_severity=worst_severity,
        reuse_reasons=reuse_reasons,
        came_by_link=came_by_link,
        parties_related=are_related(escrow.client_id, escrow.provider_id),
        rejected_before=was_rejected(milestone.pk),
        amount_minor=milestone.amount_minor,
        approve_max_minor=settings.KOBATELA_AUTO_APPROVE_MAX_MINOR.get(milestone.currency),
        day_max_minor=settings.KOBATELA_AUTO_APPROVE_DAY_MAX_MINOR.get(milestone.currency),
        escrow_day_minor=0,
        provider_day_minor=0,
        drawn_for_review=is_drawn(milestone.pk, file_sha256),
        switched_on=is_on(SwitchName.MACHINE_APPROVAL),
    )


def is_drawn(milestone_id: int, file_sha256: str) -> bool:
    """Draw by a keyed hash: the same for a repeat, and nobody outside can tell beforehand."""
    text = f"review-sample:{milestone_id}:{file_sha256}".encode()
    digest = hmac.new(settings.SECRET_KEY.encode(), text, hashlib.sha256).digest()
    share: float = settings.KOBATELA_REVIEW_SAMPLE
    return int.from_bytes(digest[:8], "big") < share * 2**64


def _lock_machine() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [_MACHINE_LOCK])
