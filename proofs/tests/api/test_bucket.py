"""Evidence in a bucket: web and workers share nothing but it, and what it cannot do is told."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django.fixtures import Settings

from kobatela.accounts.tests.factories import make_key, make_staff
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.rest.tests.client import Answer, Api
from kobatela.uploads.models import Upload
from kobatela.uploads.services import files
from kobatela.uploads.tests.s3 import Bucket, use_bucket, use_dead_server
from payments.selectors import payments_of
from proofs.models import Proof
from proofs.services.derivatives import MAX_ATTEMPTS as MAX_DRAWN
from proofs.services.derivatives import make_derivative, sweep_derivatives
from proofs.services.reading import MAX_ATTEMPTS, RETRY_AFTER, read_document
from proofs.states import Derivative, Processing
from proofs.tests.factories import FAR_AWAY, PDF, invoice_escrow, photo, site_escrow, submit

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_noon")]


def provider_of(escrow: Any) -> Api:
    return Api(make_key(Scope.PROVIDER, escrow.provider)[1])


def post(sender: Api, escrow: Any, content: bytes, key: str | None = None, **fields: Any) -> Answer:
    return sender.post(
        "/proofs",
        files={"file": SimpleUploadedFile("photo.jpg", content)},
        fields={"escrow_id": escrow.pk, "milestone_idx": 1, "type": "PHOTO", **fields},
        idempotency_key=key,
    )


def test_a_photo_goes_in_by_the_web_is_drawn_by_a_worker_and_comes_out_as_it_was(
    bucket: Bucket, settings: Settings, tmp_path: Path, client: Client
) -> None:
    escrow, content = site_escrow(), photo()
    sender = provider_of(escrow)
    answer = post(sender, escrow, content)
    assert (answer.status, answer.json["status"]) == (201, "APPROVED")
    assert "127.0.0.1" not in answer.json["storage_url"]
    web_disk = Path(settings.KOBATELA_FILES_DIR)
    settings.KOBATELA_FILES_DIR = tmp_path / "worker"

    assert make_derivative(proof_id=answer.json["id"]) == Derivative.DONE

    assert [name.partition("/")[0] for name in bucket.names()] == ["derivatives", "files"]
    assert sender.get(f"/proofs/{answer.json['id']}/file").body == content
    client.force_login(make_staff("support"))
    picture = client.get(f"/admin/proofs/proof/{answer.json['id']}/picture/")
    assert b"".join(picture).startswith(b"\xff\xd8")
    left = [path for disk in (web_disk, tmp_path / "worker") for path in disk.rglob("*")]
    assert [path for path in left if path.is_file()] == []


def test_a_document_is_read_and_drawn_by_workers_with_disks_of_their_own(
    bucket: Bucket, settings: Settings, tmp_path: Path
) -> None:
    proof = submit(invoice_escrow(), PDF, proof_type="INVOICE")
    settings.KOBATELA_FILES_DIR = tmp_path / "worker"

    assert read_document(proof_id=proof.pk) == Processing.DONE
    assert make_derivative(proof_id=proof.pk) == Derivative.DONE

    proof.refresh_from_db()
    assert proof.reading is not None
    assert proof.reading.fields["total"]["value"] == "1200.00"
    assert len(bucket.names("pages/")) == 1


def test_a_file_sent_ahead_is_judged_where_it_lies(bucket: Bucket) -> None:
    escrow = site_escrow()
    sender = provider_of(escrow)
    ahead = sender.post("/files/proofs", files={"file": SimpleUploadedFile("a.jpg", photo())})
    body = {"escrow_id": escrow.pk, "milestone_idx": 1, "type": "PHOTO"}

    answer = sender.post("/proofs", json={**body, "upload_id": ahead.json["upload_id"]})

    assert (answer.status, answer.json["status"]) == (201, "APPROVED")
    assert len(bucket.names()) == 1


def test_what_is_refused_or_rolled_back_leaves_nothing_in_the_bucket(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    escrow = site_escrow()
    sender = provider_of(escrow)

    assert post(sender, escrow, photo(FAR_AWAY)).code == "GEOFENCE_VIOLATION"
    assert bucket.names() == []

    def fails(**_options: Any) -> None:
        raise AssertionError("on purpose")

    monkeypatch.setattr(files, "register", fails)
    assert post(sender, escrow, photo()).status == 500
    assert bucket.names() == []
    assert not Upload.objects.exists()


def test_while_the_storage_is_down_nothing_is_half_stored_and_a_repeat_succeeds(
    bucket: Bucket, settings: Settings, monkeypatch: pytest.MonkeyPatch, files_dir: Path
) -> None:
    escrow, content = site_escrow(), photo()
    sender = provider_of(escrow)
    use_dead_server(settings, monkeypatch)

    refused = post(sender, escrow, content, key="one")

    assert (refused.status, refused.code) == (503, "FILE_STORAGE_UNAVAILABLE")
    assert refused.headers["Retry-After"] == "30"
    assert "127.0.0.1" not in refused.body.decode()
    assert not Proof.objects.exists()
    assert not Upload.objects.exists()
    assert list(payments_of(escrow.pk)) == []
    assert [path for path in files_dir.rglob("*") if path.is_file()] == []

    use_bucket(settings, bucket.endpoint, bucket.name)
    assert post(sender, escrow, content, key="one").status == 201


def test_while_the_storage_is_down_nobody_gets_a_file_and_everybody_is_told(
    bucket: Bucket, settings: Settings, monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    escrow = site_escrow()
    proof = submit(escrow, photo())
    make_derivative(proof_id=proof.pk)
    client.force_login(make_staff("support"))
    use_dead_server(settings, monkeypatch)

    answer = provider_of(escrow).get(f"/proofs/{proof.pk}/file")

    assert (answer.status, answer.code) == (503, "FILE_STORAGE_UNAVAILABLE")
    for address in ("picture", "original"):
        page = client.get(f"/admin/proofs/proof/{proof.pk}/{address}/")
        assert (page.status_code, page["Retry-After"]) == (503, "30")


def test_workers_try_again_while_the_storage_is_down_and_then_leave_it_to_a_person(
    bucket: Bucket, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof = submit(invoice_escrow(), PDF, proof_type="INVOICE")
    use_dead_server(settings, monkeypatch)
    outcomes = []

    for attempt in range(1, MAX_ATTEMPTS + 1):
        outcomes.append(read_document(proof_id=proof.pk))
        clock.advance(RETRY_AFTER * attempt)

    assert outcomes == [Processing.QUEUED, Processing.QUEUED, Processing.FAILED]
    proof.refresh_from_db()
    assert proof.review_reasons == ["DOCUMENT", "DOCUMENT_NOT_READ"]


def test_no_picture_is_given_up_because_the_storage_was_down(
    bucket: Bucket, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    proofs = [submit(site_escrow(), photo()) for _ in range(2)]
    use_dead_server(settings, monkeypatch)

    for _ in range(MAX_DRAWN + 1):
        clock.advance(timedelta(minutes=1))
        assert sweep_derivatives(beat=lambda: None) == {
            "found": 2,
            "made": 0,
            "failed": 0,
            "rung": 0,
        }

    use_bucket(settings, bucket.endpoint, bucket.name)
    assert sweep_derivatives(beat=lambda: None)["made"] == 2
    assert {Proof.objects.get(pk=proof.pk).derivative for proof in proofs} == {Derivative.DONE}
