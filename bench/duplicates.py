"""How often a picture that was sent before is known again, and how often another is taken for it.

Pictures are drawn (`sample_scene`), so that what is true of each pair is known. A copy is cut,
mirrored or turned, saved anew, made smaller, brighter or darker; another picture shows another
site, or the same one from nearly the same place, as honest photos of a wall that grows do. Hashes
come from the children that read uploads, and are compared as proofs are.
"""

import io
import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance

from bench.figures import Bound, Figure, Options, Report
from kobatela.embedded.sample_scene import draw_building_site
from proofs.checks.duplicates import (
    NEAR_DUPLICATE_BITS,
    TURNED_DUPLICATE_BITS,
    KnownImage,
    check_reuse,
)
from proofs.readers import pool

_WIDTH, _HEIGHT = 1200, 900
_SITES, _QUICK_SITES = 40, 8
_SEED = 20_261_126
_WAYS = {
    "mirrored": Image.Transpose.FLIP_LEFT_RIGHT,
    "upside down": Image.Transpose.FLIP_TOP_BOTTOM,
    "turned by 90": Image.Transpose.ROTATE_90,
    "turned by 180": Image.Transpose.ROTATE_180,
    "turned by 270": Image.Transpose.ROTATE_270,
}
_CROPS_PERCENT = (2, 5, 10, 20, 30, 40)
# How far a second photo is from the first: shift in parts of the width, degrees, slant likewise.
_STANDS = {
    "a few steps aside": (0.08, 3.0, 0.03),
    "another day, the same spot": (0.03, 1.0, 0.01),
    "the same spot, held as before": (0.01, 0.3, 0.004),
}

Hash = str | None


def run(options: Options) -> Report:
    """Hash every picture with its copies and its likes, and compare."""
    sites = _QUICK_SITES if options.quick else _SITES
    random = np.random.default_rng(_SEED)
    with tempfile.TemporaryDirectory() as folder:
        hash_of = _hasher(Path(folder))
        pictures = [
            draw_building_site(seed=_SEED + number, width=_WIDTH, height=_HEIGHT)
            for number in range(sites)
        ]
        originals = [hash_of(picture, 88) for picture in pictures]

        def found(change: Callable[[Image.Image], Image.Image]) -> float:
            """The share of pictures that are known again after a change, in percent."""
            copies = [hash_of(change(picture), _quality(random)) for picture in pictures]
            return _share(zip(originals, copies, strict=True))

        resent = found(partial(_resent, random))
        figures = [Figure("copies saved anew, resized, brighter", resent, "%", required=99)]
        for percent in _CROPS_PERCENT:
            rate = found(partial(_cut, random, percent / 100))
            figures.append(Figure(f"copies cut by {percent} %", rate, "%"))
        others = _share(combinations(originals, 2))
        figures.append(Figure("false: other sites", others, "%", Bound.AT_MOST, 0))
        for stand, how in _STANDS.items():
            figures.append(
                Figure(f"false: {stand}", found(partial(_taken_again, random, how)), "%")
            )
        # Last, so that the others are drawn as they were before there were these.
        for name, way in _WAYS.items():
            rate = found(partial(_laid, random, way))
            figures.append(Figure(f"copies {name}", rate, "%", required=99))
    pairs = sites * (sites - 1) // 2
    return Report(
        "duplicates",
        figures,
        notes=[
            f"{sites} drawn sites, {pairs} pairs of different ones, seed {_SEED}",
            f"near: at most {NEAR_DUPLICATE_BITS} of 256 bits; a cut takes its share of both sides",
            f"mirrored or turned: at most {TURNED_DUPLICATE_BITS} bits from what follows by sign",
        ],
    )


def _hasher(folder: Path) -> Callable[[Image.Image, int], Hash]:
    path = folder / "photo.jpg"

    def hash_of(picture: Image.Image, quality: int) -> Hash:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        path.write_bytes(buffer.getvalue())
        return pool.read_image(path).perceptual_hash

    return hash_of


def _share(pairs: Iterable[tuple[Hash, Hash]]) -> float:
    near = [
        one is not None
        and check_reuse(
            perceptual_hash=other,
            known_images=[KnownImage(reference=1, perceptual_hash=one)],
        )
        != []
        for one, other in pairs
    ]
    return 100 * sum(near) / max(1, len(near))


def _quality(random: np.random.Generator) -> int:
    return int(random.integers(30, 85))


def _resent(random: np.random.Generator, picture: Image.Image) -> Image.Image:
    """Give the picture as messengers and editors pass it on."""
    lit = ImageEnhance.Brightness(picture).enhance(float(random.uniform(0.8, 1.2)))
    width = int(random.uniform(0.4, 1.2) * picture.width)
    return lit.resize((width, round(width * picture.height / picture.width)))


def _laid(random: np.random.Generator, way: Image.Transpose, picture: Image.Image) -> Image.Image:
    return _resent(random, picture.transpose(way))


def _cut(random: np.random.Generator, share: float, picture: Image.Image) -> Image.Image:
    """Take `share` of the width and of the height away, from whichever sides, and send it on."""
    width, height = (round(side * (1 - share)) for side in picture.size)
    left = int(random.integers(0, picture.width - width + 1))
    top = int(random.integers(0, picture.height - height + 1))
    return _resent(random, picture.crop((left, top, left + width, top + height)))


def _taken_again(
    random: np.random.Generator, how: tuple[float, float, float], picture: Image.Image
) -> Image.Image:
    """Give another photo of the site: from nearly there, in other light, with something new on it.

    The site is flat here. A real one has depth, which makes two photos of it differ more.
    """
    shift, degrees, slant = how
    width, height = picture.size
    turn = np.radians(random.uniform(-degrees, degrees))
    near = random.uniform(0.87, 0.97)
    turned = near * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=float)
    middle = np.array([width / 2, height / 2])
    seen = (corners - middle) @ turned.T + middle
    seen += random.uniform(-shift, shift, 2) * np.array([width, height])
    seen += random.uniform(-slant, slant, (4, 2)) * width
    view = picture.transform(
        picture.size,
        Image.Transform.PERSPECTIVE,
        _perspective(corners, seen),
        Image.Resampling.BICUBIC,
    )
    pixels = np.asarray(view).astype(np.float32) * random.uniform(0.8, 1.2)
    pixels += np.linspace(-15, 15, width, dtype=np.float32)[None, :, None]
    again = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(again)
    for _ in range(3):
        x, y = random.uniform(0, width), random.uniform(height / 2, height)
        reach = random.uniform(0.03, 0.1) * width
        colour = tuple(int(value) for value in random.integers(60, 200, 3))
        draw.polygon([(x, y), (x + reach, y - 0.7 * reach), (x + 2 * reach, y)], fill=colour)
    return again


def _perspective(corners: NDArray[np.float64], seen: NDArray[np.float64]) -> Sequence[float]:
    """Give the eight numbers by which Pillow finds each new corner in the old picture."""
    rows, values = [], []
    for (x, y), (u, v) in zip(corners, seen, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    solved: list[float] = np.linalg.solve(np.array(rows), np.array(values)).tolist()
    return solved
