"""What is refused at the door is told with a hint, in the language of whoever sent it."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from pytest_django.fixtures import Settings

from kobatela.accounts.models import User
from kobatela.accounts.tests.factories import make_key
from kobatela.embedded.sample_documents import make_locked_pdf, make_pdf
from kobatela.kernel.caller import Scope
from kobatela.rest.tests.client import Api
from kobatela.uploads.errors import FileRefused, FileTooLarge, FileTypeNotAllowed
from proofs import errors
from proofs.tests.factories import FAR_AWAY, PDF, invoice_escrow, photo, site_escrow
from proofs.wording import _FRENCH

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_noon")]

# What is sent as a photo, or as an invoice, and how it is refused.
FILES: dict[str, tuple[str, bytes, type[FileRefused]]] = {
    "a page": ("PHOTO", b"<html>", FileTypeNotAllowed),
    "half a photo": ("PHOTO", b"\xff\xd8\xff\xe0 half", errors.FileUnreadable),
    "no document": ("INVOICE", b"%PDF-1.7 no document", errors.DocumentUnreadable),
    "a locked document": ("INVOICE", make_locked_pdf(), errors.PdfEncrypted),
    "a book": ("INVOICE", make_pdf([b""] * 31), errors.TooManyPages),
}


def refused(kind: str, content: bytes, language: str, **fields: Any) -> dict[str, Any]:
    escrow = site_escrow() if kind == "PHOTO" else invoice_escrow()
    User.objects.filter(pk=escrow.provider_id).update(language=language)
    answer = Api(make_key(Scope.PROVIDER, escrow.provider)[1]).post(
        "/proofs",
        files={"file": SimpleUploadedFile("a", content)},
        fields={"escrow_id": escrow.pk, "milestone_idx": 1, "type": kind, **fields},
    )
    error: dict[str, Any] = answer.json["error"]
    return error


@pytest.mark.parametrize(("kind", "content", "refusal"), FILES.values(), ids=FILES)
def test_a_file_is_refused_in_the_language_of_its_sender(
    kind: str, content: bytes, refusal: type[FileRefused]
) -> None:
    english, french = (refused(kind, content, language) for language in ("en", "fr"))

    assert english["code"] == french["code"] == refusal.code
    assert (english["message"], english["details"]["hint"]) == (refusal.message, refusal.hint)
    assert (french["message"], french["details"]["hint"]) == refusal.french
    assert english["details"].keys() == french["details"].keys()


def test_a_photo_from_elsewhere_is_refused_in_the_language_of_its_sender() -> None:
    english, french = (refused("PHOTO", photo(FAR_AWAY), language) for language in ("en", "fr"))

    assert (french["message"], french["details"]["hint"]) == _FRENCH["GEOFENCE_VIOLATION"]
    assert english["code"] == french["code"] == "GEOFENCE_VIOLATION"
    assert english["message"] == errors.GeofenceViolation.message
    assert english["details"]["hint"] != french["details"]["hint"]


def test_what_is_too_large_to_be_read_at_all_is_told_too(settings: Settings) -> None:
    settings.KOBATELA_UPLOAD_MAX_BYTES = 1000

    told = refused("INVOICE", PDF, "fr")

    assert (told["message"], told["details"]["hint"]) == FileTooLarge.french
    assert told["details"]["limit_bytes"] == settings.KOBATELA_FILE_MAX_BYTES


def test_a_file_sent_ahead_is_refused_in_the_language_of_its_sender() -> None:
    escrow = site_escrow()
    User.objects.filter(pk=escrow.provider_id).update(language="fr")

    answer = Api(make_key(Scope.PROVIDER, escrow.provider)[1]).post(
        "/files/proofs", files={"file": SimpleUploadedFile("a", b"<svg/>")}
    )

    assert answer.json["error"]["message"] == FileTypeNotAllowed.french[0]
