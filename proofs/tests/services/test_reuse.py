"""A photo that was approved before comes again, changed so that it is not the same file."""

import io
from collections.abc import Callable
from datetime import timedelta

import pytest
from PIL import Image

from kobatela.accounts.tests.factories import make_caller, make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from payments.models import Payment
from proofs.services.decisions import decide_proof
from proofs.states import ProofStatus
from proofs.tests.factories import photo, site_escrow, submit

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_noon")]


def relaid(content: bytes, change: Callable[[Image.Image], Image.Image]) -> bytes:
    """The picture changed, with the tags that it had."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(content)) as picture:
        change(picture).save(buffer, "JPEG", quality=80, exif=picture.info["exif"])
    return buffer.getvalue()


def mirrored(picture: Image.Image) -> Image.Image:
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def on_its_side(picture: Image.Image) -> Image.Image:
    return picture.transpose(Image.Transpose.ROTATE_90)


def cut(picture: Image.Image) -> Image.Image:
    return picture.crop((60, 40, 580, 440))


def cut_and_made_as_large_again(picture: Image.Image) -> Image.Image:
    return cut(picture).resize(picture.size)


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        (mirrored, ["REUSED_IMAGE", "REUSED_SHOT"]),
        (on_its_side, ["REUSED_IMAGE", "REUSED_SHOT"]),
        (cut, ["REUSED_SHOT"]),
        (cut_and_made_as_large_again, ["REUSED_SHOT"]),
    ],
)
def test_a_photo_that_is_sent_again_mirrored_turned_or_cut_goes_to_a_person(
    change: Callable[[Image.Image], Image.Image], reasons: list[str]
) -> None:
    content = photo(width=640, height=480)
    first = site_escrow()
    earlier = submit(first, content)
    assert earlier.status == ProofStatus.APPROVED

    proof = submit(site_escrow(provider=first.provider), relaid(content, change))

    assert (proof.status, proof.review_reasons) == (ProofStatus.PENDING, reasons)
    for finding in proof.findings:
        (match,) = finding["data"]["matches"]
        assert match["reference"] == earlier.pk


def test_a_cut_copy_of_a_photo_that_a_person_rejected_goes_to_a_person() -> None:
    content = photo(width=640, height=480)
    # Too much for the machine, so a person looks.
    first = site_escrow(200_001)
    earlier = submit(first, content)
    decide_proof(
        caller=make_caller(Scope.SUPPORT, make_user()),
        proof_id=earlier.pk,
        decision=ProofStatus.REJECTED,
        note="This is another site.",
    )

    proof = submit(site_escrow(provider=first.provider), relaid(content, cut))

    assert (proof.status, proof.review_reasons) == (ProofStatus.PENDING, ["REUSED_SHOT"])
    (match,) = proof.findings[0]["data"]["matches"]
    assert match["reference"] == earlier.pk


def test_a_cut_copy_of_another_providers_photo_goes_to_a_person() -> None:
    content = photo(width=640, height=480)
    earlier = submit(site_escrow(), content)

    proof = submit(site_escrow(), relaid(content, cut))

    assert (proof.status, proof.review_reasons) == (ProofStatus.PENDING, ["REUSED_SHOT"])
    (match,) = proof.findings[0]["data"]["matches"]
    assert match["reference"] == earlier.pk


@pytest.mark.parametrize("change", [mirrored, on_its_side])
def test_another_providers_photo_mirrored_or_turned_goes_to_a_person_whatever_its_tags_say(
    change: Callable[[Image.Image], Image.Image],
) -> None:
    earlier = submit(site_escrow(), photo(seed=4711))

    later = photo(seed=4711, taken_at=clock.now() - timedelta(minutes=5))
    proof = submit(site_escrow(), relaid(later, change))

    assert (proof.status, proof.review_reasons) == (ProofStatus.PENDING, ["REUSED_IMAGE"])
    (match,) = proof.findings[0]["data"]["matches"]
    assert (match["reference"], match["turned"]) == (earlier.pk, True)


def plain(colour: str, size: tuple[int, int] = (640, 480)) -> Callable[[Image.Image], Image.Image]:
    return lambda _picture: Image.new("RGB", size, colour)


def noise(_picture: Image.Image) -> Image.Image:
    return Image.effect_noise((8, 8), 90).convert("RGB")


@pytest.mark.parametrize(
    "change",
    [plain("black"), plain("white"), plain("red", (1, 1)), noise],
    ids=["black", "white", "1x1", "8x8"],
)
def test_a_picture_that_shows_nothing_waits_for_a_person_whatever_its_tags_say(
    change: Callable[[Image.Image], Image.Image],
) -> None:
    provider = make_user()

    for minutes in (5, 6):
        content = photo(taken_at=clock.now() - timedelta(minutes=minutes))
        proof = submit(site_escrow(provider=provider), relaid(content, change))

        assert (proof.status, proof.review_reasons) == (ProofStatus.PENDING, ["NOTHING_TO_SEE"])
    assert Payment.objects.count() == 0
