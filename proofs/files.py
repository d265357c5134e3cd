"""Handing out the files of proofs: originals to be saved, derivatives to be looked at."""

from typing import IO, TYPE_CHECKING

from django.http import FileResponse

from kobatela.uploads.downloads import HEADERS, as_download
from proofs.models import Proof

if TYPE_CHECKING:
    from kobatela.uploads.models import Upload


def original_response(proof: Proof, upload: "Upload") -> FileResponse:
    """The original as an attachment, under a name made here: the sender's reaches no header."""
    return as_download(upload, f"proof-{proof.pk}")


def picture_response(picture: IO[bytes]) -> FileResponse:
    """A derivative, which this installation rendered itself, for an <img>."""
    return FileResponse(picture, content_type="image/jpeg", headers=HEADERS)
