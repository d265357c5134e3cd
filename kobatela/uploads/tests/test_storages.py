"""The store is a folder or a bucket; what is kept in either is whole, private and found again."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.files.storage import storages
from pytest_django.fixtures import Settings

from kobatela.kernel import clock
from kobatela.uploads import storage
from kobatela.uploads.checks import check_storage
from kobatela.uploads.errors import FileStorageUnavailable
from kobatela.uploads.tests.s3 import Bucket, use_bucket, use_dead_server

NOBODYS = "0" * 32


@pytest.fixture(params=["local", "s3"])
def either_store(request: pytest.FixtureRequest) -> str:
    """The test runs once with each."""
    store: str = request.param
    if store == "s3":
        request.getfixturevalue("bucket")
    return store


def quarantined(content: bytes) -> Path:
    path = storage.quarantine_dir() / "arrived"
    path.write_bytes(content)
    return path


def left_in_quarantine() -> list[Path]:
    return list(storage.quarantine_dir().iterdir())


@pytest.mark.usefixtures("either_store")
def test_a_file_is_kept_whole_and_leaves_quarantine() -> None:
    content = os.urandom(700_000)

    name = storage.keep(quarantined(content))

    assert left_in_quarantine() == []
    with storage.opened(name) as file:
        assert file.read() == content
    with storage.at_hand(name) as path:
        assert path.read_bytes() == content
    assert left_in_quarantine() == []
    ((kept, changed_at),) = storage.kept_files()
    assert kept == name
    assert abs(changed_at - clock.now().timestamp()) < 60


@pytest.mark.usefixtures("either_store")
def test_what_was_made_of_a_file_is_replaced_and_goes_with_it() -> None:
    name, other = storage.keep(quarantined(b"one")), storage.keep(quarantined(b"two"))
    for content in (b"first", b"second"):
        storage.keep_derivative(quarantined(content), name)
        storage.keep_page(quarantined(content), name, 1)
    storage.keep_page(quarantined(b"of another"), other, 1)
    with storage.opened_derivative(name) as picture, storage.opened_page(name, 1) as page:
        assert (picture.read(), page.read()) == (b"second", b"second")

    storage.discard(name)
    storage.discard(name)

    for gone in (storage.opened, storage.opened_derivative):
        with pytest.raises(FileNotFoundError):
            gone(name)
    for of, number in ((name, 1), (other, 2)):
        with pytest.raises(FileNotFoundError):
            storage.opened_page(of, number)
    with storage.opened(other) as file, storage.opened_page(other, 1) as page:
        assert (file.read(), page.read()) == (b"two", b"of another")
    assert left_in_quarantine() == []


@pytest.mark.usefixtures("either_store")
def test_no_file_has_an_address() -> None:
    name = storage.keep(quarantined(b"content"))

    with pytest.raises(NotImplementedError):
        storages[storage.ALIAS].url(f"files/{name[:2]}/{name}")


def test_whoever_asks_the_bucket_without_its_key_gets_nothing(bucket: Bucket) -> None:
    name = storage.keep(quarantined(b"content"))

    (key,) = bucket.names()
    answer = httpx.get(f"{bucket.endpoint}/{bucket.name}/{key}")

    assert key == f"files/{name[:2]}/{name}"
    assert answer.status_code == 403
    assert b"content" not in answer.content
    told = bucket.head(key)
    assert told["ContentType"] == "application/octet-stream"
    assert told["ContentDisposition"] == "attachment"


ASKED: dict[str, Callable[[], Any]] = {
    "keep": lambda: storage.keep(quarantined(b"content")),
    "keep_derivative": lambda: storage.keep_derivative(quarantined(b"content"), NOBODYS),
    "opened": lambda: storage.opened(NOBODYS),
    "discard": lambda: storage.discard(NOBODYS),
    "kept_files": lambda: list(storage.kept_files()),
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_a_server_that_does_not_answer_is_named_and_nothing_else_is_raised(
    asked: Callable[[], Any], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_dead_server(settings, monkeypatch)

    with pytest.raises(FileStorageUnavailable):
        asked()


def test_a_bucket_that_is_not_there_keeps_nothing(bucket: Bucket, settings: Settings) -> None:
    use_bucket(settings, bucket.endpoint, "another-bucket")

    with pytest.raises(FileStorageUnavailable):
        storage.keep(quarantined(b"content"))

    assert bucket.names() == []


def test_a_disk_that_takes_nothing_keeps_nothing(
    files_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(FileStorageUnavailable):
        storage.keep(quarantined(b"content"))

    assert list(files_dir.glob("files/??/*")) == []


AMAZON = {"KOBATELA_S3_BUCKET": "evidence", "KOBATELA_S3_REGION": "eu-west-3"}
OTHER = {
    "KOBATELA_S3_BUCKET": "evidence",
    "KOBATELA_S3_ENDPOINT_URL": "https://files.example.org",
    "KOBATELA_S3_ACCESS_KEY_ID": "id",
    "KOBATELA_S3_SECRET_ACCESS_KEY": "secret",
}


@pytest.mark.parametrize(
    ("environment", "missing"),
    [
        (AMAZON, []),
        (OTHER, []),
        ({}, ["KOBATELA_S3_BUCKET", "KOBATELA_S3_REGION"]),
        (AMAZON | {"KOBATELA_S3_ACCESS_KEY_ID": "id"}, ["KOBATELA_S3_SECRET_ACCESS_KEY"]),
        *((OTHER | {name: ""}, [name]) for name in OTHER if name != "KOBATELA_S3_ENDPOINT_URL"),
        (OTHER | {"KOBATELA_S3_ENDPOINT_URL": "http://files.example.org"},
         ["KOBATELA_S3_ENDPOINT_URL"]),
    ],
)  # fmt: skip
def test_the_start_names_what_a_bucket_lacks(
    environment: dict[str, str], missing: list[str], settings: Settings
) -> None:
    settings.KOBATELA_ENV = "production"
    settings.KOBATELA_FILES_STORAGE = "s3"
    for name in {*AMAZON, *OTHER}:
        setattr(settings, name, environment.get(name, ""))

    found = [message.msg for message in check_storage()]

    assert len(found) == len(missing)
    assert all(name in message for name, message in zip(missing, found, strict=True))
