"""The machine approves under all of its conditions only, and never beyond the sums of the day."""

import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from pytest_django.fixtures import Settings

from audit.services.switches import set_switch
from escrow.tests.books import assert_in_order
from escrow.tests.factories import milestone_of
from kobatela.accounts.tests.factories import make_caller, make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from payments.selectors import payments_of
from proofs.models import Proof
from proofs.services import machine
from proofs.services.decisions import decide_proof
from proofs.states import ProofStatus
from proofs.tests.factories import photo, site_escrow, submit, vague_photo

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_noon")]


def outcome(proof: Proof) -> tuple[str, list[str]]:
    return proof.status, proof.review_reasons


def status_of(escrow: Any, content: bytes) -> str:
    return submit(escrow, content).status


def related_by_manager() -> dict[str, Any]:
    manager = make_user()
    return {"client": manager, "provider": make_user(managed_by=manager)}


def related_by_shared_manager() -> dict[str, Any]:
    manager = make_user()
    return {"client": make_user(managed_by=manager), "provider": make_user(managed_by=manager)}


@pytest.mark.parametrize(
    ("amount", "terms", "parties", "reason"),
    [
        (100_000, {"validator": "SENDER"}, dict, "SENDER_VALIDATES"),
        (
            100_000,
            {"geofence_lat": None, "geofence_lng": None, "geofence_radius_m": None},
            dict,
            "FENCE_NOT_SET",
        ),
        (100_000, {"max_age_minutes": None}, dict, "AGE_LIMIT_NOT_SET"),
        (200_001, {}, dict, "AMOUNT_ABOVE_LIMIT"),
        (100_000, {}, related_by_manager, "PARTIES_RELATED"),
        (100_000, {}, related_by_shared_manager, "PARTIES_RELATED"),
    ],
)
def test_one_condition_that_does_not_hold_sends_the_photo_to_a_person(
    amount: int, terms: dict[str, Any], parties: Callable[[], dict[str, Any]], reason: str
) -> None:
    escrow = site_escrow(amount, terms=terms, **parties())

    proof = submit(escrow, photo())

    assert outcome(proof) == (ProofStatus.PENDING, [reason])
    assert milestone_of(escrow).status == "PENDING_REVIEW"
    assert list(payments_of(escrow.pk)) == []


def test_with_every_condition_at_its_limit_the_machine_approves() -> None:
    escrow = site_escrow(200_000)

    assert outcome(submit(escrow, photo())) == (ProofStatus.APPROVED, [])


@pytest.mark.parametrize(
    ("currency", "amount", "approved"),
    [("XOF", 1_000_000, True), ("XOF", 1_000_001, False), ("XAF", 1_000_000, True)],
)
def test_each_currency_has_its_own_limit(currency: str, amount: int, approved: bool) -> None:  # noqa: FBT001
    proof = submit(site_escrow(amount, currency=currency), photo())

    assert (proof.status == ProofStatus.APPROVED) is approved


def test_a_currency_without_a_limit_is_never_approved_by_a_machine(settings: Settings) -> None:
    settings.KOBATELA_AUTO_APPROVE_MAX_MINOR = {"USD": 10**9}

    proof = submit(site_escrow(1), photo())

    assert outcome(proof) == (ProofStatus.PENDING, ["AMOUNT_ABOVE_LIMIT"])


def test_the_switch_stops_the_machine_at_once() -> None:
    set_switch(name="machine_approval", is_on=False, reason="Fraud.", actor="staff:1")

    assert outcome(submit(site_escrow(), photo())) == (
        ProofStatus.PENDING,
        ["MACHINE_APPROVAL_OFF"],
    )

    set_switch(name="machine_approval", is_on=True, reason="Over.", actor="staff:1")
    assert submit(site_escrow(), photo()).status == ProofStatus.APPROVED


def test_the_drawn_sample_goes_to_a_person(settings: Settings) -> None:
    settings.KOBATELA_REVIEW_SAMPLE = 1.0

    assert outcome(submit(site_escrow(), photo())) == (ProofStatus.PENDING, ["DRAWN_FOR_REVIEW"])


def test_the_draw_is_the_share_asked_for_and_the_same_for_a_repeat(settings: Settings) -> None:
    settings.KOBATELA_REVIEW_SAMPLE = 0.25
    drawn = [machine.is_drawn(number, "ab" * 32) for number in range(4000)]

    assert 900 < sum(drawn) < 1100
    assert drawn == [machine.is_drawn(number, "ab" * 32) for number in range(4000)]

    settings.SECRET_KEY = "another"
    assert drawn != [machine.is_drawn(number, "ab" * 32) for number in range(4000)]


def test_the_sum_of_the_day_counts_per_provider_over_all_escrows() -> None:
    provider = make_user()
    for _ in range(5):
        approved = submit(site_escrow(200_000, provider=provider), photo())
        assert approved.status == ProofStatus.APPROVED

    sixth = submit(site_escrow(1, provider=provider), photo())
    other = submit(site_escrow(200_000), photo())

    assert outcome(sixth) == (ProofStatus.PENDING, ["DAY_LIMIT_REACHED"])
    assert other.status == ProofStatus.APPROVED


def test_the_sum_of_the_day_counts_per_escrow(settings: Settings) -> None:
    settings.KOBATELA_AUTO_APPROVE_DAY_MAX_MINOR = {"EUR": 250_000}
    escrow = site_escrow(150_000, 100_000, 1)

    assert submit(escrow, photo(), idx=1).status == ProofStatus.APPROVED
    assert submit(escrow, photo(), idx=2).status == ProofStatus.APPROVED

    assert outcome(submit(escrow, photo(), idx=3)) == (ProofStatus.PENDING, ["DAY_LIMIT_REACHED"])


def test_after_24_hours_the_day_begins_anew(settings: Settings) -> None:
    settings.KOBATELA_AUTO_APPROVE_DAY_MAX_MINOR = {"EUR": 200_000}
    provider = make_user()
    submit(site_escrow(200_000, provider=provider), photo())
    clock.advance(timedelta(hours=24) - timedelta(microseconds=1))
    early = submit(site_escrow(1, provider=provider), photo())
    clock.advance(timedelta(microseconds=1))

    late = submit(site_escrow(200_000, provider=provider), photo())

    assert outcome(early) == (ProofStatus.PENDING, ["DAY_LIMIT_REACHED"])
    assert late.status == ProofStatus.APPROVED


def test_what_people_approved_does_not_fill_the_machines_day(settings: Settings) -> None:
    settings.KOBATELA_AUTO_APPROVE_DAY_MAX_MINOR = {"EUR": 200_000}
    provider = make_user()
    by_person = submit(site_escrow(200_000, provider=provider), vague_photo())
    decide_proof(
        caller=make_caller(Scope.SUPPORT, make_user()),
        proof_id=by_person.pk,
        decision=ProofStatus.APPROVED,
        note="",
    )

    assert submit(site_escrow(200_000, provider=provider), photo()).status == ProofStatus.APPROVED


def test_a_milestone_is_paid_before_the_escrow_is_funded_in_full() -> None:
    escrow = site_escrow(100_000, 100_000, funded=100_000, status="DRAFT")

    assert submit(escrow, photo()).status == ProofStatus.APPROVED


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_at_once_on_eight_escrows_the_provider_never_gets_more_than_the_day(
    settings: Settings,
) -> None:
    settings.KOBATELA_AUTO_APPROVE_DAY_MAX_MINOR = {"EUR": 300_000}
    provider = make_user()
    escrows = [site_escrow(100_000, provider=provider) for _ in range(8)]
    photos = [photo() for _ in escrows]
    results = _at_once([partial(status_of, *pair) for pair in zip(escrows, photos, strict=True)])

    assert sorted(results) == ["APPROVED"] * 3 + ["PENDING"] * 5
    assert_in_order()


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_the_same_file_at_once_on_eight_escrows_is_approved_at_most_once() -> None:
    content = photo()
    escrows = [site_escrow() for _ in range(8)]

    results = _at_once([partial(status_of, escrow, content) for escrow in escrows])

    assert sorted(results) == ["APPROVED"] + ["PENDING"] * 7
    assert_in_order()


def test_a_machine_does_not_overrule_whoever_rejected_the_photo_before() -> None:
    escrow = site_escrow()
    rejected = submit(escrow, vague_photo())
    decide_proof(
        caller=make_caller(Scope.SUPPORT, make_user()),
        proof_id=rejected.pk,
        decision=ProofStatus.REJECTED,
        note="The wall is not built.",
    )

    proof = submit(escrow, photo())

    assert outcome(proof) == ("PENDING", ["REJECTED_BEFORE"])
    assert not payments_of(escrow.pk)


def test_a_photo_whose_position_was_fixed_at_another_time_goes_to_a_person() -> None:
    honest, content = photo(with_gps_time=True), photo(with_gps_time=True)
    day = f"{clock.now():%Y:%m:%d}".encode()
    assert content.count(day) == 2, "the camera's day and the position's"
    moved = content[: content.rindex(day)] + b"2024:11:24" + content[content.rindex(day) + 10 :]

    assert outcome(submit(site_escrow(), honest)) == ("APPROVED", [])
    assert outcome(submit(site_escrow(), moved)) == ("PENDING", ["GPS_TIME_DIFFERS"])


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_the_same_file_at_once_on_ones_own_eight_escrows_is_taken_once() -> None:
    content = vague_photo()
    provider = make_user()
    escrows = [site_escrow(provider=provider) for _ in range(8)]

    results = _at_once([partial(status_of, escrow, content) for escrow in escrows])

    assert sorted(results) == ["DUPLICATE_PROOF"] * 7 + ["PENDING"]
    assert Proof.objects.count() == 1


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_nearly_the_same_picture_at_once_on_six_escrows_is_approved_at_most_once() -> None:
    contents = [photo(seed=4712, quality=quality) for quality in (40, 50, 60, 70, 80, 90)]
    escrows = [site_escrow() for _ in contents]

    results = _at_once([partial(status_of, *pair) for pair in zip(escrows, contents, strict=True)])

    assert sorted(results) == ["APPROVED"] + ["PENDING"] * 5


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_of_eight_photos_at_once_for_one_milestone_one_is_taken() -> None:
    escrow = site_escrow()
    photos = [photo() for _ in range(8)]

    results = _at_once([partial(status_of, escrow, item) for item in photos])

    assert results.count("APPROVED") == 1
    assert Proof.objects.count() == 1
    assert len(payments_of(escrow.pk)) == 1


def _at_once(works: list[Callable[[], str]]) -> list[str]:
    """What each of the works said, all begun at the same moment; a refusal says its code."""
    start = threading.Barrier(len(works))
    said: list[str] = []

    def run(work: Callable[[], str]) -> None:
        try:
            start.wait()
            said.append(work())
        except Exception as error:  # noqa: BLE001 - whatever it is, the assertion shows it
            said.append(getattr(error, "code", repr(error)))
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said
