"""The advisor's word on a proof: asked outside any transaction, and used only to hold.

A submission never waits for it. What it can do at most is not to stand in the way: a photo that
it finds clean is judged again by the same rules as without an advisor, under the same locks.
"""

from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction

from audit.actions import Action
from audit.services import entries
from escrow.errors import InsufficientEscrowBalance
from escrow.services import deadlines
from escrow.services import evidence as escrow_evidence
from kobatela.kernel import clock
from kobatela.kernel.crashpoints import crashpoint
from kobatela.kernel.errors import InvalidState
from kobatela.uploads.errors import FileStorageUnavailable
from proofs import bells
from proofs.advisor.advising import consult
from proofs.advisor.answer import Advice
from proofs.advisor.reply import Missing, Reply, Server
from proofs.models import AdviceRun, Proof
from proofs.readers.errors import ReaderRefusal, ReaderUnavailable
from proofs.selectors import (
    advice_given_up,
    advice_not_begun,
    get_proof_for_advice,
    lock_proof,
    lock_running_advice,
)
from proofs.services import breaker, machine
from proofs.services.advice import is_asked
from proofs.services.advice_material import gather
from proofs.services.known_people import TooManyKnown
from proofs.states import AdviceStatus, Processing, ProofStatus, ReviewReason

if TYPE_CHECKING:
    from escrow.models import Escrow, Milestone

ACTOR = breaker.ACTOR
# A worker that heard the bell has begun by then.
LOST_AFTER = timedelta(minutes=1)
# Longer than any call takes, three tries of 60 s at most: whoever asked has died.
RUN_LOST_AFTER = timedelta(minutes=5)
# Since the proof came; nobody may decide for ten minutes, and the sweeper comes every minute.
GIVEN_UP_AFTER = timedelta(minutes=8)
SWEPT_AT_ONCE = 100


def advise(*, proof_id: int) -> AdviceStatus | None:
    """Get the advisor's word on one proof, and act on it; safe to repeat.

    None when there is nothing to do: another worker has it, or it waits no more.
    """
    run_id = _begin(proof_id)
    if run_id is None:
        return None
    crashpoint("advice.begun")
    said = _consult(proof_id)
    crashpoint("advice.asked")
    return _finish(proof_id, run_id, *said)


def sweep_advice() -> dict[str, int]:
    """Ring again where no worker began, and send on what waits too long: to a person."""
    now = clock.now()
    given_up = advice_given_up(
        came_before=now - GIVEN_UP_AFTER, began_before=now - RUN_LOST_AFTER, limit=SWEPT_AT_ONCE
    )
    for proof_id in given_up:
        _give_up(proof_id)
    waiting = advice_not_begun(before=now - LOST_AFTER, limit=SWEPT_AT_ONCE)
    for proof_id in waiting:
        bells.ring_for_advice(proof_id)
    return {"rung": len(waiting), "given_up": len(given_up)}


@transaction.atomic
def _begin(proof_id: int) -> int | None:
    """Claim the proof for this worker."""
    proof = lock_proof(proof_id)
    if proof.processing != Processing.ADVISING or lock_running_advice(proof_id) is not None:
        return None
    return AdviceRun.objects.create(proof=proof, started_at=clock.now()).pk


def _consult(proof_id: int) -> tuple[Reply, str]:
    """Ask, with no transaction open: the reply, and the hash of what was sent."""
    if not is_asked():
        return Reply(missing=Missing.SWITCHED_OFF), ""
    try:
        material = gather(get_proof_for_advice(proof_id))
    except (ReaderRefusal, ReaderUnavailable, FileStorageUnavailable, FileNotFoundError):
        return Reply(missing=Missing.MATERIAL_UNREADABLE), ""
    except TooManyKnown:
        return Reply(missing=Missing.EGRESS_REFUSED), ""
    if not breaker.admit():
        return Reply(missing=Missing.BREAKER_OPEN), ""
    server = Server(
        base_url=settings.AI_BASE_URL,
        api_key=settings.OPENAI_API_KEY,
        model=settings.AI_PROOF_ADVISOR_MODEL,
        timeout_s=settings.AI_PROOF_TIMEOUT_SECONDS,
    )
    reply, prompt_sha256 = consult(material, server=server)
    breaker.report(reply)
    return reply, prompt_sha256


def _finish(proof_id: int, run_id: int, reply: Reply, prompt_sha256: str) -> AdviceStatus | None:
    seen = Proof.objects.only("escrow_id", "milestone_id").get(pk=proof_id)
    deadlines.apply_due(escrow_id=seen.escrow_id)
    with transaction.atomic():
        escrow, milestone = escrow_evidence.lock_for_decision(
            escrow_id=seen.escrow_id, milestone_id=seen.milestone_id
        )
        proof = lock_proof(proof_id)
        run = lock_running_advice(proof_id)
        if run is None or run.pk != run_id:
            # It was given up meanwhile, and somebody may have decided already.
            return None
        _keep_run(run, reply, prompt_sha256)
        _conclude(proof, run, reply.advice, escrow, milestone)
    return AdviceStatus(run.status)


@transaction.atomic
def _give_up(proof_id: int) -> None:
    seen = Proof.objects.only("escrow_id", "milestone_id").get(pk=proof_id)
    escrow, milestone = escrow_evidence.lock_for_decision(
        escrow_id=seen.escrow_id, milestone_id=seen.milestone_id
    )
    proof = lock_proof(proof_id)
    if proof.processing != Processing.ADVISING:
        return
    run = lock_running_advice(proof_id) or AdviceRun(proof=proof, started_at=clock.now())
    _keep_run(run, Reply(missing=Missing.GIVEN_UP), "")
    _conclude(proof, run, None, escrow, milestone)


def _keep_run(run: AdviceRun, reply: Reply, prompt_sha256: str) -> None:
    advice = reply.advice
    run.transition_to(AdviceStatus.MISSED if advice is None else AdviceStatus.ADVISED)
    run.reason = "" if reply.missing is None else reply.missing.value
    run.model = settings.AI_PROOF_ADVISOR_MODEL[:100]
    run.prompt_sha256 = prompt_sha256
    run.attempts = reply.attempts
    run.latency_ms = reply.latency_ms
    run.prompt_tokens = reply.prompt_tokens
    run.completion_tokens = reply.completion_tokens
    run.finished_at = clock.now()
    if advice is not None:
        run.risk_level = advice.risk_level.value
        run.score = advice.score
        run.flags = list(advice.flags)
        run.explanation = advice.explanation
    run.save()


def _conclude(
    proof: Proof, run: AdviceRun, advice: Advice | None, escrow: "Escrow", milestone: "Milestone"
) -> None:
    """Store the word on the locked proof, end its processing, and hold or approve it."""
    _store(proof, advice)
    _record(proof, run)
    if proof.status != ProofStatus.PENDING:
        return
    level = None if advice is None else advice.risk_level.value
    reasons = machine.judge_with_advice(
        proof=proof, escrow=escrow, milestone=milestone, advice=level
    )
    if not reasons:
        reasons = _approve(proof, escrow, milestone)
    if reasons:
        proof.review_reasons = reasons
        proof.save(update_fields=["review_reasons"])


def _approve(proof: Proof, escrow: "Escrow", milestone: "Milestone") -> list[str]:
    """Approve; or, where the escrow has come to stand otherwise meanwhile, the reason to hold."""
    try:
        # Money may have moved, and a dispute may have been opened, since the photo came.
        with transaction.atomic():
            machine.approve(proof=proof, escrow=escrow, milestone=milestone)
    except (InvalidState, InsufficientEscrowBalance):
        proof.refresh_from_db()
        return [ReviewReason.ESCROW_NOT_PAYABLE.value]
    return []


def _store(proof: Proof, advice: Advice | None) -> None:
    now = clock.now()
    proof.processing_to(Processing.DONE)
    proof.updated_at = now
    if advice is not None:
        proof.ai_risk_level = advice.risk_level.value
        proof.ai_score = advice.score
        proof.ai_flags = list(advice.flags)
        proof.ai_explanation = advice.explanation
        proof.ai_checked_at = now
    proof.save(
        update_fields=[
            "processing",
            "updated_at",
            "ai_risk_level",
            "ai_score",
            "ai_flags",
            "ai_explanation",
            "ai_checked_at",
        ]
    )


def _record(proof: Proof, run: AdviceRun) -> None:
    is_advised = run.status == AdviceStatus.ADVISED
    entries.record(
        actor=ACTOR,
        action=Action.ADVICE_GIVEN if is_advised else Action.ADVICE_MISSED,
        subject=f"proof:{proof.pk}",
        stream=f"escrow:{proof.escrow_id}",
        body={
            "run": run.pk,
            "model": run.model,
            "prompt_sha256": run.prompt_sha256,
            "risk_level": run.risk_level,
            "score": None if run.score is None else str(run.score),
            "reason": run.reason,
            "attempts": run.attempts,
            "latency_ms": run.latency_ms,
        },
    )
