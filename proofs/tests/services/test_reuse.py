"""A photo that was approved before comes again, changed so that it is not the same file."""

import io
from collections.abc import Callable

import pytest
from PIL import Image

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
    return picture.crop((60, 40, 300, 230))


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        (mirrored, ["REUSED_IMAGE", "REUSED_SHOT"]),
        (on_its_side, ["REUSED_IMAGE", "REUSED_SHOT"]),
        (cut, ["REUSED_SHOT"]),
    ],
)
def test_a_photo_that_is_sent_again_mirrored_turned_or_cut_goes_to_a_person(
    change: Callable[[Image.Image], Image.Image], reasons: list[str]
) -> None:
    content = photo()
    first = site_escrow()
    earlier = submit(first, content)
    assert earlier.status == ProofStatus.APPROVED

    proof = submit(site_escrow(provider=first.provider), relaid(content, change))

    assert (proof.status, proof.review_reasons) == (ProofStatus.PENDING, reasons)
    for finding in proof.findings:
        (match,) = finding["data"]["matches"]
        assert match["reference"] == earlier.pk
