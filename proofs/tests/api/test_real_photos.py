"""The main journey with real photos: sent over the API, read by the server, judged and decided."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from audit.models import AuditEntry
from escrow.tests.books import assert_in_order
from escrow.tests.factories import make_escrow, milestone_of
from kobatela.accounts.tests.factories import make_key
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.rest.tests.client import Answer, Api
from kobatela.uploads.models import Upload
from payments.selectors import payments_of
from proofs.models import Proof
from proofs.tests.readers.shared_data import HOSTILE, PHOTOS, needs_hostile, needs_photos

pytestmark = [pytest.mark.django_db, pytest.mark.flow, needs_photos]


def told(name: str) -> dict[str, Any]:
    """What is known of a photo."""
    photos: dict[str, dict[str, Any]] = json.loads((PHOTOS / "photos.json").read_text())
    return photos[name]


def fence_around(name: str, radius_m: str = "50.00") -> dict[str, Any]:
    photo = told(name)
    return {
        "geofence_lat": Decimal(str(photo["GPSLatitude"])).quantize(Decimal("0.000001")),
        "geofence_lng": Decimal(str(photo["GPSLongitude"])).quantize(Decimal("0.000001")),
        "geofence_radius_m": Decimal(radius_m),
    }


def send(escrow: Any, name: str) -> Answer:
    provider = Api(make_key(Scope.PROVIDER, escrow.provider)[1])
    return provider.post(
        "/proofs",
        files={"file": SimpleUploadedFile(name, (PHOTOS / name).read_bytes())},
        fields={"escrow_id": escrow.pk, "milestone_idx": 1, "type": "PHOTO"},
    )


def escrow_at(place: str, *, max_age_minutes: int | None = None, **terms: Any) -> Any:
    milestone = {"amount_minor": 10_000, "max_age_minutes": max_age_minutes, **fence_around(place)}
    return make_escrow(milestones=[milestone | terms])


def test_a_photo_from_the_place_is_accepted_into_review_and_paid_by_a_person() -> None:
    escrow = escrow_at("dscn0010.jpg")

    proof = send(escrow, "dscn0010.jpg").json

    # No age limit fits a photo of 2008, and without one a person looks.
    assert (proof["status"], proof["sha256"]) == ("PENDING", told("dscn0010.jpg")["sha256"])
    support = Api(make_key(Scope.SUPPORT)[1])
    decided = support.post(f"/proofs/{proof['id']}/decision", json={"decision": "approve"})
    assert decided.json["status"] == "APPROVED"
    assert milestone_of(escrow).status == "APPROVED"
    assert payments_of(escrow.pk).get().amount_minor == 10_000
    assert_in_order()


def test_a_photo_from_the_same_town_is_refused_for_its_distance_and_nothing_is_stored() -> None:
    escrow = escrow_at("dscn0010.jpg")

    answer = send(escrow, "dscn0027.jpg")

    assert (answer.status, answer.code) == (422, "GEOFENCE_VIOLATION")
    # 311 m, said in whole hundreds to the provider.
    assert answer.json["error"]["details"]["distance_m"] == 400
    assert not Proof.objects.exists()
    assert not Upload.objects.exists()
    assert AuditEntry.objects.filter(action="proof.refused").exists()


@pytest.mark.parametrize("name", ["samsung-gt-i9000-galaxy-s.jpg", "leica-t-typ-701.jpg"])
def test_d02_a_photo_with_0_0_or_nan_for_a_position_waits_for_a_person(name: str) -> None:
    assert told(name)["gps_state"] in {"zero", "undefined"}

    proof = send(escrow_at("dscn0010.jpg"), name).json

    assert proof["status"] == "PENDING"
    assert "MISSING_GPS" in proof["review_reasons"]


def test_d02_nan_is_refused_where_the_position_is_required() -> None:
    escrow = escrow_at("dscn0010.jpg", proof_requirements={"gps_required": True})

    answer = send(escrow, "nikon-d5000.jpg")

    assert (answer.status, answer.code) == (422, "MISSING_GPS")


def test_a_heic_from_a_phone_is_approved_by_the_machine_if_it_is_fresh() -> None:
    photo = told("img-5195.heic")
    taken_at = datetime.strptime(
        f"{photo['DateTimeOriginal']} {photo['OffsetTimeOriginal']}", "%Y:%m:%d %H:%M:%S %z"
    )
    with clock.frozen(taken_at.astimezone(UTC) + timedelta(minutes=5)):
        escrow = escrow_at("img-5195.heic", max_age_minutes=120)

        proof = send(escrow, "img-5195.heic").json

    assert (proof["status"], proof["review_reasons"]) == ("APPROVED", [])
    assert payments_of(escrow.pk).count() == 1


def test_a_heic_that_says_how_vague_it_is_waits_when_it_may_be_outside() -> None:
    # Its own error is 65 m, more than the radius of 50 m.
    proof = send(escrow_at("img-1034.heic"), "img-1034.heic").json

    assert "GEOFENCE_UNCERTAIN" in proof["review_reasons"]


def test_two_photos_of_one_scene_at_one_second_are_near_duplicates() -> None:
    assert send(escrow_at("iphone-hdr-no.jpg"), "iphone-hdr-no.jpg").status == 201

    proof = send(escrow_at("iphone-hdr-yes.jpg"), "iphone-hdr-yes.jpg").json
    seen_by_staff = Api(make_key(Scope.SUPPORT)[1]).get(f"/proofs/{proof['id']}").json

    assert "REUSED_IMAGE" not in proof["review_reasons"]
    assert "REUSED_IMAGE" in seen_by_staff["review_reasons"]


def test_an_old_photo_is_stale_in_every_time_zone() -> None:
    answer = send(escrow_at("dscn0010.jpg", max_age_minutes=120), "dscn0010.jpg")

    assert (answer.status, answer.code) == (422, "STALE_TIMESTAMP")


@needs_hostile
def test_no_hostile_file_gets_more_than_a_refusal_or_a_persons_look() -> None:
    escrow = escrow_at("dscn0010.jpg")
    provider = Api(make_key(Scope.PROVIDER, escrow.provider)[1])
    answers: dict[str, tuple[int, str]] = {}
    for path in sorted(item for item in HOSTILE.iterdir() if item.suffix != ".json"):
        answer = provider.post(
            "/files/proofs", files={"file": SimpleUploadedFile(path.name, path.read_bytes())}
        )
        code = "" if answer.status == 201 else answer.code
        answers[path.name] = (answer.status, code)

    assert len(answers) == 80
    assert {code for status, code in answers.values() if status != 201} <= {
        "FILE_TYPE_NOT_ALLOWED",
        "FILE_UNREADABLE",
        "IMAGE_TOO_LARGE",
    }
    assert {status for status, _ in answers.values()} <= {201, 415, 422}
