"""The storage of files in a bucket of any server that speaks S3: private, and never by address."""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import IO, Any, NoReturn

from boto3.exceptions import Boto3Error  # type: ignore[import-untyped]  # it ships no types
from boto3.s3.transfer import TransferConfig  # type: ignore[import-untyped]  # likewise
from botocore.config import Config  # type: ignore[import-untyped]  # likewise
from botocore.exceptions import (  # type: ignore[import-untyped]  # likewise
    BotoCoreError,
    ClientError,
)
from django.core.files.base import File
from storages.backends.s3 import S3Storage  # type: ignore[import-untyped]  # likewise

from kobatela.uploads import storage
from kobatela.uploads.errors import FileStorageUnavailable

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 20
ATTEMPTS = 2
_PIECE_BYTES = 256 * 1024
# Far above the largest file: each is sent in one request, and so is there whole or not at all.
_IN_ONE_REQUEST_BYTES = 1024 * 1024 * 1024
_GONE = frozenset({"404", "NoSuchKey", "NotFound"})


class PrivateBucket(S3Storage):  # type: ignore[misc]  # django-storages ships no types
    """Files in a bucket that is read with the installation's own key only.

    Raises FileStorageUnavailable where the server does not answer, refuses the key or has no such
    bucket. A file that is read is fetched whole before its first byte is given.
    """

    def __init__(
        self,
        *,
        bucket_name: str,
        endpoint_url: str,
        region_name: str,
        access_key: str,
        secret_key: str,
    ) -> None:
        super().__init__(
            bucket_name=bucket_name,
            endpoint_url=endpoint_url or None,
            region_name=region_name or None,
            # Without a key of the settings, the machine's own role.
            access_key=access_key or None,
            secret_key=secret_key or None,
            security_token=None,
            session_profile=None,
            location="",
            custom_domain=None,
            # Nothing but the owner's own rights, also on servers that know no such lists.
            default_acl=None,
            # Whoever reads the bucket past us gets a file to save, not one to look at.
            object_parameters={
                "ContentDisposition": "attachment",
                "ContentType": "application/octet-stream",
                "CacheControl": "private, no-store",
            },
            file_overwrite=True,
            gzip=False,
            transfer_config=TransferConfig(
                multipart_threshold=_IN_ONE_REQUEST_BYTES, use_threads=False
            ),
            client_config=Config(
                signature_version="s3v4",
                connect_timeout=CONNECT_TIMEOUT_S,
                read_timeout=READ_TIMEOUT_S,
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                # A bucket as part of the path, and no newer checksums than every server knows.
                s3={"addressing_style": "path" if endpoint_url else "auto"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def url(self, *args: Any, **kwargs: Any) -> NoReturn:
        """No file has an address, signed or not: whoever may see one gets it through a view."""
        raise NotImplementedError("Private files have no address.")

    def dated(self, folder: str) -> Iterator[tuple[str, float]]:
        """The name of every file below `folder`, and the time of its last change (seconds)."""
        with _talking():
            for found in self.bucket.objects.filter(Prefix=f"{folder}/"):
                yield PurePosixPath(found.key).name, found.last_modified.timestamp()

    def delete(self, name: str) -> None:
        """Remove a file; no error when it is gone."""
        with _talking():
            super().delete(name)

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        """The folders and files in a folder; none where there is no such folder."""
        with _talking():
            folders, files = super().listdir(path)
            return folders, files

    def _open(self, name: str, mode: str = "rb") -> File[Any]:
        assert mode == "rb", "kept files are read, and replaced whole"
        # The file is gone when it is closed.
        copy = tempfile.NamedTemporaryFile(dir=storage.quarantine_dir())  # noqa: SIM115 - given away
        try:
            with _talking():
                self._fetch(name, copy)
        except BaseException:
            copy.close()
            raise
        copy.seek(0)
        return File(copy, name)

    def _fetch(self, name: str, copy: Any) -> None:
        body: IO[bytes] = self.bucket.Object(self._normalize_name(name)).get()["Body"]
        while piece := body.read(_PIECE_BYTES):
            copy.write(piece)
        copy.flush()

    def _save(self, name: str, content: File[Any]) -> str:
        with _talking():
            kept: str = super()._save(name, content)
            return kept


@contextmanager
def _talking() -> Iterator[None]:
    """What goes wrong with the server, in the terms of whoever asked."""
    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in _GONE:
            raise FileNotFoundError from error
        raise _unavailable(error) from error
    except (BotoCoreError, Boto3Error, OSError) as error:
        raise _unavailable(error) from error


def _unavailable(error: Exception) -> FileStorageUnavailable:
    logger.error("The storage of files does not work: %s", error)
    return FileStorageUnavailable()
