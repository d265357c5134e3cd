"""Files are received whole, judged by their bytes, kept once, used once."""

import hashlib
import io
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection
from pytest_django.fixtures import Settings

from audit.models import AuditEntry
from kobatela.accounts.tests.factories import make_caller, make_user
from kobatela.embedded.sample_documents import make_pdf
from kobatela.embedded.sample_photos import make_photo
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller, Scope
from kobatela.kernel.errors import DomainError
from kobatela.uploads import storage
from kobatela.uploads.errors import (
    FileTooLarge,
    FileTypeNotAllowed,
    UploadAlreadyUsed,
    UploadExpired,
    UploadNotFound,
)
from kobatela.uploads.models import Upload
from kobatela.uploads.services import files

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


def photo(seed: int = 1) -> bytes:
    return make_photo(latitude=5.35, longitude=-4.0, taken_at=NOW, seed=seed, width=320, height=240)


def stored(content: bytes, name: str = "photo.jpg") -> files.StoredFile:
    return files.receive(stream=io.BytesIO(content), name=name)


def upload_of(caller: Caller, content: bytes | None = None) -> Upload:
    assert caller.party_id is not None
    return files.register(
        stored=stored(content or photo()), owner_id=caller.party_id, actor=caller.actor
    )


def kept_path(storage_name: str) -> Path:
    """Where a file of this test lies, which the storage here keeps in a folder."""
    with storage.at_hand(storage_name) as path:
        return path


def files_on_disk(files_dir: Path) -> list[Path]:
    return [path for path in files_dir.rglob("*") if path.is_file()]


def test_a_file_is_kept_whole_under_a_name_made_here(files_dir: Path) -> None:
    content = photo()

    result = stored(content, "../../../évil\r\n.jpg")

    assert result.sha256 == hashlib.sha256(content).hexdigest()
    assert result.size_bytes == len(content)
    assert result.media_type == "image/jpeg"
    assert result.original_name == "évil.jpg"
    kept = kept_path(result.storage_name)
    assert kept.read_bytes() == content
    assert files_on_disk(files_dir) == [kept]
    assert kept.is_relative_to(files_dir / "files")


def test_only_the_owner_of_the_process_reads_kept_files() -> None:
    kept = kept_path(stored(photo()).storage_name)

    assert kept.stat().st_mode & 0o077 == 0
    assert kept.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a" + bytes(100),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<html><script>alert(1)</script>",
        b"II*\x00" + bytes(100),
        b"PK\x03\x04" + bytes(100),
        b"%!PS-Adobe",
        b"\x00" * 5000,
    ],
)
def test_what_is_no_photo_and_no_pdf_is_refused_whatever_its_name(
    content: bytes, files_dir: Path
) -> None:
    with pytest.raises(FileTypeNotAllowed):
        stored(content, "photo.jpg")

    assert files_on_disk(files_dir) == []


def test_a_photo_that_is_cut_short_is_refused_and_not_stored(files_dir: Path) -> None:
    content = photo()

    with pytest.raises(DomainError) as refusal:
        stored(content[: len(content) // 2])

    assert refusal.value.code == "FILE_UNREADABLE"
    assert files_on_disk(files_dir) == []


def test_a_photo_above_its_limit_is_refused_and_not_stored(
    settings: Settings, files_dir: Path
) -> None:
    content = photo()
    settings.KOBATELA_FILE_MAX_IMAGE_BYTES = len(content) - 1

    with pytest.raises(FileTooLarge) as refusal:
        stored(content)

    assert refusal.value.details["limit_bytes"] == len(content) - 1
    assert files_on_disk(files_dir) == []


def test_a_photo_of_exactly_its_limit_is_kept(settings: Settings) -> None:
    content = photo()
    settings.KOBATELA_FILE_MAX_IMAGE_BYTES = len(content)

    assert stored(content).size_bytes == len(content)


def test_a_document_may_be_larger_than_a_photo(settings: Settings) -> None:
    settings.KOBATELA_FILE_MAX_IMAGE_BYTES = 100
    document = make_pdf([b""])

    assert len(document) > 100
    assert stored(document).media_type == "application/pdf"


def test_receiving_stops_as_soon_as_no_type_allows_the_size(
    settings: Settings, files_dir: Path
) -> None:
    settings.KOBATELA_FILE_MAX_BYTES = 300_000

    class Endless(io.RawIOBase):
        read_bytes = 0

        def read(self, size: int = -1) -> bytes:
            Endless.read_bytes += size
            return bytes(size)

    with pytest.raises(FileTooLarge):
        files.receive(stream=Endless(), name="endless.pdf")  # type: ignore[arg-type]  # raw

    assert Endless.read_bytes < 1_000_000
    assert files_on_disk(files_dir) == []


@pytest.mark.django_db
def test_an_upload_is_used_once_by_its_owner() -> None:
    owner = make_caller(Scope.PROVIDER, make_user())
    upload = upload_of(owner)

    claimed = files.claim_upload(upload_id=upload.pk, caller=owner, used_for="milestone:3")

    assert claimed.used_at is not None
    assert claimed.used_for == "milestone:3"
    with pytest.raises(UploadAlreadyUsed):
        files.claim_upload(upload_id=upload.pk, caller=owner, used_for="milestone:4")
    upload.refresh_from_db()
    assert upload.used_for == "milestone:3"


@pytest.mark.django_db
def test_a_manager_uses_the_upload_of_a_managed_user() -> None:
    manager = make_user()
    managed = make_user(managed_by=manager)
    upload = upload_of(make_caller(Scope.PROVIDER, managed))

    files.claim_upload(upload_id=upload.pk, caller=make_caller(Scope.PROVIDER, manager))

    upload.refresh_from_db()
    assert upload.used_at is not None


@pytest.mark.django_db
def test_a_foreign_upload_is_as_good_as_none() -> None:
    upload = upload_of(make_caller(Scope.PROVIDER, make_user()))
    stranger = make_caller(Scope.PROVIDER, make_user())

    with pytest.raises(UploadNotFound) as foreign:
        files.claim_upload(upload_id=upload.pk, caller=stranger)
    with pytest.raises(UploadNotFound) as unknown:
        files.claim_upload(upload_id=upload.pk + 1000, caller=stranger)

    assert foreign.value.message == unknown.value.message
    upload.refresh_from_db()
    assert upload.used_at is None


@pytest.mark.django_db
def test_an_upload_is_usable_for_24_hours() -> None:
    owner = make_caller(Scope.PROVIDER, make_user())
    with clock.frozen(NOW):
        early, late = upload_of(owner, photo(1)), upload_of(owner, photo(2))
        clock.advance(timedelta(hours=24) - timedelta(microseconds=1))
        files.claim_upload(upload_id=early.pk, caller=owner)
        clock.advance(timedelta(microseconds=1))

        with pytest.raises(UploadExpired):
            files.claim_upload(upload_id=late.pk, caller=owner)


@pytest.mark.django_db
def test_what_nobody_used_is_removed_with_its_file(files_dir: Path) -> None:
    owner = make_caller(Scope.PROVIDER, make_user())
    with clock.frozen(NOW):
        unused, used = upload_of(owner, photo(1)), upload_of(owner, photo(2))
        files.claim_upload(upload_id=used.pk, caller=owner)
        clock.advance(timedelta(hours=24))

        assert files.purge_unused()["expired"] == 1

    assert not Upload.objects.filter(pk=unused.pk).exists()
    assert files_on_disk(files_dir) == [kept_path(used.storage_name)]
    assert AuditEntry.objects.filter(action="upload.purged").count() == 1


@pytest.mark.django_db
def test_files_without_a_row_are_removed_after_a_day_and_not_before(files_dir: Path) -> None:
    fresh, old = stored(photo(1)), stored(photo(2))
    kept = upload_of(make_caller(Scope.PROVIDER, make_user()), photo(3))
    two_days_ago = clock.now().timestamp() - 2 * 86400
    for name in (old.storage_name, kept.storage_name):
        os.utime(kept_path(name), (two_days_ago, two_days_ago))

    assert files.purge_unused()["unregistered"] == 1

    assert sorted(files_on_disk(files_dir)) == sorted(
        kept_path(name) for name in (fresh.storage_name, kept.storage_name)
    )


@pytest.mark.django_db
def test_what_the_dead_left_in_quarantine_is_removed_after_an_hour() -> None:
    left_over = storage.quarantine_dir() / "left-over"
    in_use = storage.quarantine_dir() / "in-use"
    # A request has a file there, a worker that draws pictures a folder.
    drawing = storage.quarantine_dir() / "drawing"
    drawing.mkdir()
    for path in (left_over, in_use, drawing / "1.jpg"):
        path.write_bytes(b"x")
    two_hours_ago = clock.now().timestamp() - 7200
    for path in (left_over, drawing):
        os.utime(path, (two_hours_ago, two_hours_ago))

    assert files.purge_unused()["quarantined"] == 2

    assert not left_over.exists()
    assert not drawing.exists()
    assert in_use.exists()


@pytest.mark.django_db
def test_a_file_whose_command_was_refused_is_removed_and_a_registered_one_is_not() -> None:
    refused = stored(photo(1))
    upload = upload_of(make_caller(Scope.PROVIDER, make_user()), photo(2))
    registered = files.StoredFile(
        storage_name=upload.storage_name,
        size_bytes=upload.size_bytes,
        sha256=upload.sha256,
        media_type=upload.media_type,
        original_name=upload.original_name,
        received_at=upload.received_at,
    )

    files.discard_unregistered(stored=refused)
    files.discard_unregistered(stored=registered)

    with pytest.raises(FileNotFoundError):
        storage.opened(refused.storage_name)
    assert kept_path(upload.storage_name).exists()


@pytest.mark.parametrize("name", ["", "../secret", "a" * 31, "G" * 32, "a" * 32 + "/x"])
def test_nothing_but_storage_names_reaches_the_folder(name: str) -> None:
    with pytest.raises(ValueError, match="no storage name"):
        storage.opened(name)


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_of_eight_claims_at_once_one_gets_the_upload() -> None:
    owner = make_caller(Scope.PROVIDER, make_user())
    upload = upload_of(owner)
    outcomes: list[str] = []
    start = threading.Barrier(8)

    def claim(number: int) -> None:
        start.wait()
        try:
            files.claim_upload(upload_id=upload.pk, caller=owner, used_for=f"milestone:{number}")
            outcomes.append("used")
        except UploadAlreadyUsed:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["refused"] * 7 + ["used"]
