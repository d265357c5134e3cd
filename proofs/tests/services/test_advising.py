"""With the advisor on, a photo waits for its word; that word can hold and never release."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from pytest_django.fixtures import Settings

from audit.models import Alert, AuditEntry
from audit.services.switches import set_switch
from conftest import Doorbells
from escrow.services.acceptance import approve_escrow
from escrow.services.disputes import open_dispute
from escrow.services.journal import Said
from escrow.tests.books import assert_in_order
from escrow.tests.factories import as_client, milestone_of
from kobatela.kernel import clock
from payments.selectors import payments_of
from proofs.advisor.advising import consult
from proofs.models import AdviceRun, AdvisorState, Proof
from proofs.readers.documents.facts import PAGE_BREAK
from proofs.services import advising
from proofs.services.advising import advise, sweep_advice
from proofs.states import AdviceStatus, Processing, ProofStatus
from proofs.tests.advised import model as model  # noqa: PLC0414
from proofs.tests.advised import read
from proofs.tests.factories import PDF, claim, photo, site_escrow, submit, vague_photo
from proofs.tests.model_server import ModelServer, Scripted, advice, pictures_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_noon")]


def outcome(proof: Proof) -> tuple[str, str, list[str]]:
    proof.refresh_from_db()
    return proof.status, proof.processing, proof.review_reasons


def advised(escrow: Any = None, content: bytes | None = None) -> Proof:
    """A photo on which the worker has been."""
    proof = submit(escrow or site_escrow(), content or photo())
    advise(proof_id=proof.pk)
    return proof


def test_a_photo_waits_for_advice_and_the_worker_is_told_after_the_commit(
    model: ModelServer, doorbells: Doorbells, django_capture_on_commit_callbacks: Any
) -> None:
    escrow = site_escrow()
    with django_capture_on_commit_callbacks(execute=True):
        proof = submit(escrow, photo())

    assert outcome(proof) == (ProofStatus.PENDING, Processing.ADVISING, [])
    assert doorbells.for_task("proofs.tasks.advise") == [(str(proof.pk),)]
    assert model.bodies == []
    assert milestone_of(escrow).status == "PENDING_REVIEW"
    assert list(payments_of(escrow.pk)) == []


def test_what_is_clean_and_passes_every_rule_is_approved_by_the_machine(
    model: ModelServer,
) -> None:
    model.say(advice("clean", 0.9125))
    escrow = site_escrow()

    proof = advised(escrow)

    assert outcome(proof) == (ProofStatus.APPROVED, Processing.DONE, [])
    assert proof.is_machine_approved
    assert [payment.amount_minor for payment in payments_of(escrow.pk)] == [100_000]
    assert (proof.ai_risk_level, str(proof.ai_score)) == ("clean", "0.912")
    run = AdviceRun.objects.get()
    assert (run.status, run.model, run.attempts) == (AdviceStatus.ADVISED, "model-of-the-tests", 1)
    assert len(run.prompt_sha256) == 64
    assert (run.prompt_tokens, run.completion_tokens) == (100, 20)
    entry = AuditEntry.objects.get(action="advice.given")
    assert (entry.actor, entry.subject) == ("system:advisor", f"proof:{proof.pk}")
    assert "I looked" not in entry.body
    assert_in_order()


@pytest.mark.parametrize("level", ["warning", "suspect"])
def test_doubt_turns_a_machine_approval_into_a_review(model: ModelServer, level: str) -> None:
    model.say(advice(level, 0.2, ("screen_photographed",)))
    escrow = site_escrow()

    proof = advised(escrow)

    assert outcome(proof) == (ProofStatus.PENDING, Processing.DONE, ["AI_ADVICE"])
    assert (proof.ai_risk_level, proof.ai_flags) == (level, ["screen_photographed"])
    assert list(payments_of(escrow.pk)) == []


def test_clean_advice_takes_no_reason_away(model: ModelServer) -> None:
    proof = advised(content=vague_photo())

    assert outcome(proof) == (ProofStatus.PENDING, Processing.DONE, ["GEOFENCE_UNCERTAIN"])
    assert proof.ai_risk_level == "clean"


@pytest.mark.parametrize(
    ("said", "why", "calls"),
    [
        (Scripted(status=500), "OVERLOADED", 3),
        (Scripted(status=429), "OVERLOADED", 3),
        (Scripted(hangs_up=True), "UNREACHABLE", 3),
        (Scripted(status=401), "MISCONFIGURED", 1),
        (Scripted(status=400), "CALL_REFUSED", 1),
        (Scripted(content="I would say clean."), "ANSWER_INVALID", 1),
        (Scripted(content=advice("spotless")), "ANSWER_INVALID", 1),
        (Scripted(content=advice(score=1.5)), "ANSWER_INVALID", 1),
        (Scripted(content=advice(status="APPROVED")), "ANSWER_INVALID", 1),
        (Scripted(raw=b"<html>"), "ANSWER_INVALID", 1),
        (Scripted(raw=b'{"choices": []}'), "ANSWER_INVALID", 1),
    ],
)
def test_ai1_without_advice_the_photo_goes_to_a_person_and_nothing_fails(
    model: ModelServer, said: Scripted, why: str, calls: int
) -> None:
    model.say(said)
    escrow = site_escrow()

    proof = advised(escrow)

    assert outcome(proof) == (ProofStatus.PENDING, Processing.DONE, ["AI_UNAVAILABLE"])
    run = AdviceRun.objects.get()
    assert (run.status, run.reason, run.attempts) == (AdviceStatus.MISSED, why, calls)
    assert len(model.bodies) == calls
    assert (proof.ai_risk_level, proof.ai_score) == ("", None)
    assert list(payments_of(escrow.pk)) == []
    assert AuditEntry.objects.filter(action="advice.missed").count() == 1


def test_a_passing_failure_is_tried_again_and_then_the_advice_counts(model: ModelServer) -> None:
    model.say(Scripted(status=503), Scripted(hangs_up=True), advice())

    proof = advised()

    assert outcome(proof)[0] == ProofStatus.APPROVED
    assert AdviceRun.objects.get().attempts == 3
    assert AdvisorState.objects.get().errors == 0


def test_a_server_that_is_down_fails_nothing(model: ModelServer, settings: Settings) -> None:
    settings.AI_BASE_URL = "http://127.0.0.1:9/v1"

    assert outcome(advised()) == (ProofStatus.PENDING, Processing.DONE, ["AI_UNAVAILABLE"])


def test_a_server_that_is_too_slow_fails_nothing(model: ModelServer, settings: Settings) -> None:
    settings.AI_PROOF_TIMEOUT_SECONDS = 0.05
    model.say(Scripted(advice(), after_s=0.3))

    assert outcome(advised())[2] == ["AI_UNAVAILABLE"]
    assert AdviceRun.objects.get().reason == "TIMEOUT"


def test_switched_off_the_photo_rules_alone_decide(model: ModelServer) -> None:
    set_switch(name="ai", is_on=False, reason="Costs.", actor="staff:1")

    proof = submit(site_escrow(), photo())

    assert outcome(proof) == (ProofStatus.APPROVED, Processing.DONE, [])
    assert model.bodies == []


def test_switched_off_while_it_waits_the_photo_goes_to_a_person(model: ModelServer) -> None:
    proof = submit(site_escrow(), photo())
    set_switch(name="ai", is_on=False, reason="Costs.", actor="staff:1")

    advise(proof_id=proof.pk)

    assert outcome(proof) == (ProofStatus.PENDING, Processing.DONE, ["AI_UNAVAILABLE"])
    assert model.bodies == []


def test_claims_are_not_advised_on(model: ModelServer) -> None:
    proof = claim(site_escrow())

    assert outcome(proof) == (ProofStatus.PENDING, Processing.DONE, ["NO_FILE"])


def test_the_machines_conditions_are_asked_again_when_the_advice_is_there(
    model: ModelServer,
) -> None:
    proof = submit(site_escrow(), photo())
    set_switch(name="machine_approval", is_on=False, reason="Fraud.", actor="staff:1")

    advise(proof_id=proof.pk)

    assert outcome(proof) == (ProofStatus.PENDING, Processing.DONE, ["MACHINE_APPROVAL_OFF"])


def test_the_sum_of_the_day_is_that_of_the_moment_of_approval(
    model: ModelServer, settings: Settings
) -> None:
    settings.KOBATELA_AUTO_APPROVE_DAY_MAX_MINOR = {"EUR": 150_000}
    escrow = site_escrow()
    first = submit(escrow, photo())
    second = submit(site_escrow(provider=escrow.provider), photo())

    advise(proof_id=second.pk)
    advise(proof_id=first.pk)

    assert outcome(second)[0] == ProofStatus.APPROVED
    assert outcome(first) == (ProofStatus.PENDING, Processing.DONE, ["DAY_LIMIT_REACHED"])


def test_a_dispute_that_came_first_keeps_the_machine_from_paying(model: ModelServer) -> None:
    escrow = site_escrow()
    proof = submit(escrow, photo())
    open_dispute(caller=as_client(escrow), escrow_id=escrow.pk, said=Said(note="Wait."))

    advise(proof_id=proof.pk)

    assert outcome(proof) == (ProofStatus.PENDING, Processing.DONE, ["ESCROW_NOT_PAYABLE"])
    assert (proof.decided_by, proof.ai_risk_level) == ("", "clean")
    assert milestone_of(escrow).status == "PENDING_REVIEW"
    assert list(payments_of(escrow.pk)) == []
    assert_in_order()


def test_a_proof_that_was_decided_meanwhile_keeps_its_decision(model: ModelServer) -> None:
    escrow = site_escrow()
    proof = submit(escrow, photo())
    approve_escrow(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())
    model.say(advice("suspect", 0.1))

    advise(proof_id=proof.pk)

    assert outcome(proof) == (ProofStatus.APPROVED, Processing.DONE, [])
    assert proof.ai_risk_level == "suspect"
    assert len(payments_of(escrow.pk)) == 1


def test_a_second_bell_asks_nothing(model: ModelServer) -> None:
    proof = advised()

    assert advise(proof_id=proof.pk) is None
    assert len(model.bodies) == 1


def test_while_one_worker_asks_another_leaves_it_alone(model: ModelServer) -> None:
    proof = submit(site_escrow(), photo())
    said: list[AdviceStatus | None] = []

    def answer(_body: Any) -> Scripted:
        return Scripted(advice())

    model.answer = answer
    assert advising._begin(proof.pk) is not None
    said.append(advise(proof_id=proof.pk))

    assert said == [None]
    assert model.bodies == []


def test_the_sweeper_rings_again_where_nobody_began(
    model: ModelServer, doorbells: Doorbells, django_capture_on_commit_callbacks: Any
) -> None:
    proof = submit(site_escrow(), photo())
    assert sweep_advice() == {"rung": 0, "given_up": 0}
    clock.advance(timedelta(minutes=1))

    with django_capture_on_commit_callbacks(execute=True):
        assert sweep_advice() == {"rung": 1, "given_up": 0}

    assert doorbells.for_task("proofs.tasks.advise") == [(str(proof.pk),)]


@pytest.mark.parametrize("began", [True, False])
def test_what_waits_too_long_goes_to_a_person_within_ten_minutes(
    model: ModelServer,
    began: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    proof = submit(site_escrow(), photo())
    run_id = advising._begin(proof.pk) if began else None
    clock.advance(timedelta(minutes=5 if began else 8) - timedelta(seconds=1))
    assert sweep_advice()["given_up"] == 0
    clock.advance(timedelta(seconds=1))

    assert sweep_advice() == {"rung": 0, "given_up": 1}

    assert outcome(proof) == (ProofStatus.PENDING, Processing.DONE, ["AI_UNAVAILABLE"])
    run = AdviceRun.objects.get()
    assert (run.status, run.reason) == (AdviceStatus.MISSED, "GIVEN_UP")
    assert run_id in {None, run.pk}


def test_advice_that_comes_after_it_was_given_up_changes_nothing(model: ModelServer) -> None:
    escrow = site_escrow()
    proof = submit(escrow, photo())

    def sweep_first(_body: Any) -> Scripted:
        return Scripted(advice())

    run_id = advising._begin(proof.pk)
    assert run_id is not None
    reply, prompt_sha256 = advising._consult(proof.pk)
    clock.advance(timedelta(minutes=5))
    sweep_advice()

    assert advising._finish(proof.pk, run_id, reply, prompt_sha256) is None
    assert outcome(proof) == (ProofStatus.PENDING, Processing.DONE, ["AI_UNAVAILABLE"])
    assert list(payments_of(escrow.pk)) == []


def test_a_picture_that_cannot_be_read_again_goes_to_a_person_without_a_call(
    model: ModelServer, files_dir: Any
) -> None:
    from kobatela.uploads import storage

    proof = submit(site_escrow(), photo())
    assert proof.upload is not None
    storage.discard(proof.upload.storage_name)

    advise(proof_id=proof.pk)

    assert outcome(proof)[2] == ["AI_UNAVAILABLE"]
    assert AdviceRun.objects.get().reason == "MATERIAL_UNREADABLE"
    assert model.bodies == []


def test_the_picture_is_small_and_the_model_reads_what_was_agreed(
    model: ModelServer, settings: Settings
) -> None:
    import io

    from PIL import Image

    settings.AI_PROOF_MAX_IMAGE_RESOLUTION_X = 100
    settings.AI_PROOF_MAX_IMAGE_RESOLUTION_Y = 80

    advised(content=photo(width=640, height=480))

    (picture,) = pictures_of(model.bodies[0])
    with Image.open(io.BytesIO(picture)) as image:
        assert max(image.size) <= 100
        assert image.size[1] <= 80
    text = model.texts[0]
    assert '"amount": "1000.00"' in text
    assert '"currency": "EUR"' in text
    assert '"geofence_radius_m": "200.00"' in text
    # Where it was taken is no business of the model's; how far away is.
    assert "5.351" not in text
    assert '"distance_m": "110.' in text


def a_document(text: str = "Facture\nTotal 10,00 EUR", **fields: str) -> Proof:
    """An invoice that was read and checked."""
    escrow = site_escrow(terms={"proof_kind": "INVOICE"})
    return read(submit(escrow, PDF, proof_type="INVOICE"), text, **fields)


def test_a_document_waits_for_advice_after_its_checks_and_then_for_a_person(
    model: ModelServer, doorbells: Doorbells, django_capture_on_commit_callbacks: Any
) -> None:
    model.say(advice("warning", 0.5, ("amount_differs",)))
    with django_capture_on_commit_callbacks(execute=True):
        proof = a_document(total="10.00")
    assert outcome(proof)[:2] == (ProofStatus.PENDING, Processing.ADVISING)
    assert doorbells.for_task("proofs.tasks.advise") == [(str(proof.pk),)]

    advise(proof_id=proof.pk)

    assert outcome(proof) == (ProofStatus.PENDING, Processing.DONE, ["DOCUMENT", "AI_ADVICE"])
    assert proof.ai_flags == ["amount_differs"]
    assert '"name": "total"' in model.texts[0]
    assert '"value": "10.00"' in model.texts[0]
    assert pictures_of(model.bodies[0]) == []


def test_a_document_that_is_clean_still_waits_for_a_person(model: ModelServer) -> None:
    proof = a_document()

    advise(proof_id=proof.pk)

    assert outcome(proof) == (ProofStatus.PENDING, Processing.DONE, ["DOCUMENT"])


def test_with_the_advisor_off_a_document_is_done_after_its_checks() -> None:
    assert outcome(a_document()) == (ProofStatus.PENDING, Processing.DONE, ["DOCUMENT"])


def test_of_a_document_the_model_reads_the_first_pages_only(
    model: ModelServer, settings: Settings
) -> None:
    settings.AI_PROOF_MAX_PDF_PAGES = 2
    proof = a_document(PAGE_BREAK.join(["page one", "page two", "page three"]), total="1.00")

    advise(proof_id=proof.pk)

    assert "page two" in model.texts[0]
    assert "page three" not in model.texts[0]


@pytest.mark.django_db(transaction=True)
def test_the_model_is_asked_with_no_transaction_open(
    model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_then: list[bool] = []

    def watched(*args: Any, **options: Any) -> Any:
        open_then.append(connection.in_atomic_block)
        return consult(*args, **options)

    monkeypatch.setattr("proofs.services.advising.consult", watched)

    assert outcome(advised())[0] == ProofStatus.APPROVED
    assert open_then == [False]
    assert_in_order()


def test_the_breaker_opens_alerts_and_spares_the_next_calls(
    model: ModelServer, settings: Settings
) -> None:
    settings.AI_BREAKER_FAILURES = 2
    model.say(Scripted(status=500))
    for _ in range(3):
        assert outcome(advised())[2] == ["AI_UNAVAILABLE"]

    assert len(model.bodies) == 6
    state = AdvisorState.objects.get()
    assert (state.breaker, state.calls, state.errors, state.skipped) == ("open", 2, 2, 1)
    assert Alert.objects.get().type == "AI_BREAKER_OPEN"
    assert AdviceRun.objects.latest("pk").reason == "BREAKER_OPEN"

    clock.advance(timedelta(seconds=60))
    model.say(advice())
    assert outcome(advised())[0] == ProofStatus.APPROVED
    assert AdvisorState.objects.get().breaker == "closed"
    actions = AuditEntry.objects.filter(action__startswith="advisor.").order_by("pk")
    assert list(actions.values_list("action", flat=True)) == [
        "advisor.breaker_opened",
        "advisor.breaker_half_opened",
        "advisor.breaker_closed",
    ]


def test_advice_is_never_changed_or_deleted() -> None:
    from django.db import DatabaseError, transaction

    proof = submit(site_escrow(), photo())
    run = AdviceRun.objects.create(
        proof=proof,
        status="missed",
        reason="GIVEN_UP",
        started_at=clock.now(),
        finished_at=clock.now(),
    )
    for change in (
        lambda: AdviceRun.objects.filter(pk=run.pk).update(reason="TIMEOUT"),
        lambda: AdviceRun.objects.filter(pk=run.pk).delete(),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
