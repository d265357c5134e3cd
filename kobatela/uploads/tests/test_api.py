"""POST /files/proofs: a file sent ahead of the command that uses it."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError
from pytest_django.fixtures import Settings

from kobatela.accounts.tests.factories import make_key, make_user
from kobatela.embedded.sample_photos import make_photo
from kobatela.kernel.caller import Scope
from kobatela.rest.tests.client import Answer, Api
from kobatela.uploads.models import Upload

pytestmark = pytest.mark.django_db

PHOTO = make_photo(
    latitude=5.35,
    longitude=-4.0,
    taken_at=datetime(2026, 11, 24, tzinfo=UTC),
    seed=5,
    width=320,
    height=240,
)


def send(api: Api, content: bytes, name: str = "photo.jpg", **options: Any) -> Answer:
    return api.post("/files/proofs", files={"file": SimpleUploadedFile(name, content)}, **options)


def files_on_disk(files_dir: Path) -> list[Path]:
    return [path for path in files_dir.rglob("*") if path.is_file()]


def test_a_provider_sends_a_file_ahead(files_dir: Path) -> None:
    user = make_user()
    _, secret = make_key(Scope.PROVIDER, user)

    answer = send(Api(secret), PHOTO, "../site.jpg")

    assert answer.status == 201
    upload = Upload.objects.get()
    assert answer.json == {
        "upload_id": upload.pk,
        "sha256": hashlib.sha256(PHOTO).hexdigest(),
        "size": len(PHOTO),
        "media_type": "image/jpeg",
        "storage_url": f"kobatela://uploads/{upload.pk}",
        "expires_at": answer.json["expires_at"],
    }
    assert upload.owner == user
    assert len(files_on_disk(files_dir)) == 1


def test_an_admin_sends_one_on_behalf_of_a_party_only() -> None:
    user = make_user()
    _, secret = make_key(Scope.ADMIN)

    assert send(Api(secret), PHOTO).code == "ON_BEHALF_OF_REQUIRED"
    answer = send(Api(secret), PHOTO, headers={"X-On-Behalf-Of": str(user.pk)})

    assert answer.status == 201
    assert Upload.objects.get().owner == user


def test_support_sends_none() -> None:
    _, secret = make_key(Scope.SUPPORT)

    answer = send(Api(secret), PHOTO)

    assert (answer.status, answer.code) == (403, "INSUFFICIENT_SCOPE")


def test_a_form_without_a_file_names_the_field() -> None:
    _, secret = make_key(Scope.SENDER)

    answer = Api(secret).post("/files/proofs", files={}, fields={"other": "x"})

    assert (answer.status, answer.code) == (422, "VALIDATION_ERROR")
    assert answer.json["error"]["details"]["fields"][0]["field"] == "file"


def test_json_is_not_taken_for_a_file() -> None:
    _, secret = make_key(Scope.SENDER)

    answer = Api(secret).post("/files/proofs", json={"file": "x"})

    assert answer.status == 415


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 415, "FILE_TYPE_NOT_ALLOWED"),
        (b"<svg onload='alert(1)'/>", 415, "FILE_TYPE_NOT_ALLOWED"),
        (PHOTO[: len(PHOTO) // 3], 422, "FILE_UNREADABLE"),
    ],
)
def test_a_file_that_is_no_evidence_is_refused_and_nothing_is_stored(
    content: bytes, status: int, code: str, files_dir: Path
) -> None:
    _, secret = make_key(Scope.SENDER)

    answer = send(Api(secret), content)

    assert (answer.status, answer.code) == (status, code)
    assert not Upload.objects.exists()
    assert files_on_disk(files_dir) == []


def test_a_file_larger_than_any_may_be_is_refused_as_such(
    settings: Settings, files_dir: Path
) -> None:
    settings.KOBATELA_FILE_MAX_BYTES = 1000
    _, secret = make_key(Scope.SENDER)

    answer = send(Api(secret), b"%PDF-1.7" + bytes(2000), "long.pdf")

    assert (answer.status, answer.code) == (413, "FILE_TOO_LARGE")
    assert files_on_disk(files_dir) == []


def test_a_form_announced_larger_than_any_file_is_refused_unread(
    settings: Settings, files_dir: Path
) -> None:
    settings.KOBATELA_UPLOAD_MAX_BYTES = 1000
    _, secret = make_key(Scope.SENDER)

    answer = send(Api(secret), b"%PDF-1.7" + bytes(2000), "long.pdf")

    assert (answer.status, answer.code) == (413, "FILE_TOO_LARGE")
    assert files_on_disk(files_dir) == []


def test_more_files_than_a_form_may_have_are_refused(files_dir: Path) -> None:
    _, secret = make_key(Scope.SENDER)
    many = {f"file{number}": SimpleUploadedFile("x.jpg", PHOTO) for number in range(6)}

    answer = Api(secret).post("/files/proofs", files=many)

    assert answer.status in {400, 413}
    assert files_on_disk(files_dir) == []


def test_a_repeat_with_its_key_is_answered_again_and_stores_nothing_more(files_dir: Path) -> None:
    _, secret = make_key(Scope.SENDER)

    first = send(Api(secret), PHOTO, idempotency_key="upload-1")
    again = send(Api(secret), PHOTO, idempotency_key="upload-1")
    other = send(Api(secret), PHOTO[:-1], idempotency_key="upload-1")

    assert first.status == 201
    assert (again.status, again.body) == (201, first.body)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (other.status, other.code) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert Upload.objects.count() == 1
    assert len(files_on_disk(files_dir)) == 1


def test_a_database_that_goes_away_is_the_answer_and_leaves_the_file_to_the_purge(
    files_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_away(*args: Any, **named: Any) -> None:
        raise OperationalError("the connection is closed")

    _, secret = make_key(Scope.PROVIDER)
    monkeypatch.setattr("kobatela.uploads.services.files.register", is_away)
    monkeypatch.setattr("kobatela.uploads.services.files.is_registered", is_away)

    answer = send(Api(secret), PHOTO)

    assert (answer.status, answer.code) == (503, "DATABASE_UNAVAILABLE")
    assert len(files_on_disk(files_dir)) == 1
