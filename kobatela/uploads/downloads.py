"""Handing out received files: as attachments, so that nothing in them runs here."""

from django.http import FileResponse

from kobatela.uploads import storage
from kobatela.uploads.models import Upload

_EXTENSIONS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/heic": "heic",
    "application/pdf": "pdf",
}
# Nothing in a file may run, be taken for another type, be embedded elsewhere or be kept.
HEADERS = {
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def as_download(upload: Upload, stem: str) -> FileResponse:
    """The file under a name made here: the sender's reaches no header."""
    return FileResponse(
        storage.local_path(upload.storage_name).open("rb"),
        as_attachment=True,
        filename=f"{stem}.{_EXTENSIONS[upload.media_type]}",
        content_type=upload.media_type,
        headers=HEADERS,
    )
