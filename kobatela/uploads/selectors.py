"""Reads of uploads."""

from collections.abc import Collection

from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.uploads.errors import UploadAlreadyUsed, UploadExpired, UploadNotFound
from kobatela.uploads.models import Upload


def get_usable_upload(*, upload_id: int, caller: Caller) -> Upload:
    """The upload, if the caller may use it now; nothing is locked.

    Raises UploadNotFound (also for another party's), UploadAlreadyUsed, UploadExpired.
    """
    return checked(Upload.objects.filter(pk=upload_id).first(), caller)


def lock_usable_upload(*, upload_id: int, caller: Caller) -> Upload:
    """As get_usable_upload, locked to the end of the transaction.

    The last lock that a command takes before payment and ledger: nothing else waits behind it.
    """
    return checked(Upload.objects.select_for_update().filter(pk=upload_id).first(), caller)


def checked(upload: Upload | None, caller: Caller) -> Upload:
    """The upload itself, or the refusal of a caller who may not use it (any more)."""
    if upload is None or not caller.may_act_for(upload.owner_id):
        raise UploadNotFound
    if upload.used_at is not None:
        raise UploadAlreadyUsed
    if upload.expires_at <= clock.now():
        raise UploadExpired
    return upload


def is_registered(storage_name: str) -> bool:
    """Whether a row refers to this stored file."""
    return Upload.objects.filter(storage_name=storage_name).exists()


def unregistered(storage_names: Collection[str]) -> list[str]:
    """Those of the stored files to which no row refers."""
    known = set(
        Upload.objects.filter(storage_name__in=storage_names).values_list("storage_name", flat=True)
    )
    return [name for name in storage_names if name not in known]
