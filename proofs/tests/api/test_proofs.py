"""/proofs as clients meet it: the three ways in, what comes back, and to whom."""

import hashlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from pytest_django.fixtures import Settings

from audit.models import AuditEntry
from escrow.tests.factories import milestone_of
from kobatela.accounts.tests.factories import make_key, make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.rest.tests.client import Answer, Api
from kobatela.uploads.models import Upload
from payments.selectors import payments_of
from proofs.models import Proof
from proofs.readers import pool
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

PROOF_READ = {
    "id",
    "escrow_id",
    "milestone_id",
    "milestone_idx",
    "type",
    "status",
    "processing",
    "sha256",
    "storage_url",
    "metadata",
    "findings",
    "review_reasons",
    "ai_risk_level",
    "ai_score",
    "ai_flags",
    "ai_explanation",
    "ai_checked_at",
    "ai_reviewed_by",
    "ai_reviewed_at",
    "invoice_total_amount",
    "invoice_currency",
    "fields",
    "checks",
    "reading",
    "decision_note",
    "created_at",
    "updated_at",
}


def api(scope: Scope, user: Any = None) -> Api:
    return Api(make_key(scope, user)[1])


def provider_of(escrow: Any) -> Api:
    return api(Scope.PROVIDER, escrow.provider)


def post(
    sender: Api, escrow: Any, content: bytes, *, name: str = "photo.jpg", **fields: Any
) -> Answer:
    headers = fields.pop("headers", None)
    key = fields.pop("idempotency_key", None)
    return sender.post(
        "/proofs",
        files={"file": SimpleUploadedFile(name, content)},
        fields={"escrow_id": escrow.pk, "milestone_idx": 1, "type": "PHOTO", **fields},
        headers=headers,
        idempotency_key=key,
    )


def files_on_disk(files_dir: Path) -> list[Path]:
    return [path for path in files_dir.rglob("*") if path.is_file()]


# --- The ways in ----------------------------------------------------------------------------------


def test_a_form_with_the_file_answers_the_whole_proof() -> None:
    escrow = site_escrow()
    content = photo()

    answer = post(
        provider_of(escrow),
        escrow,
        content,
        metadata=json.dumps({"source": "camera"}),
        sha256=hashlib.sha256(content).hexdigest(),
    )

    assert answer.status == 201
    proof = answer.json
    assert proof.keys() >= PROOF_READ
    assert proof["status"] == "APPROVED"
    assert proof["processing"] == "done"
    assert proof["escrow_id"] == escrow.pk
    assert proof["milestone_idx"] == 1
    assert proof["sha256"] == hashlib.sha256(content).hexdigest()
    assert proof["metadata"] == {"source": "camera"}
    assert proof["review_reasons"] == []
    assert milestone_of(escrow).status == "APPROVED"


def test_a_file_sent_ahead_is_named_by_its_id() -> None:
    escrow = site_escrow()
    provider = provider_of(escrow)
    sent = provider.post("/files/proofs", files={"file": SimpleUploadedFile("a.jpg", photo())})

    answer = provider.post(
        "/proofs",
        json={
            "escrow_id": escrow.pk,
            "milestone_idx": 1,
            "type": "PHOTO",
            "upload_id": sent.json["upload_id"],
        },
    )

    assert answer.status == 201
    assert answer.json["status"] == "APPROVED"
    assert answer.json["sha256"] == sent.json["sha256"]
    assert answer.json["storage_url"] == sent.json["storage_url"]


def test_a_file_sent_ahead_is_named_by_its_address_too() -> None:
    escrow = site_escrow()
    provider = provider_of(escrow)
    sent = provider.post("/files/proofs", files={"file": SimpleUploadedFile("a.jpg", photo())})

    answer = provider.post(
        "/proofs",
        json={
            "escrow_id": escrow.pk,
            "milestone_idx": 1,
            "type": "PHOTO",
            "storage_url": sent.json["storage_url"],
        },
    )

    assert (answer.status, answer.json["has_file"]) == (201, True)


def test_d01_any_other_address_is_a_claim_that_waits_for_a_person() -> None:
    escrow = site_escrow()

    answer = provider_of(escrow).post(
        "/proofs",
        json={
            "escrow_id": escrow.pk,
            "milestone_idx": 1,
            "type": "PHOTO",
            "storage_url": "https://example.org/site.jpg",
            "sha256": "ab" * 32,
            "metadata": {"exif_timestamp": clock.now().isoformat(), "gps_lat": 5.35},
        },
    )

    assert answer.status == 201
    assert (answer.json["status"], answer.json["review_reasons"]) == ("PENDING", ["NO_FILE"])
    assert answer.json["storage_url"] == "https://example.org/site.jpg"
    assert not payments_of(escrow.pk).exists()


@pytest.mark.parametrize(
    "address",
    [
        "http://x.example/a%20b.jpg?at=1#2",
        "HTTPS://x.example/é.jpg",
        "kobatela://uploads/999999999",
    ],
)
def test_an_address_of_a_claim_is_given_back_as_it_came(address: str) -> None:
    escrow = site_escrow()
    body = {"escrow_id": escrow.pk, "milestone_idx": 1, "type": "PHOTO", "sha256": "AB" * 32}

    answer = provider_of(escrow).post("/proofs", json={**body, "storage_url": address})

    assert answer.status == 201
    assert (answer.json["storage_url"], answer.json["sha256"]) == (address, "AB" * 32)


def test_with_a_file_any_other_hash_differs_from_its_own() -> None:
    escrow = site_escrow()

    answer = post(provider_of(escrow), escrow, photo(), sha256="zz")

    assert (answer.status, answer.code) == (422, "SHA256_MISMATCH")


def test_a_foreign_or_used_upload_is_refused() -> None:
    escrow = site_escrow()
    stranger = api(Scope.PROVIDER)
    foreign = stranger.post("/files/proofs", files={"file": SimpleUploadedFile("a.jpg", photo())})
    body = {"escrow_id": escrow.pk, "milestone_idx": 1, "type": "PHOTO"}

    refused = provider_of(escrow).post(
        "/proofs", json={**body, "upload_id": foreign.json["upload_id"]}
    )
    unknown = provider_of(escrow).post("/proofs", json={**body, "upload_id": 10**12})

    assert (refused.status, refused.code) == (404, "UPLOAD_NOT_FOUND")
    assert unknown.json["error"]["message"] == refused.json["error"]["message"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "file"),
        ({"upload_id": 1, "storage_url": "https://x.example", "sha256": "ab"}, "storage_url"),
        ({"storage_url": "https://x.example"}, "sha256"),
        ({"upload_id": 0}, "upload_id"),
        ({"storage_url": "https://x.example/" + "a" * 1024, "sha256": "ab"}, "storage_url"),
        ({"storage_url": "https://x.example/a.jpg", "sha256": "zz"}, "sha256"),
        ({"storage_url": "https://x.example/a.jpg", "sha256": "ab" * 31}, "sha256"),
        ({"storage_url": "https://x.example/a.jpg", "sha256": "\u0661" * 64}, "sha256"),
        ({"storage_url": "javascript:alert(1)", "sha256": "ab" * 32}, "storage_url"),
        ({"storage_url": "data:text/html,x", "sha256": "ab" * 32}, "storage_url"),
        ({"storage_url": "https:///a.jpg", "sha256": "ab" * 32}, "storage_url"),
        ({"storage_url": "http://[", "sha256": "ab" * 32}, "storage_url"),
        ({"storage_url": "kobatela://users/1", "sha256": "ab" * 32}, "storage_url"),
        ({"storage_url": "https://x.example/a\nb.jpg", "sha256": "ab" * 32}, "storage_url"),
        ({"storage_url": "https://x.example/a\u202egpj.exe", "sha256": "ab" * 32}, "storage_url"),
        ({"upload_id": 1, "type": "photo"}, "type"),
        ({"upload_id": 1, "milestone_idx": "x"}, "milestone_idx"),
        ({"upload_id": 1, "metadata": [1]}, "metadata"),
    ],
)
def test_d33_fields_that_are_not_valid_are_named(body: dict[str, Any], field: str) -> None:
    escrow = site_escrow()

    answer = provider_of(escrow).post(
        "/proofs", json={"escrow_id": escrow.pk, "milestone_idx": 1, "type": "PHOTO", **body}
    )

    assert (answer.status, answer.code) == (422, "VALIDATION_ERROR")
    assert field in [item["field"] for item in answer.json["error"]["details"]["fields"]]


# --- Refusals -------------------------------------------------------------------------------------


def test_a_photo_from_elsewhere_is_refused_with_code_distance_and_hint(files_dir: Path) -> None:
    escrow = site_escrow()

    answer = post(provider_of(escrow), escrow, photo(FAR_AWAY))

    assert (answer.status, answer.code) == (422, "GEOFENCE_VIOLATION")
    details = answer.json["error"]["details"]
    assert details["distance_m"] == 1200
    assert details["hint"]
    assert "radius" not in answer.body.decode()
    assert not Proof.objects.exists()
    assert not Upload.objects.exists()
    assert files_on_disk(files_dir) == []
    assert AuditEntry.objects.filter(action="proof.refused").count() == 1


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"taken_at": timedelta(minutes=-121)}, "STALE_TIMESTAMP"),
        ({"taken_at": timedelta(minutes=3)}, "FUTURE_TIMESTAMP"),
        ({"with_time": False}, "MISSING_EXIF_TIMESTAMP"),
    ],
)
def test_a_photo_of_another_time_is_refused(options: dict[str, Any], code: str) -> None:
    escrow = site_escrow()
    if "taken_at" in options:
        options = {"taken_at": clock.now() + options["taken_at"]}

    answer = post(provider_of(escrow), escrow, photo(**options))

    assert (answer.status, answer.code) == (422, code)
    assert not Proof.objects.exists()


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 415, "FILE_TYPE_NOT_ALLOWED"),
        (b"<svg onload=alert(1)>", 415, "FILE_TYPE_NOT_ALLOWED"),
        (PDF, 415, "FILE_TYPE_NOT_ALLOWED"),
        (b"\xff\xd8\xff\xe0" + bytes(100), 422, "FILE_UNREADABLE"),
    ],
)
def test_a_file_that_is_no_photo_is_refused_and_nothing_is_stored(
    content: bytes, status: int, code: str, files_dir: Path
) -> None:
    escrow = site_escrow()

    answer = post(provider_of(escrow), escrow, content)

    assert (answer.status, answer.code) == (status, code)
    assert not Proof.objects.exists()
    assert files_on_disk(files_dir) == []


def test_a_photo_that_is_too_large_is_refused(settings: Settings, files_dir: Path) -> None:
    settings.KOBATELA_FILE_MAX_IMAGE_BYTES = 1000
    escrow = site_escrow()

    answer = post(provider_of(escrow), escrow, photo())

    assert (answer.status, answer.code) == (413, "FILE_TOO_LARGE")
    assert files_on_disk(files_dir) == []


def test_state_and_sequence_are_checked_before_the_file_is_read(
    monkeypatch: pytest.MonkeyPatch, files_dir: Path
) -> None:
    def never(path: Path) -> None:
        raise AssertionError("the file was read")

    escrow = site_escrow(100_000, 100_000)
    monkeypatch.setattr(pool, "read_image", never)
    provider = provider_of(escrow)

    second_first = post(provider, escrow, photo(), milestone_idx=2)
    unknown = post(provider, escrow, photo(), milestone_idx=9)
    stranger = post(api(Scope.PROVIDER), escrow, photo())
    wrong_type = post(provider, escrow, photo(), type="INVOICE")

    assert (second_first.status, second_first.code) == (422, "SEQUENCE_ERROR")
    assert (unknown.status, unknown.code) == (404, "MILESTONE_NOT_FOUND")
    assert (stranger.status, stranger.code) == (404, "ESCROW_NOT_FOUND")
    assert (wrong_type.status, wrong_type.code) == (422, "PROOF_TYPE_MISMATCH")
    assert files_on_disk(files_dir) == []


def test_a_passed_deadline_is_applied_first_and_stays_applied(files_dir: Path) -> None:
    escrow = site_escrow()
    provider = provider_of(escrow)
    clock.advance(timedelta(days=31))

    answer = post(provider, escrow, photo())

    assert (answer.status, answer.code) == (409, "DEADLINE_PASSED")
    escrow.refresh_from_db()
    assert escrow.status == "REFUNDED"
    assert files_on_disk(files_dir) == []


def test_a_duplicate_is_refused_and_its_file_is_not_kept(files_dir: Path) -> None:
    first = site_escrow()
    content = vague_photo()
    earlier = submit(first, content)
    second = site_escrow(provider=first.provider)

    answer = post(provider_of(second), second, content)

    assert (answer.status, answer.code) == (409, "DUPLICATE_PROOF")
    details = answer.json["error"]["details"]
    assert (details.keys(), details["proof_id"]) == ({"proof_id", "hint"}, earlier.pk)
    assert len(files_on_disk(files_dir)) == 1


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "a\r\nX-Evil: 1.jpg", "x\u202egpj.exe", "n\x00ul.jpg"]
)
def test_a_hostile_name_reaches_neither_the_disk_nor_a_header(name: str, files_dir: Path) -> None:
    escrow = site_escrow()
    provider = provider_of(escrow)

    answer = post(provider, escrow, photo(), name=name)
    file = provider.get(f"/proofs/{answer.json['id']}/file")

    assert answer.status == 201
    assert file.headers["Content-Disposition"] == (
        f'attachment; filename="proof-{answer.json["id"]}.jpg"'
    )
    (kept,) = files_on_disk(files_dir)
    assert kept.parent.parent == files_dir / "files"


# --- Repeats --------------------------------------------------------------------------------------


def test_a_repeat_with_its_key_is_answered_again_and_pays_nothing_more(
    files_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    escrow = site_escrow()
    provider = provider_of(escrow)
    content = photo()
    first = post(provider, escrow, content, idempotency_key="proof-1")

    again = post(provider, escrow, content, idempotency_key="proof-1")
    other = post(provider, escrow, photo(), idempotency_key="proof-1")

    assert (again.status, again.body) == (201, first.body)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (other.status, other.code) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert Proof.objects.count() == 1
    assert payments_of(escrow.pk).count() == 1
    assert len(files_on_disk(files_dir)) == 1


def test_a_refused_photo_is_refused_again_under_its_key_whatever_the_time(
    files_dir: Path,
) -> None:
    escrow = site_escrow()
    provider = provider_of(escrow)
    content = photo(FAR_AWAY)
    first = post(provider, escrow, content, idempotency_key="proof-1")
    clock.advance(timedelta(hours=3))

    again = post(provider, escrow, content, idempotency_key="proof-1")
    other = post(provider, escrow, photo(), idempotency_key="proof-1")

    assert (first.status, first.code) == (422, "GEOFENCE_VIOLATION")
    assert (again.status, again.body) == (422, first.body)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (other.status, other.code) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert AuditEntry.objects.filter(action="proof.refused").count() == 1
    assert files_on_disk(files_dir) == []


# --- Reading --------------------------------------------------------------------------------------


def test_lists_hold_what_the_caller_may_see_newest_first_and_filter() -> None:
    escrow = site_escrow(100_000, 100_000)
    first, second = submit(escrow, photo()), submit(escrow, vague_photo(), idx=2)
    submit(site_escrow(), photo())
    provider = provider_of(escrow)

    everything = provider.get("/proofs").json["items"]
    pending = provider.get(f"/proofs?escrow_id={escrow.pk}&status=PENDING").json["items"]
    unknown = provider.get("/proofs?colour=red")

    assert [item["id"] for item in everything] == [second.pk, first.pk]
    assert [item["id"] for item in pending] == [second.pk]
    assert (unknown.status, unknown.code) == (422, "VALIDATION_ERROR")
    assert len(api(Scope.SUPPORT).get("/proofs").json["items"]) == 3


def test_pages_go_on_where_the_last_one_ended() -> None:
    escrow = site_escrow(*[10_000] * 3)
    proofs = [submit(escrow, photo(), idx=idx).pk for idx in (1, 2, 3)]
    provider = provider_of(escrow)

    first = provider.get("/proofs?limit=2").json
    second = provider.get(f"/proofs?limit=2&cursor={first['next']}").json

    assert [item["id"] for item in first["items"] + second["items"]] == proofs[::-1]
    assert second["next"] is None


def test_a_stranger_meets_nothing() -> None:
    proof = pending_proof()
    stranger = api(Scope.SENDER)

    for path in (f"/proofs/{proof.pk}", f"/proofs/{proof.pk}/file"):
        answer = stranger.get(path)
        assert (answer.status, answer.code) == (404, "PROOF_NOT_FOUND")
    assert stranger.get("/proofs").json["items"] == []
    refused = stranger.post(f"/proofs/{proof.pk}/decision", json={"decision": "approve"})
    assert (refused.status, refused.code) == (404, "PROOF_NOT_FOUND")


def test_each_side_reads_what_is_meant_for_it() -> None:
    content = vague_photo()
    submit(site_escrow(), content)
    escrow = site_escrow()
    proof = submit(
        escrow, content, metadata={"supplier_name": "Awa Diop", "phone": "+221771234567"}
    )
    Proof.objects.filter(pk=proof.pk).update(
        ai_risk_level="warning", ai_flags=["blurred"], ai_explanation="Hm.", ai_score="0.400"
    )
    path = f"/proofs/{proof.pk}"

    staff = api(Scope.SUPPORT).get(path).json
    sender = api(Scope.SENDER, escrow.client).get(path).json
    provider = provider_of(escrow).get(path).json

    assert staff["review_reasons"] == ["GEOFENCE_UNCERTAIN", "REUSED_FILE"]
    assert staff["metadata"]["supplier_name"] == "Awa Diop"
    assert staff["ai_explanation"] == "Hm."
    assert staff["reading"]["status"] == "unread"

    assert sender["review_reasons"] == ["GEOFENCE_UNCERTAIN", "REUSED_FILE"]
    assert all("matches" not in finding["data"] for finding in sender["findings"])
    assert (sender["ai_risk_level"], sender["ai_flags"]) == ("warning", ["blurred"])
    assert sender["ai_explanation"] is None
    assert sender["metadata"] == {"supplier_name": "***masked***", "phone": "***masked***"}

    assert provider["review_reasons"] == ["GEOFENCE_UNCERTAIN"]
    (finding,) = provider["findings"]
    assert finding["hint"]
    assert finding["data"] == {"distance_m": 200, "positioning_error_m": 500.0}
    assert provider["ai_risk_level"] is None
    assert provider["ai_flags"] is None
    assert provider["distance_m"] is None
    assert provider["reading"] is None
    assert provider["metadata"]["supplier_name"] == "***masked***"


def test_a_key_that_acts_for_both_sides_reads_as_the_provider() -> None:
    manager = make_user()
    escrow = site_escrow(
        client=make_user(managed_by=manager), provider=make_user(managed_by=manager)
    )
    proof = submit(escrow, vague_photo())

    read = api(Scope.SENDER, manager).get(f"/proofs/{proof.pk}").json

    assert read["distance_m"] is None
    assert "radius_m" not in read["findings"][0]["data"]


def test_a_page_costs_as_many_queries_as_one_proof(
    django_assert_max_num_queries: Any,
) -> None:
    manager = make_user()
    for _ in range(5):
        submit(site_escrow(provider=make_user(managed_by=manager)), photo())
    reader = api(Scope.PROVIDER, manager)
    reader.get("/proofs")

    with django_assert_max_num_queries(4):
        assert len(reader.get("/proofs").json["items"]) == 5


def test_reading_a_proof_is_audited() -> None:
    proof = pending_proof()
    provider_of(proof.escrow).get(f"/proofs/{proof.pk}")
    provider_of(proof.escrow).get(f"/proofs/{proof.pk}/file")

    actions = AuditEntry.objects.filter(subject=f"proof:{proof.pk}").values_list(
        "action", flat=True
    )
    assert {"proof.read", "proof_file.read"} <= set(actions)


def test_the_original_is_handed_over_to_be_saved_and_nothing_in_it_may_run() -> None:
    escrow = site_escrow()
    content = photo()
    proof = submit(escrow, content)

    answer = provider_of(escrow).get(f"/proofs/{proof.pk}/file")

    assert (answer.status, answer.body) == (200, content)
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["Cache-Control"] == "private, no-store"


def test_a_claim_has_no_file() -> None:
    proof = claim(site_escrow())

    answer = provider_of(proof.escrow).get(f"/proofs/{proof.pk}/file")

    assert (answer.status, answer.code) == (404, "PROOF_FILE_NOT_FOUND")


def test_an_admin_submits_on_behalf_of_a_party_only() -> None:
    escrow = site_escrow()
    admin = api(Scope.ADMIN, make_user())

    bare = post(admin, escrow, photo())
    named = post(admin, escrow, photo(), headers={"X-On-Behalf-Of": str(escrow.provider_id)})

    assert (bare.status, bare.code) == (403, "ON_BEHALF_OF_REQUIRED")
    assert named.status == 201
    assert Proof.objects.get().submitted_for_id == escrow.provider_id
