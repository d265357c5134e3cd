"""Receiving files, remembering them, and using each of them once."""

import itertools
import logging
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import IO

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction

from audit.actions import Action
from audit.services import entries
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.kernel.crashpoints import crashpoint
from kobatela.uploads import names, quarantine, storage
from kobatela.uploads.errors import FileStorageUnavailable, FileTooLarge, FileTypeNotAllowed
from kobatela.uploads.hooks import file_inspector
from kobatela.uploads.models import Upload
from kobatela.uploads.quarantine import QuarantinedFile
from kobatela.uploads.selectors import is_registered, lock_usable_upload, unregistered

logger = logging.getLogger(__name__)

USABLE_FOR = timedelta(hours=24)
SNIFF_BYTES = 4096
PDF = "application/pdf"
# A request is long over by then, and what it left in quarantine has no owner.
QUARANTINE_FOR = timedelta(hours=1)
# Between a file and its row lies one transaction; a day is far more than it can take.
UNREGISTERED_FOR = timedelta(hours=24)
# Older files were looked at by earlier runs.
UNREGISTERED_LOOKED_FOR = timedelta(days=8)
_PURGE_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A kept file that no row refers to yet."""

    storage_name: str
    size_bytes: int
    sha256: str
    media_type: str
    original_name: str
    received_at: datetime


def media_type_of(file: QuarantinedFile, *, allowed: Collection[str] | None = None) -> str:
    """The type that the bytes of a received file show.

    Raises FileTypeNotAllowed for any that is not accepted (or not in `allowed`), FileTooLarge for
    more bytes than its type may have.
    """
    media_type = file_inspector().media_type(file.head(SNIFF_BYTES))
    if media_type is None or (allowed is not None and media_type not in allowed):
        raise FileTypeNotAllowed
    limit = (
        settings.KOBATELA_FILE_MAX_BYTES
        if media_type == PDF
        else settings.KOBATELA_FILE_MAX_IMAGE_BYTES
    )
    if (file.size or 0) > limit:
        raise FileTooLarge(limit_bytes=limit)
    return media_type


def keep(*, file: QuarantinedFile, media_type: str) -> StoredFile:
    """Keep a file that was found good, out of quarantine. Outside any transaction.

    Raises FileStorageUnavailable.
    """
    storage_name = storage.keep(file.path)
    crashpoint("file.kept")
    return StoredFile(
        storage_name=storage_name,
        size_bytes=file.size or 0,
        sha256=file.sha256,
        media_type=media_type,
        original_name=names.readable_name(file.name or ""),
        received_at=file.received_at,
    )


def receive(*, stream: IO[bytes], name: str) -> StoredFile:
    """Take a file in, judge its type, size and readability, and keep it. Outside any transaction.

    Raises FileTooLarge, FileTypeNotAllowed, what the file inspector refuses, and
    FileStorageUnavailable; nothing is stored then.
    """
    is_new = not isinstance(stream, QuarantinedFile)
    file = quarantine.take_in(stream, name) if is_new else stream
    assert isinstance(file, QuarantinedFile)
    try:
        media_type = media_type_of(file)
        file_inspector().check_readable(file.path, media_type)
        return keep(file=file, media_type=media_type)
    finally:
        if is_new:
            file.close()


@transaction.atomic
def register(
    *,
    stored: StoredFile,
    owner_id: int,
    actor: str,
    on_behalf_of: int | None = None,
    used_for: str = "",
) -> Upload:
    """Remember a stored file as the owner's, usable once within 24 hours.

    With `used_for`, the subject that it belongs to, it is used up from the start.
    """
    now = clock.now()
    upload = Upload.objects.create(
        owner_id=owner_id,
        size_bytes=stored.size_bytes,
        sha256=stored.sha256,
        media_type=stored.media_type,
        storage_name=stored.storage_name,
        original_name=stored.original_name,
        received_at=stored.received_at,
        expires_at=now + USABLE_FOR,
        used_at=now if used_for else None,
        used_for=used_for,
    )
    entries.record(
        actor=actor,
        action=Action.UPLOAD_RECEIVED,
        subject=f"upload:{upload.pk}",
        body={"sha256": upload.sha256, "size_bytes": upload.size_bytes, "owner_id": owner_id},
        on_behalf_of=on_behalf_of,
    )
    return upload


@transaction.atomic
def claim_upload(*, upload_id: int, caller: Caller, used_for: str = "command") -> Upload:
    """Use an upload, once and for all; `used_for` names the subject that it now belongs to.

    Called inside the transaction of the command that uses it, after that command's own locks.
    Raises UploadNotFound (also for another party's), UploadAlreadyUsed, UploadExpired.
    """
    upload = lock_usable_upload(upload_id=upload_id, caller=caller)
    upload.used_at = clock.now()
    upload.used_for = used_for
    upload.save(update_fields=["used_at", "used_for"])
    return upload


def discard_unregistered(*, stored: StoredFile) -> None:
    """Remove a stored file whose command was refused or rolled back. Keeps one that has a row.

    Where the database cannot say so, or the storage not remove it, the file stays, and the purge
    looks at it after a day.
    """
    try:
        if not is_registered(stored.storage_name):
            storage.discard(stored.storage_name)
    except (OperationalError, InterfaceError) as error:
        logger.warning("Whether a file has a row cannot be asked: %s", error)
    except FileStorageUnavailable as error:
        logger.warning("A file without a row could not be removed: %s", error)


def purge_unused() -> dict[str, int]:
    """Remove what nobody used in time, and files without an owner; says how many of each.

    Raises FileStorageUnavailable; what was then not removed has no row, and a later run finds it.
    """
    return {
        "quarantined": _purge_quarantine(),
        "expired": _purge_expired(),
        "unregistered": _purge_unregistered(),
    }


def _purge_expired() -> int:
    with transaction.atomic():
        expired = list(
            Upload.objects.select_for_update(skip_locked=True)
            .filter(used_at__isnull=True, expires_at__lte=clock.now())
            .order_by("expires_at")[:_PURGE_AT_ONCE]
        )
        for upload in expired:
            entries.record(
                actor="system:uploads",
                action=Action.UPLOAD_PURGED,
                subject=f"upload:{upload.pk}",
                body={"sha256": upload.sha256},
            )
        Upload.objects.filter(pk__in=[upload.pk for upload in expired]).delete()
    crashpoint("file.expiry_committed")
    # After the commit: a row never points at a file that is gone.
    for upload in expired:
        storage.discard(upload.storage_name)
    return len(expired)


def _purge_quarantine() -> int:
    oldest = (clock.now() - QUARANTINE_FOR).timestamp()
    left_over = [path for path, changed_at in storage.quarantined_files() if changed_at < oldest]
    for path in left_over:
        if path.is_dir():
            # Where a worker drew pictures until it was killed.
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(left_over)


def _purge_unregistered() -> int:
    now = clock.now()
    newest = (now - UNREGISTERED_FOR).timestamp()
    oldest = (now - UNREGISTERED_LOOKED_FOR).timestamp()
    of_age = (name for name, changed_at in storage.kept_files() if oldest < changed_at < newest)
    removed = 0
    while batch := list(itertools.islice(of_age, _PURGE_AT_ONCE)):
        for storage_name in unregistered(batch):
            storage.discard(storage_name)
            removed += 1
    return removed
