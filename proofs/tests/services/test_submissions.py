"""Evidence goes in: judged before it is kept, kept before it is stored, never believed."""

import hashlib
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from audit.models import AuditEntry, OutboxEvent
from conftest import Doorbells
from escrow.tests.factories import as_client, as_provider, make_escrow, milestone_of
from kobatela.accounts.tests.factories import make_caller, make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.kernel.errors import DomainError, ValidationFailed
from kobatela.uploads import storage
from kobatela.uploads.models import Upload
from kobatela.uploads.services import files
from payments.selectors import payments_of
from proofs.errors import (
    DuplicateProof,
    EvidenceRefused,
    GeofenceViolation,
    MissingExifTimestamp,
    MissingGps,
    ProofTypeMismatch,
    Sha256Mismatch,
    StaleTimestamp,
)
from proofs.models import ImageHash, Proof
from proofs.services.reading import UNHEARD_AFTER
from proofs.states import MACHINE_ACTOR, Derivative, Processing, ProofStatus
from proofs.tests.factories import (
    FAR_AWAY,
    PDF,
    claim,
    pending_proof,
    photo,
    site_escrow,
    submit,
    vague_photo,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_noon")]


def files_on_disk(files_dir: Path) -> list[Path]:
    return [path for path in files_dir.rglob("*") if path.is_file()]


def test_a_plain_photo_is_approved_and_its_milestone_paid_in_one_transaction() -> None:
    escrow = site_escrow(100_000)
    content = photo()

    proof = submit(escrow, content)

    proof.refresh_from_db()
    assert proof.status == ProofStatus.APPROVED
    assert proof.decided_by == MACHINE_ACTOR
    assert proof.review_reasons == []
    assert proof.processing == Processing.DONE
    assert proof.file_sha256 == hashlib.sha256(content).hexdigest()
    assert milestone_of(escrow).status == "APPROVED"
    (payment,) = payments_of(escrow.pk)
    assert (payment.kind, payment.amount_minor, payment.payee_id) == (
        "payout",
        100_000,
        escrow.provider_id,
    )
    assert payment.business_key == f"proof:{proof.pk}:release"


def test_a_machines_approval_passes_through_review_and_is_told_as_such() -> None:
    escrow = site_escrow()

    proof = submit(escrow, photo())

    actions = list(
        AuditEntry.objects.filter(stream=f"escrow:{escrow.pk}")
        .order_by("stream_seq")
        .values_list("action", "actor")
    )
    told = [action for action, _ in actions if action.startswith(("proof.", "milestone."))]
    assert told == [
        "milestone.created",
        "proof.submitted",
        "milestone.submitted",
        "proof.approved",
        "milestone.approved",
    ]
    assert ("proof.approved", MACHINE_ACTOR) in actions
    events = OutboxEvent.objects.filter(subject=f"proof:{proof.pk}").order_by("pk")
    assert [(event.event, event.audience) for event in events] == [
        ("proof.submitted", sorted([escrow.client_id, escrow.provider_id])),
        ("proof.approved", sorted([escrow.client_id, escrow.provider_id])),
    ]


def test_a_soft_finding_waits_for_a_person_and_moves_no_money() -> None:
    escrow = site_escrow()

    proof = submit(escrow, vague_photo())

    assert proof.status == ProofStatus.PENDING
    assert proof.review_reasons == ["GEOFENCE_UNCERTAIN"]
    assert proof.decided_by == ""
    assert milestone_of(escrow).status == "PENDING_REVIEW"
    assert list(payments_of(escrow.pk)) == []


def test_the_file_is_kept_once_and_belongs_to_the_milestone(files_dir: Path) -> None:
    escrow = site_escrow()
    content = photo()

    proof = submit(escrow, content)

    upload = Upload.objects.get()
    assert proof.upload == upload
    assert upload.used_for == f"milestone:{proof.milestone_id}"
    assert upload.owner_id == escrow.provider_id
    with storage.at_hand(upload.storage_name) as kept:
        assert kept.read_bytes() == content
        assert files_on_disk(files_dir) == [kept]


@pytest.mark.parametrize(
    ("wrong", "refusal"),
    [
        ({"position": FAR_AWAY}, GeofenceViolation),
        ({"taken_at_minutes": -121}, StaleTimestamp),
        ({"with_time": False}, MissingExifTimestamp),
    ],
)
def test_a_hard_finding_is_refused_and_stores_nothing_but_that_it_was_tried(
    wrong: dict[str, Any], refusal: type[EvidenceRefused], files_dir: Path
) -> None:
    escrow = site_escrow()
    if "taken_at_minutes" in wrong:
        wrong = {"taken_at": clock.now() + timedelta(minutes=wrong["taken_at_minutes"])}
    content = photo(**wrong)

    with pytest.raises(refusal) as refused:
        submit(escrow, content)

    assert refused.value.details["hint"]
    assert not Proof.objects.exists()
    assert not Upload.objects.exists()
    assert files_on_disk(files_dir / "files") == []
    assert milestone_of(escrow).status == "WAITING"
    entry = AuditEntry.objects.get(action="proof.refused")
    assert entry.subject == f"escrow:{escrow.pk}"
    assert hashlib.sha256(content).hexdigest() in entry.body


def test_the_provider_learns_the_distance_in_whole_100_m_and_no_radius() -> None:
    escrow = site_escrow()

    with pytest.raises(GeofenceViolation) as refused:
        submit(escrow, photo(FAR_AWAY))

    assert refused.value.details["distance_m"] == 1200
    assert "radius_m" not in refused.value.details
    assert "radius_m" not in refused.value.details["findings"][0]["data"]


def test_the_sender_learns_the_distance_exactly() -> None:
    escrow = site_escrow()

    with pytest.raises(GeofenceViolation) as refused:
        submit(escrow, photo(FAR_AWAY), caller=as_client(escrow))

    assert refused.value.details["distance_m"] == pytest.approx(1105.7, abs=1)
    assert refused.value.details["radius_m"] == 200.0


def test_gps_that_is_required_and_missing_is_refused() -> None:
    escrow = site_escrow(terms={"proof_requirements": {"gps_required": True}})

    with pytest.raises(MissingGps):
        submit(escrow, photo(with_gps=False))


def test_d01_what_a_caller_says_of_a_photo_counts_for_nothing() -> None:
    escrow = site_escrow()
    claimed = {"exif_timestamp": clock.now().isoformat(), "gps_lat": 5.35, "gps_lng": -4.0}

    proof = submit(escrow, photo(with_gps=False), metadata=claimed)

    assert proof.status == ProofStatus.PENDING
    assert proof.review_reasons == ["MISSING_GPS"]
    assert proof.metadata == claimed


def test_d01_a_claim_without_a_file_is_never_approved_by_a_machine() -> None:
    escrow = site_escrow()

    proof = claim(escrow, metadata={"exif_timestamp": clock.now().isoformat()})

    assert proof.status == ProofStatus.PENDING
    assert proof.review_reasons == ["NO_FILE"]
    assert proof.processing == Processing.DONE
    assert proof.sha256 == "ab" * 32
    assert proof.file_sha256 == ""
    assert proof.storage_url == "https://example.org/photo.jpg"


@pytest.mark.parametrize(
    "position", [(float("nan"), float("nan")), (0.0, 0.0), (float("nan"), -4.0)]
)
def test_d02_unusable_gps_does_not_open_the_fence(position: tuple[float, float]) -> None:
    escrow = site_escrow()
    without_position = photo(with_gps=False) if position[0] != 0.0 else photo(position)

    proof = submit(
        escrow, without_position, metadata={"gps_lat": "5.35", "gps_lng": "NaN", "source": "app"}
    )

    assert proof.status == ProofStatus.PENDING
    assert proof.review_reasons == ["MISSING_GPS"]
    assert list(payments_of(escrow.pk)) == []


@pytest.mark.parametrize(
    ("kind", "proof_type", "content"),
    [
        ("PHOTO", "INVOICE", PDF),
        ("PHOTO", "PDF", PDF),
        ("INVOICE", "PHOTO", b"\xff\xd8\xff"),
        ("INVOICE", "CONTRACT", PDF),
        ("CONTRACT", "DOCUMENT", PDF),
        ("DOCUMENT", "INVOICE", PDF),
    ],
)
def test_d31_a_proof_must_be_of_the_kind_that_the_milestone_asks_for(
    kind: str, proof_type: str, content: bytes
) -> None:
    escrow = site_escrow(terms={"proof_kind": kind})

    with pytest.raises(ProofTypeMismatch):
        submit(escrow, content, proof_type=proof_type)

    assert not Proof.objects.exists()


@pytest.mark.parametrize(
    ("kind", "proof_type"),
    [
        ("INVOICE", "INVOICE"),
        ("INVOICE", "PDF"),
        ("CONTRACT", "CONTRACT"),
        ("CONTRACT", "PDF"),
        ("DOCUMENT", "DOCUMENT"),
        ("DOCUMENT", "PDF"),
    ],
)
def test_a_document_always_waits_for_a_person(kind: str, proof_type: str) -> None:
    escrow = site_escrow(terms={"proof_kind": kind})

    proof = submit(escrow, PDF, proof_type=proof_type)

    assert proof.status == ProofStatus.PENDING
    assert proof.review_reasons == ["DOCUMENT"]
    assert (proof.facts, proof.page_count) == (None, 1)
    assert proof.derivative == Derivative.WANTED


@pytest.mark.django_db(transaction=True)
def test_r7_a_document_is_read_by_a_worker_that_hears_of_it_after_the_commit(
    doorbells: Doorbells,
) -> None:
    proof = submit(site_escrow(terms={"proof_kind": "INVOICE"}), PDF, proof_type="INVOICE")

    assert (proof.processing, proof.reading) == (Processing.QUEUED, None)
    assert proof.processing_due_at == clock.now() + UNHEARD_AFTER
    assert doorbells.for_task("proofs.tasks.read_document") == [(str(proof.pk),)]
    assert doorbells.for_task("proofs.tasks.render_pages") == [(str(proof.pk),)]
    assert doorbells.for_task("proofs.tasks.make_derivative") == []


@pytest.mark.django_db(transaction=True)
def test_ocr1_a_document_without_a_file_is_never_read(doorbells: Doorbells) -> None:
    proof = claim(site_escrow(terms={"proof_kind": "INVOICE"}), proof_type="INVOICE")

    assert (proof.processing, proof.processing_due_at) == (Processing.DONE, None)
    assert doorbells.for_task("proofs.tasks.read_document") == []


def test_r6_a_number_of_the_senders_that_is_none_is_a_finding_and_no_refusal() -> None:
    metadata = {"invoice_total_amount": "about a hundred", "invoice_currency": "?"}

    proof = claim(
        site_escrow(terms={"proof_kind": "INVOICE"}), proof_type="INVOICE", metadata=metadata
    )

    assert proof.status == ProofStatus.PENDING
    assert proof.metadata == metadata
    assert [(finding["code"], finding["data"]) for finding in proof.findings] == [
        ("INVOICE_TOTAL_UNREADABLE", {"claimed": "about a hundred"}),
        ("INVOICE_CURRENCY_UNREADABLE", {"claimed": "?"}),
    ]
    assert proof.review_reasons == [
        "NO_FILE",
        "INVOICE_TOTAL_UNREADABLE",
        "INVOICE_CURRENCY_UNREADABLE",
    ]


def test_an_invoice_may_come_as_a_picture_and_is_not_judged_as_a_photo() -> None:
    escrow = site_escrow(terms={"proof_kind": "INVOICE"})

    proof = submit(escrow, photo(FAR_AWAY, with_time=False), proof_type="INVOICE")

    assert proof.review_reasons == ["DOCUMENT"]
    assert proof.findings == []
    assert not ImageHash.objects.exists()


@pytest.mark.parametrize(("proof_type", "content"), [("PHOTO", PDF), ("INVOICE", b"GIF89a" * 9)])
def test_a_file_of_another_type_is_refused_whatever_it_is_called(
    proof_type: str, content: bytes, files_dir: Path
) -> None:
    escrow = site_escrow(terms={"proof_kind": proof_type})

    with pytest.raises(DomainError) as refused:
        submit(escrow, content, proof_type=proof_type)

    assert refused.value.code == "FILE_TYPE_NOT_ALLOWED"
    assert files_on_disk(files_dir / "files") == []


def test_a_hash_that_is_not_the_files_is_refused() -> None:
    escrow = site_escrow()

    with pytest.raises(Sha256Mismatch):
        submit(escrow, photo(), sha256="00" * 32)

    assert not Proof.objects.exists()


def test_a_hash_that_is_the_files_is_taken_in_any_case() -> None:
    content = photo()

    proof = submit(site_escrow(), content, sha256=hashlib.sha256(content).hexdigest().upper())

    assert proof.status == ProofStatus.APPROVED


def test_a_file_sent_ahead_is_judged_at_its_own_arrival() -> None:
    escrow = site_escrow()
    caller = as_provider(escrow)
    content = photo()
    upload = files.register(stored=_stored(content), owner_id=caller.party_id or 0, actor="a")
    clock.advance(timedelta(minutes=119))

    proof = submit(escrow, upload_id=upload.pk)

    assert proof.status == ProofStatus.APPROVED
    assert proof.upload_id == upload.pk
    upload.refresh_from_db()
    assert upload.used_for == f"milestone:{proof.milestone_id}"


def test_the_address_of_ones_own_unused_upload_counts_as_the_upload() -> None:
    escrow = site_escrow()
    caller = as_provider(escrow)
    upload = files.register(stored=_stored(photo()), owner_id=caller.party_id or 0, actor="a")

    proof = submit(escrow, claimed_url=upload.storage_url)

    assert proof.upload_id == upload.pk
    assert proof.status == ProofStatus.APPROVED


def test_the_address_of_a_foreign_upload_is_a_mere_claim() -> None:
    upload = files.register(stored=_stored(photo()), owner_id=make_user().pk, actor="a")

    proof = claim(site_escrow(), claimed_url=upload.storage_url)

    assert proof.upload is None
    assert proof.review_reasons == ["NO_FILE"]
    upload.refresh_from_db()
    assert upload.used_at is None


def test_an_address_without_a_hash_names_the_field() -> None:
    with pytest.raises(ValidationFailed) as refused:
        claim(site_escrow(), sha256="")

    assert refused.value.details["fields"][0]["field"] == "sha256"


# --- The same bytes again -------------------------------------------------------------------------


def test_d30_the_same_file_in_a_live_proof_that_the_caller_may_see_is_refused() -> None:
    first = make_escrow_of_two()
    content = vague_photo()
    earlier = submit(first, content)
    second = site_escrow(provider=first.provider)

    with pytest.raises(DuplicateProof) as refused:
        submit(second, content)

    assert refused.value.details == {
        "proof_id": earlier.pk,
        "hint": "Send another one; `details.proof_id` names the earlier proof.",
    }
    assert Proof.objects.count() == 1
    assert milestone_of(second).status == "WAITING"


def test_d30_the_same_file_in_a_foreign_proof_goes_to_a_person_who_sees_the_match() -> None:
    content = vague_photo()
    earlier = submit(site_escrow(), content)

    proof = submit(site_escrow(), content)

    assert proof.status == ProofStatus.PENDING
    assert "REUSED_FILE" in proof.review_reasons
    finding = next(item for item in proof.findings if item["code"] == "REUSED_FILE")
    assert finding["data"]["matches"] == [{"reference": earlier.pk}]


def test_a_foreign_reuse_of_a_plain_photo_is_not_approved_by_a_machine() -> None:
    content = photo()
    submit(site_escrow(), content)

    proof = submit(site_escrow(), content)

    assert proof.status == ProofStatus.PENDING
    assert proof.review_reasons == ["REUSED_FILE"]


def test_reuse_is_not_told_on_the_timeline_that_both_parties_read() -> None:
    content = photo()
    submit(site_escrow(), content)
    escrow = site_escrow()

    submit(escrow, content)

    told = AuditEntry.objects.filter(stream=f"escrow:{escrow.pk}")
    assert not any("REUSED" in entry.body for entry in told)
    assert not any("REUSED" in event.body for event in OutboxEvent.objects.all())


def test_d30_a_claimed_hash_blocks_nobody() -> None:
    content = photo()
    sha256 = hashlib.sha256(content).hexdigest()
    squatted = site_escrow()
    claim(squatted, sha256=sha256)

    proof = submit(site_escrow(provider=squatted.provider), content)

    assert proof.status == ProofStatus.APPROVED


def test_d30_two_claims_may_name_the_same_hash() -> None:
    first = site_escrow()
    claim(first)

    assert claim(site_escrow(provider=first.provider)).status == ProofStatus.PENDING


def test_d26_after_a_rejection_the_same_file_may_come_again_to_a_person() -> None:
    from proofs.services.decisions import decide_proof

    escrow = site_escrow()
    content = photo()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("proofs.services.machine.is_on", lambda _name: False)
        rejected = submit(escrow, content)
    decide_proof(
        caller=make_caller(Scope.SUPPORT, make_user()),
        proof_id=rejected.pk,
        decision=ProofStatus.REJECTED,
        note="Too dark.",
    )
    assert milestone_of(escrow).status == "REJECTED"

    again = submit(escrow, content)

    assert again.status == ProofStatus.PENDING
    assert again.review_reasons == ["RESUBMITTED_FILE"]
    assert milestone_of(escrow).status == "PENDING_REVIEW"


# --- Nearly the same picture ----------------------------------------------------------------------


def test_nearly_the_same_picture_goes_to_a_person_with_its_matches() -> None:
    seed = 4711
    earlier = submit(site_escrow(), photo(seed=seed))

    copy = photo(seed=seed, quality=40, taken_at=clock.now() - timedelta(minutes=5))
    proof = submit(site_escrow(), copy)

    assert proof.status == ProofStatus.PENDING
    assert proof.review_reasons == ["REUSED_IMAGE"]
    (match,) = next(item for item in proof.findings if item["code"] == "REUSED_IMAGE")["data"][
        "matches"
    ]
    assert match["reference"] == earlier.pk
    assert 0 <= match["distance_bits"] <= 31


def test_other_pictures_are_no_match() -> None:
    for _ in range(5):
        assert submit(site_escrow(), photo()).status == ProofStatus.APPROVED


# --- Photos that contradict each other ------------------------------------------------------------


def test_a_photo_that_nobody_can_have_taken_besides_another_goes_to_a_person() -> None:
    bouake = {"geofence_lat": Decimal("7.690000"), "geofence_lng": Decimal("-5.030000")}
    first = site_escrow()
    earlier = submit(first, photo())
    elsewhere = site_escrow(terms=bouake, provider=first.provider)

    proof = submit(elsewhere, photo((7.69, -5.03), taken_at=clock.now() - timedelta(minutes=5)))

    assert proof.review_reasons == ["IMPOSSIBLE_TRAVEL"]
    (finding,) = proof.findings
    assert finding["data"]["matches"] == [
        {"reference": earlier.pk, "distance_km": 282.6, "minutes_between": 5.0}
    ]
    # It was done before, and by somebody else nothing speaks against it.
    earlier.refresh_from_db()
    assert earlier.status == ProofStatus.APPROVED
    other_provider = submit(site_escrow(terms=bouake), photo((7.69, -5.03)))
    assert other_provider.status == ProofStatus.APPROVED


# --- Afterwards -----------------------------------------------------------------------------------


def test_a_worker_is_told_of_the_picture_after_the_commit(
    doorbells: Doorbells, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        proof = submit(site_escrow(), photo())

    assert proof.derivative == Derivative.WANTED
    assert doorbells.for_task("proofs.tasks.make_derivative") == [(str(proof.pk),)]


def test_a_proof_with_a_file_holds_a_passed_deadline_back_and_a_claim_does_not() -> None:
    with_file, without = site_escrow(), site_escrow()
    pending_proof(with_file)
    claim(without)

    with_file.refresh_from_db()
    without.refresh_from_db()
    assert with_file.evidence_at == clock.now()
    assert without.evidence_at is None


def make_escrow_of_two() -> Any:
    return site_escrow(100_000, 50_000)


def _stored(content: bytes) -> files.StoredFile:
    import io

    return files.receive(stream=io.BytesIO(content), name="photo.jpg")


def test_a_milestone_without_fence_and_age_limit_is_a_persons() -> None:
    bare = {"amount_minor": 10_000, "max_age_minutes": None}
    escrow = make_escrow(milestones=[bare])

    proof = submit(escrow, photo(with_time=False, with_gps=False))

    assert proof.status == ProofStatus.PENDING
    assert proof.review_reasons == ["MISSING_EXIF_TIMESTAMP"]
