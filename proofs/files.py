"""Handing out the files of proofs: originals to be saved, derivatives to be looked at."""

from pathlib import Path
from typing import TYPE_CHECKING

from django.http import FileResponse

from kobatela.uploads import storage
from proofs.models import Proof

if TYPE_CHECKING:
    from kobatela.uploads.models import Upload

_EXTENSIONS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/heic": "heic",
    "application/pdf": "pdf",
}
# Nothing in a file may run, be taken for another type, be embedded elsewhere or be kept.
_HEADERS = {
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def original_response(proof: Proof, upload: "Upload") -> FileResponse:
    """The original as an attachment, under a name made here: the sender's reaches no header."""
    return FileResponse(
        storage.local_path(upload.storage_name).open("rb"),
        as_attachment=True,
        filename=f"proof-{proof.pk}.{_EXTENSIONS[upload.media_type]}",
        content_type=upload.media_type,
        headers=_HEADERS,
    )


def picture_response(path: Path) -> FileResponse:
    """A derivative, which this installation rendered itself, for an <img>."""
    return FileResponse(path.open("rb"), content_type="image/jpeg", headers=_HEADERS)
