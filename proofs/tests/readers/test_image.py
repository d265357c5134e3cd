"""Pictures whole, damaged, oversized and rotated; and the copies made of them."""

import io
import struct
import zlib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageDraw

from kobatela.embedded.sample_photos import make_heic, make_photo
from kobatela.embedded.sample_scene import draw_building_site
from proofs.checks.duplicates import NEAR_DUPLICATE_BITS, hamming_distance
from proofs.readers.errors import ReaderRefusal, RefusalCode
from proofs.readers.facts import GpsState
from proofs.readers.image import prepare_decoders, read_image, render_derivative

TAKEN_AT = datetime(2026, 3, 10, 11, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def scene() -> Image.Image:
    return draw_building_site(seed=11, width=800, height=600)


def saved(path: Path, picture: Image.Image, written_as: str, **options: object) -> Path:
    prepare_decoders()
    picture.save(path, written_as, **options)
    return path


def stored(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def refusal_of(path: Path) -> RefusalCode:
    with pytest.raises(ReaderRefusal) as refused:
        read_image(path)
    assert refused.value.hint
    return refused.value.code


def exif_with(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif


@pytest.mark.parametrize(
    ("written_as", "media_type", "options"),
    [
        ("JPEG", "image/jpeg", {"quality": 90}),
        ("JPEG", "image/jpeg", {"quality": 90, "progressive": True}),
        ("PNG", "image/png", {"compress_level": 1}),
        ("WEBP", "image/webp", {"quality": 80, "method": 0}),
        ("HEIF", "image/heic", {"quality": 50}),
    ],
)
def test_every_accepted_format_gives_the_same_facts(
    tmp_path: Path,
    scene: Image.Image,
    written_as: str,
    media_type: str,
    options: dict[str, object],
) -> None:
    reference = read_image(saved(tmp_path / "reference.png", scene, "PNG"))
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Tecno"
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(
        {1: "S", 2: (5.0, 30.0, 0.0), 3: "E", 4: (10.0, 15.0, 0.0)}
    )
    # One encoder of the five takes bytes only.
    facts = read_image(saved(tmp_path / "photo", scene, written_as, exif=exif.tobytes(), **options))
    assert (facts.media_type, facts.width, facts.height) == (media_type, 800, 600)
    assert (facts.make, facts.latitude, facts.longitude) == ("Tecno", -5.5, 10.25)
    assert facts.gps_state is GpsState.VALID
    assert facts.perceptual_hash is not None
    assert reference.perceptual_hash is not None
    assert hamming_distance(facts.perceptual_hash, reference.perceptual_hash) <= 12


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_every_kind_of_png_is_read(tmp_path: Path, scene: Image.Image, mode: str) -> None:
    if mode == "I;16":
        picture = scene.convert("L").convert("I").point(lambda value: value * 257).convert("I;16")
    else:
        picture = scene.convert(mode)
    facts = read_image(saved(tmp_path / "photo", picture, "PNG"))
    plain = read_image(saved(tmp_path / "plain", scene, "PNG"))
    assert facts.perceptual_hash is not None
    assert plain.perceptual_hash is not None
    assert hamming_distance(facts.perceptual_hash, plain.perceptual_hash) <= 16
    render_derivative(tmp_path / "photo", tmp_path / "copy.jpg")


def test_a_cmyk_jpeg_is_read(tmp_path: Path, scene: Image.Image) -> None:
    path = saved(tmp_path / "photo", scene.convert("CMYK"), "JPEG")
    assert read_image(path).width == 800
    render_derivative(path, tmp_path / "copy.jpg")


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 1), (63, 65), (30000, 3)])
def test_a_picture_of_any_shape_is_read(tmp_path: Path, size: tuple[int, int]) -> None:
    path = saved(tmp_path / "photo", Image.new("RGB", size, "teal"), "JPEG")
    facts = read_image(path)
    assert (facts.width, facts.height) == size
    render_derivative(path, tmp_path / "copy.jpg")
    with Image.open(tmp_path / "copy.jpg") as copy:
        assert max(copy.size) <= 1600


def test_a_picture_without_structure_has_no_hash_to_be_mistaken_by(tmp_path: Path) -> None:
    for colour in ("black", "white", "teal"):
        path = saved(tmp_path / "photo", Image.new("RGB", (800, 600), colour), "JPEG")
        assert read_image(path).perceptual_hash is None


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize(
    ("written_as", "options"),
    [
        ("JPEG", {"quality": 90}),
        ("JPEG", {"quality": 90, "progressive": True}),
        ("PNG", {"compress_level": 1}),
        ("WEBP", {"method": 0}),
        ("HEIF", {"quality": 50}),
    ],
)
def test_a_picture_that_is_cut_short_is_refused(
    tmp_path: Path, scene: Image.Image, written_as: str, options: dict[str, object], share: float
) -> None:
    path = saved(tmp_path / "photo", scene, written_as, **options)
    data = path.read_bytes()
    stored(path, data[: int(len(data) * share)])
    assert refusal_of(path) is RefusalCode.FILE_UNREADABLE
    with pytest.raises(ReaderRefusal):
        render_derivative(path, tmp_path / "copy.jpg")
    assert not (tmp_path / "copy.jpg").exists()


def test_a_large_jpeg_that_is_cut_short_is_found_although_it_is_decoded_small(
    tmp_path: Path,
) -> None:
    whole = make_photo(
        latitude=5.3, longitude=-4.0, taken_at=TAKEN_AT, seed=1, width=4000, height=3000
    )
    assert read_image(stored(tmp_path / "photo", whole)).width == 4000
    for missing in (2_000, 100_000, len(whole) // 2):
        cut = stored(tmp_path / "photo", whole[:-missing])
        assert refusal_of(cut) is RefusalCode.FILE_UNREADABLE


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a" + b"\0" * 100,
        b"II*\0" + b"\0" * 100,
        b"<svg xmlns='http://www.w3.org/2000/svg'></svg>",
        b"<html><script>alert(1)</script></html>",
        b"%PDF-1.7\n",
    ],
)
def test_what_is_no_accepted_picture_is_not_opened(tmp_path: Path, data: bytes) -> None:
    assert refusal_of(stored(tmp_path / "photo.jpg", data)) is RefusalCode.FILE_TYPE_NOT_ALLOWED


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8\xff" + b"\0" * 100,
        b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
        b"RIFF\x10\0\0\0WEBPVP8 " + b"\0" * 100,
        b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + b"\0" * 100,
    ],
)
def test_a_signature_alone_is_no_picture(tmp_path: Path, data: bytes) -> None:
    assert refusal_of(stored(tmp_path / "photo", data)) is RefusalCode.FILE_UNREADABLE


def test_a_gif_in_a_pngs_clothes_is_not_opened_as_a_gif(tmp_path: Path) -> None:
    path = saved(tmp_path / "photo", Image.new("P", (20, 20)), "GIF")
    stored(path, b"\xff\xd8\xff" + path.read_bytes())
    assert refusal_of(path) is RefusalCode.FILE_UNREADABLE


def test_a_png_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    path = saved(tmp_path / "photo", Image.new("1", (9000, 9000)), "PNG")
    assert path.stat().st_size < 20_000
    assert refusal_of(path) is RefusalCode.IMAGE_TOO_LARGE
    with pytest.raises(ReaderRefusal) as refused:
        render_derivative(path, tmp_path / "copy.jpg")
    assert refused.value.code is RefusalCode.IMAGE_TOO_LARGE


@pytest.mark.parametrize(
    ("width", "height", "is_refused"),
    [(8000, 6250, False), (8000, 6251, True), (65000, 65000, True)],
)
def test_fifty_megapixels_is_the_most(
    tmp_path: Path, width: int, height: int, *, is_refused: bool
) -> None:
    """The header alone decides, so one without pixels behind it will do."""
    data = struct.pack(">II5B", width, height, 8, 2, 0, 0, 0)
    header = b"IHDR" + data
    png = (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", len(data))
        + header
        + struct.pack(">I", zlib.crc32(header))
        + struct.pack(">I", 0)
        + b"IDAT"
        + struct.pack(">I", zlib.crc32(b"IDAT"))
    )
    expected = RefusalCode.IMAGE_TOO_LARGE if is_refused else RefusalCode.FILE_UNREADABLE
    assert refusal_of(stored(tmp_path / "photo", png)) is expected


def test_a_text_bomb_in_a_png_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "photo", Image.new("RGB", (20, 20)), "PNG")
    text = b"zTXt" + b"Comment\0\0" + zlib.compress(b"\0" * 100_000_000, 9)
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    data = path.read_bytes()
    stored(path, data[:33] + chunk + data[33:])
    assert refusal_of(path) is RefusalCode.FILE_UNREADABLE


UPRIGHT_CORNER = {
    # Where the corner that is stored at the top left is to be seen.
    1: (0, 0),
    2: (1, 0),
    3: (1, 1),
    4: (0, 1),
    5: (0, 0),
    6: (1, 0),
    7: (1, 1),
    8: (0, 1),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("written_as", ["JPEG", "PNG", "WEBP"])
def test_the_copy_stands_upright(tmp_path: Path, orientation: int, written_as: str) -> None:
    picture = Image.new("RGB", (320, 160), "white")
    ImageDraw.Draw(picture).rectangle((0, 0, 60, 60), fill="black")
    path = saved(tmp_path / "photo", picture, written_as, exif=exif_with(orientation))
    facts = read_image(path)
    size = (320, 160) if orientation <= 4 else (160, 320)
    assert (facts.orientation, (facts.width, facts.height)) == (orientation, size)
    render_derivative(path, tmp_path / "copy.jpg")
    with Image.open(tmp_path / "copy.jpg") as copy:
        assert copy.size == size
        grey = np.asarray(copy.convert("L"))
    across, down = UPRIGHT_CORNER[orientation]
    assert grey[10 + down * (size[1] - 20), 10 + across * (size[0] - 20)] < 60
    assert grey[size[1] // 2, size[0] // 2] > 200


def test_a_rotated_copy_of_a_picture_has_its_hash(tmp_path: Path, scene: Image.Image) -> None:
    upright = read_image(saved(tmp_path / "upright", scene, "JPEG"))
    turned = scene.transpose(Image.Transpose.ROTATE_90)
    tagged = read_image(saved(tmp_path / "turned", turned, "JPEG", exif=exif_with(6)))
    assert upright.perceptual_hash is not None
    assert tagged.perceptual_hash is not None
    assert hamming_distance(upright.perceptual_hash, tagged.perceptual_hash) <= 8


def test_a_copy_sent_through_a_chat_is_recognised(tmp_path: Path) -> None:
    original = make_photo(
        latitude=5.3, longitude=-4.0, taken_at=TAKEN_AT, seed=2, width=3200, height=2400
    )
    own_hash = read_image(stored(tmp_path / "photo", original)).perceptual_hash
    assert own_hash is not None
    for width, quality in ((1600, 60), (900, 40), (500, 30)):
        with Image.open(io.BytesIO(original)) as picture:
            small = picture.resize((width, width * 3 // 4))
        copy = read_image(saved(tmp_path / "copy", small, "JPEG", quality=quality))
        assert copy.perceptual_hash is not None
        assert hamming_distance(own_hash, copy.perceptual_hash) <= NEAR_DUPLICATE_BITS // 2


def test_the_copy_carries_nothing_of_the_original_but_its_pixels(
    tmp_path: Path, scene: Image.Image
) -> None:
    path = saved(
        tmp_path / "photo",
        scene,
        "JPEG",
        exif=make_exif_with_a_secret(),
        icc_profile=b"secret profile",
        comment=b"secret comment",
        xmp=b"<x>secret xmp</x>",
    )
    assert path.read_bytes().count(b"secret") == 4
    render_derivative(path, tmp_path / "copy.jpg")
    assert b"secret" not in (tmp_path / "copy.jpg").read_bytes()
    with Image.open(tmp_path / "copy.jpg") as copy:
        assert copy.format == "JPEG"
        assert set(copy.info) == {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def make_exif_with_a_secret() -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "secret artist"
    return exif


def test_the_copy_is_no_larger_than_asked_and_never_enlarged(
    tmp_path: Path, scene: Image.Image
) -> None:
    path = saved(tmp_path / "photo", scene, "PNG")
    render_derivative(path, tmp_path / "copy.jpg", 320)
    with Image.open(tmp_path / "copy.jpg") as copy:
        assert copy.size == (320, 240)
    render_derivative(path, tmp_path / "copy.jpg")
    with Image.open(tmp_path / "copy.jpg") as copy:
        assert copy.size == (800, 600)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["copy.jpg", "photo"]


def test_what_is_transparent_is_white_in_the_copy(tmp_path: Path) -> None:
    path = saved(tmp_path / "photo", Image.new("RGBA", (100, 100), (0, 0, 0, 0)), "PNG")
    render_derivative(path, tmp_path / "copy.jpg")
    with Image.open(tmp_path / "copy.jpg") as copy:
        assert copy.getpixel((50, 50)) == (255, 255, 255)


def test_d01_a_picture_that_claims_a_place_outside_its_tags_has_none(
    tmp_path: Path, scene: Image.Image
) -> None:
    claim = b'{"exif_timestamp": "2026-03-10T11:30:00Z", "gps_lat": 5.345317, "gps_lng": -4.02}'
    path = saved(tmp_path / "5.345317,-4.024429.jpg", scene, "JPEG", comment=claim)
    facts = read_image(path)
    assert facts.gps_state is GpsState.ABSENT
    assert (facts.latitude, facts.taken_at_local, facts.gps_time_utc) == (None, None, None)


def test_a_heic_is_read_and_copied(tmp_path: Path) -> None:
    data = make_heic(
        latitude=-5.345317, longitude=4.024429, taken_at=TAKEN_AT, seed=3, positioning_error_m=12
    )
    path = stored(tmp_path / "photo", data)
    facts = read_image(path)
    assert facts.media_type == "image/heic"
    assert facts.latitude == pytest.approx(-5.345317, abs=1e-9)
    assert facts.longitude == pytest.approx(4.024429, abs=1e-9)
    assert (facts.taken_at_local, facts.utc_offset) == ("2026-03-10T11:30:00", "+00:00")
    assert facts.positioning_error_m == 12.0
    render_derivative(path, tmp_path / "copy.jpg", 400)
    with Image.open(tmp_path / "copy.jpg") as copy:
        assert copy.size == (400, 300)
