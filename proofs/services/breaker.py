"""The breaker of the advisor as it stands in the database, shared by every process."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction

from audit.actions import Action
from audit.alert_types import AlertType, Severity
from audit.services import entries
from audit.services.alerts import raise_alert
from kobatela.kernel import clock
from proofs.advisor import breaker as rule
from proofs.advisor.breaker import Breaker, Outcome, Rules
from proofs.advisor.reply import CONNECT_TIMEOUT_S, RETRY_AFTER_S, Reply
from proofs.models import AdvisorState
from proofs.states import BreakerState

NAME = "ai"
ACTOR = "system:advisor"
_ACTIONS = {
    BreakerState.OPEN: Action.ADVISOR_BREAKER_OPENED,
    BreakerState.HALF_OPEN: Action.ADVISOR_BREAKER_HALF_OPENED,
    BreakerState.CLOSED: Action.ADVISOR_BREAKER_CLOSED,
}


@transaction.atomic
def admit() -> bool:
    """Whether the model may be asked now; then say with `report` what came of it.

    A refusal is counted. In a half-open breaker the one who is admitted is the probe.
    """
    state = _locked()
    may_call, breaker = rule.ask(_breaker_of(state), clock.now(), rules())
    if not may_call:
        state.skipped += 1
    _keep(state, breaker)
    return may_call


@transaction.atomic
def report(reply: Reply) -> None:
    """Count what a call came to, and move the breaker as it says."""
    state = _locked()
    if reply.outcome is not Outcome.NOT_MADE:
        state.calls += 1
        state.errors += reply.advice is None
        state.latency_ms_total += reply.latency_ms
        state.prompt_tokens += reply.prompt_tokens
        state.completion_tokens += reply.completion_tokens
    _keep(state, rule.after(_breaker_of(state), reply.outcome, clock.now(), rules()))


def rules() -> Rules:
    """The limits of this installation. A probe that takes longer than any call can is lost."""
    tries = len(RETRY_AFTER_S) + 1
    longest_s = tries * (settings.AI_PROOF_TIMEOUT_SECONDS + CONNECT_TIMEOUT_S) + sum(RETRY_AFTER_S)
    return Rules(
        failures_to_open=settings.AI_BREAKER_FAILURES,
        open_for=timedelta(seconds=settings.AI_BREAKER_OPEN_SECONDS),
        probe_for=timedelta(seconds=longest_s),
    )


def _locked() -> AdvisorState:
    # The row came with the migration. It is held for one statement or two, never during a call.
    return AdvisorState.objects.select_for_update().get(pk=NAME)


def _breaker_of(state: AdvisorState) -> Breaker:
    return Breaker(
        state=BreakerState(state.breaker),
        failures=state.failures,
        opened_at=state.opened_at,
        probe_at=state.probe_at,
    )


def _keep(state: AdvisorState, breaker: Breaker) -> None:
    before = BreakerState(state.breaker)
    if breaker.state is not before:
        state.transition_to(breaker.state)
        _tell(before, breaker)
    state.failures = breaker.failures
    state.opened_at = breaker.opened_at
    state.probe_at = breaker.probe_at
    state.updated_at = clock.now()
    state.save()


def _tell(before: BreakerState, breaker: Breaker) -> None:
    entries.record(
        actor=ACTOR,
        action=_ACTIONS[breaker.state],
        subject=f"advisor:{NAME}",
        body={"before": before, "failures": breaker.failures},
    )
    if breaker.state is BreakerState.OPEN:
        raise_alert(
            type=AlertType.AI_BREAKER_OPEN,
            severity=Severity.WARNING,
            subject=f"advisor:{NAME}",
            message="The AI advisor does not answer. Photos go to people until it does.",
            payload={"failures": breaker.failures},
        )
