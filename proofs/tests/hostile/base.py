"""What a hostile file is, and the harmless ones that most are made of."""

import io
from dataclasses import dataclass
from functools import cache

from PIL import Image

from kobatela.embedded.sample_documents import make_invoice_pdf
from kobatela.embedded.sample_photos import make_heic, make_photo
from kobatela.embedded.sample_scene import draw_building_site
from proofs.tests.factories import INVOICE_TEXT, NOW, SITE

PHOTO, INVOICE = "PHOTO", "INVOICE"


@dataclass(frozen=True, slots=True)
class Hostile:
    """A file as somebody sends it. `label` says what is wrong with it."""

    label: str
    content: bytes
    name: str = "photo.jpg"
    proof_type: str = PHOTO


def document(label: str, content: bytes, name: str = "invoice.pdf") -> Hostile:
    """A file that is sent as an invoice."""
    return Hostile(label, content, name, INVOICE)


@cache
def pictures() -> dict[str, bytes]:
    """A harmless picture of each format."""
    place = {
        "latitude": SITE[0],
        "longitude": SITE[1],
        "taken_at": NOW,
        "width": 240,
        "height": 160,
    }
    made = {"jpg": make_photo(**place, seed=7), "heic": make_heic(**place, seed=7)}  # type: ignore[arg-type]  # mixed
    scene = draw_building_site(seed=7, width=160, height=120)
    for ending, written_as in (("png", "PNG"), ("webp", "WEBP")):
        made[ending] = saved(scene, written_as)
    made["progressive.jpg"] = saved(scene, "JPEG", progressive=True)
    return made


@cache
def invoices() -> tuple[bytes, ...]:
    """Harmless invoices, of one page and of three."""
    return make_invoice_pdf(INVOICE_TEXT), make_invoice_pdf(INVOICE_TEXT, pages=3)


def saved(picture: Image.Image, written_as: str, **options: object) -> bytes:
    """A picture as bytes."""
    out = io.BytesIO()
    picture.save(out, written_as, **options)
    return out.getvalue()
