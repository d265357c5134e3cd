"""Pictures: what they say about themselves, and the copy that is shown in their place.

This module decodes hostile bytes. It is made to run in a child process with limits (`child`);
callers use `pool`.
"""

import functools
import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pdqhash
import pillow_heif
from PIL import Image

from proofs.readers.errors import image_too_large, type_not_allowed, unreadable
from proofs.readers.exif import read_tags
from proofs.readers.facts import ImageFacts
from proofs.readers.limits import DERIVATIVE_SIDE_PX, part_path
from proofs.readers.sniff import SNIFF_BYTES, sniff

MAX_PIXELS = 50_000_000
# The shorter side of a picture when its perceptual hash is taken. A JPEG is decoded at the smallest
# of its four scales that has it, which saves a third of the time and most of the memory.
HASH_SIDE_PX = 512
# A strip of any length is squeezed to what one picture may cost.
MAX_HASH_SIDE_PX = 4096
# PDQ rates a picture's structure from 0 to 100 and calls hashes of less than half unreliable. Plain
# colours and dark frames have the same hash whatever they show.
MIN_HASH_QUALITY = 50
DERIVATIVE_QUALITY = 85
# Half the time of Lanczos, so a quarter less for drawing; 38 dB and more from it on real photos.
DERIVATIVE_FILTER = Image.Resampling.HAMMING

_FORMAT_BY_MEDIA_TYPE = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/webp": "WEBP",
    "image/heic": "HEIF",
}
# How to turn a picture upright, by the Exif orientation with which it is stored.
_UPRIGHT_BY_ORIENTATION = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS_ORIENTATIONS = frozenset({5, 6, 7, 8})
# What Pillow and its decoders raise on hostile files. Lack of memory is not among them: the child
# that met it cannot be trusted with the next file and says so itself.
_DECODER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    struct.error,
    SyntaxError,
    TypeError,
    ValueError,
    zlib.error,
)


@functools.cache
def prepare_decoders() -> None:
    """Set Pillow up for hostile files. Done before the first file is opened."""
    # An embedded thumbnail may show something else than the picture, so it never stands in for it.
    # Threads would each reserve address space, which is limited.
    pillow_heif.register_heif_opener(
        thumbnails=False, depth_images=False, aux_images=False, decode_threads=1
    )
    Image.preinit()
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS


def read_image(path: Path) -> ImageFacts:
    """Read what a picture says about itself, decoding all of it.

    Raises ReaderRefusal for what is no JPEG, PNG, WebP or HEIC, has more than 50 megapixels, or is
    damaged or cut short.
    """
    with _opened(path) as (image, media_type):
        width, height = image.size
        small = _decoded(image, at_least=(HASH_SIDE_PX, HASH_SIDE_PX), mode="L")
        # Read last: a PNG may have its tags behind its pixels.
        tags = read_tags(image.info.get("exif"))
        turned_by, turn_by = _orientations(image, tags.orientation)
        if turn_by in _SIDEWAYS_ORIENTATIONS:
            width, height = height, width
        return ImageFacts(
            media_type=media_type,
            width=width,
            height=height,
            orientation=turned_by or turn_by,
            make=tags.make,
            model=tags.model,
            software=tags.software,
            taken_at_local=tags.taken_at_local,
            utc_offset=tags.utc_offset,
            gps_time_utc=tags.gps_time_utc,
            latitude=tags.latitude,
            longitude=tags.longitude,
            gps_state=tags.gps_state,
            positioning_error_m=tags.positioning_error_m,
            perceptual_hash=_perceptual_hash(_upright(small, turn_by)),
        )


def render_derivative(
    path: Path, out_path: Path, max_side_px: int = DERIVATIVE_SIDE_PX
) -> tuple[int, int]:
    """Write an upright JPEG without any metadata, no side longer than `max_side_px`.

    Gives its width and height. The file appears whole or not at all. Raises ReaderRefusal as
    `read_image` does, and OSError where `out_path` cannot be written.
    """
    upright = _load_upright(path, max_side_px)
    buffer = io.BytesIO()
    upright.save(buffer, "JPEG", quality=DERIVATIVE_QUALITY, optimize=True)
    part = part_path(out_path)
    part.write_bytes(buffer.getbuffer())
    part.replace(out_path)
    return upright.size


def _load_upright(path: Path, max_side_px: int) -> Image.Image:
    """Give a picture in colours, upright, on white and without metadata."""
    with _opened(path) as (image, _):
        shrink_by = max(1.0, max(image.size) / max_side_px)
        fitted = (max(1, round(image.width / shrink_by)), max(1, round(image.height / shrink_by)))
        small = _decoded(image, at_least=fitted, mode="RGB")
        small = _on_white(small).resize(fitted, DERIVATIVE_FILTER)
        _, turn_by = _orientations(image, read_tags(image.info.get("exif")).orientation)
        upright = _upright(small, turn_by)
        # Saving looks into `info` for a profile, a comment and tags; the original's stay behind.
        upright.info.clear()
    return upright


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Image.Image, str]]:
    """Open a picture of an accepted type and size, not yet decoded; refuse whatever goes wrong."""
    prepare_decoders()
    media_type = _sniffed(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=(_FORMAT_BY_MEDIA_TYPE[media_type],)) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise image_too_large()
                yield image, media_type
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise image_too_large() from None
    except _DECODER_ERRORS as error:
        raise unreadable() from error


def _sniffed(path: Path) -> str:
    with path.open("rb") as file:
        media_type = sniff(file.read(SNIFF_BYTES))
    if media_type not in _FORMAT_BY_MEDIA_TYPE:
        raise type_not_allowed()
    return media_type


def _decoded(image: Image.Image, *, at_least: tuple[int, int], mode: str) -> Image.Image:
    """Decode the whole picture, and give it as small as it can cheaply be made above `at_least`.

    A JPEG at a reduced scale still has every byte of it decoded, so that a truncated one is found.
    """
    image.draft(mode, at_least)
    image.load()
    if image.width * image.height > MAX_PIXELS:
        # A HEIC can turn out larger than its header said.
        raise image_too_large()
    small: Image.Image = image
    if small.mode.startswith("I"):
        # Sixteen bits of grey; Pillow's own conversion would cut off and not scale.
        small = small.convert("I").point(lambda value: value / 256).convert("L")
    if small.mode in {"1", "P", "PA"}:
        small = small.convert("RGBA")
    factor = min(small.width // at_least[0], small.height // at_least[1])
    return small.reduce(factor) if factor > 1 else small


def _orientations(image: Image.Image, tag: int | None) -> tuple[int | None, int | None]:
    """Give the orientation by which the picture was turned already, and is yet to be turned."""
    if image.format != "HEIF":
        return None, tag
    # The decoder of HEIC turns the picture itself and rewrites the tag.
    return image.info.get("original_orientation") or tag, None


def _upright(image: Image.Image, orientation: int | None) -> Image.Image:
    if orientation not in _UPRIGHT_BY_ORIENTATION:
        return image
    return image.transpose(_UPRIGHT_BY_ORIENTATION[orientation])


def _on_white(image: Image.Image) -> Image.Image:
    """Give the picture without transparency, the way a page would show it."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    with_alpha = image.convert("RGBA")
    background = Image.new("RGB", image.size, "white")
    background.paste(with_alpha, mask=with_alpha.getchannel("A"))
    return background


def _perceptual_hash(image: Image.Image) -> str | None:
    """Give the PDQ hash of an upright picture in hexadecimal, None where it would mean nothing."""
    grey = image.convert("L")
    # Copies in different sizes come much nearer to each other when all are brought to one size.
    scale = HASH_SIDE_PX / min(grey.size)
    width, height = (min(round(side * scale), MAX_HASH_SIDE_PX) for side in grey.size)
    grey = grey.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(grey.convert("RGB"))
    bits, quality = pdqhash.compute(pixels)
    if quality < MIN_HASH_QUALITY:
        return None
    return np.packbits(bits).tobytes().hex()
