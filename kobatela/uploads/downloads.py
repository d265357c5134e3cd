"""Handing out received files: as attachments, so that nothing in them runs here."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from django.http import FileResponse, HttpResponse
from django.http.response import HttpResponseBase

from kobatela.uploads import storage
from kobatela.uploads.errors import FileStorageUnavailable
from kobatela.uploads.models import Upload

logger = logging.getLogger(__name__)

View = TypeVar("View", bound=Callable[..., HttpResponseBase])

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


def or_unavailable(view: View) -> View:
    """A page of the console that hands out a file, with an answer for when none can be fetched."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(*args, **kwargs)
        except FileStorageUnavailable as refusal:
            return HttpResponse(
                refusal.message,
                status=503,
                content_type="text/plain; charset=utf-8",
                headers={**HEADERS, "Retry-After": str(refusal.retry_after_s)},
            )

    return cast("View", guarded)


def as_download(upload: Upload, stem: str) -> FileResponse:
    """The file under a name made here: the sender's reaches no header.

    Raises FileStorageUnavailable, before anything is answered, also where a file that should be
    there is not: whoever runs the installation has to look.
    """
    try:
        file = storage.opened(upload.storage_name)
    except FileNotFoundError as error:
        logger.exception("The file of upload %s is missing", upload.pk)
        raise FileStorageUnavailable from error
    return FileResponse(
        file,
        as_attachment=True,
        filename=f"{stem}.{_EXTENSIONS[upload.media_type]}",
        content_type=upload.media_type,
        headers=HEADERS,
    )
