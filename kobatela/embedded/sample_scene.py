"""Draws a building site from a seed: another seed, another site, seen from another place.

Nothing here is a photograph of anything. The scene is made to look plausible at a glance, and to
differ from seed to seed in its large shapes, which is what perceptual hashes compare.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, int, int]
Point = tuple[float, float]
Choice = TypeVar("Choice")

# Larger pictures are drawn at this size and enlarged; their grain is made for each pixel.
MAX_DRAWN_PX = 1600
GRAIN = 7

_SKIES: Sequence[tuple[Colour, Colour]] = (
    ((74, 126, 190), (188, 210, 228)),
    ((120, 142, 165), (205, 208, 208)),
    ((92, 138, 186), (232, 208, 176)),
    ((150, 158, 164), (222, 222, 218)),
)
_GROUNDS: Sequence[Colour] = ((158, 112, 78), (176, 150, 112), (134, 120, 104), (150, 96, 66))
_BRICKS: Sequence[Colour] = ((164, 88, 62), (150, 100, 78), (178, 110, 76))
_CONCRETE: Colour = (158, 155, 148)
_BLOCKS: Colour = (172, 170, 164)
_PLASTER: Sequence[Colour] = ((214, 204, 182), (206, 206, 200), (220, 188, 150))
_SHADE: Colour = (48, 46, 46)
_STEEL: Colour = (120, 92, 74)
_PLANK: Colour = (196, 160, 104)
_LEAVES: Colour = (70, 92, 52)


@dataclass(frozen=True, slots=True)
class _Face:
    """One wall of the building on the picture: its corners from bottom left, clockwise."""

    bottom_left: Point
    top_left: Point
    top_right: Point
    bottom_right: Point

    def at(self, across: float, up: float) -> Point:
        """Give the point at fractions of the wall's width and height."""
        low = _between(self.bottom_left, self.bottom_right, across)
        high = _between(self.top_left, self.top_right, across)
        return _between(low, high, up)

    def patch(self, left: float, low: float, right: float, high: float) -> list[Point]:
        """Give the corners of a part of the wall, in fractions of its width and height."""
        return [self.at(left, low), self.at(left, high), self.at(right, high), self.at(right, low)]


def draw_building_site(*, seed: int, width: int, height: int) -> Image.Image:
    """Give a picture of a building site in RGB. The same arguments give the same picture."""
    random = np.random.default_rng(seed)
    scale = min(1.0, MAX_DRAWN_PX / max(width, height))
    drawn = _draw_scene(random, max(1, round(width * scale)), max(1, round(height * scale)))
    return _with_grain(_photographed(drawn, random).resize((width, height)), random)


def _draw_scene(random: np.random.Generator, width: int, height: int) -> Image.Image:
    horizon = float(random.uniform(0.48, 0.72)) * height
    picture = _draw_sky(random, width, height)
    draw = ImageDraw.Draw(picture)
    _draw_skyline(draw, random, width, height, horizon)
    picture.paste(_draw_ground(random, width, height - int(horizon)), (0, int(horizon)))
    _draw_building(draw, random, width, height, horizon)
    _draw_heaps(draw, random, width, height, horizon)
    if random.random() < 0.5:
        _draw_crane(draw, random, width, height, horizon)
    if random.random() < 0.6:
        _draw_tree(draw, random, width, height, horizon)
    if random.random() < 0.5:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return picture


def _draw_sky(random: np.random.Generator, width: int, height: int) -> Image.Image:
    top, bottom = (np.array(colour, dtype=np.float32) for colour in _pick(random, _SKIES))
    fade = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    sky = np.broadcast_to(top + (bottom - top) * fade, (height, width, 3))
    clouds = _noise(random, width, height, cells=(3, 6, 12, 24))
    cover = float(random.uniform(0.35, 0.65))
    veil = np.clip((clouds - cover) * 4, 0, 0.85)[:, :, None]
    return _as_image(sky * (1 - veil) + np.float32(238) * veil)


def _draw_ground(random: np.random.Generator, width: int, height: int) -> Image.Image:
    colour = np.array(_pick(random, _GROUNDS), dtype=np.float32)
    patches = _noise(random, width, height, cells=(2, 5, 9, 40, 90))[:, :, None]
    return _as_image(colour * (0.62 + 0.7 * patches))


def _draw_skyline(
    draw: ImageDraw.ImageDraw, random: np.random.Generator, width: int, height: int, horizon: float
) -> None:
    points: list[Point] = [(0, horizon + 2)]
    steps = 60
    rise = random.uniform(0.02, 0.14)
    level = random.uniform(0.2, 1.0)
    for step in range(steps + 1):
        level = float(np.clip(level + random.normal(0, 0.22), 0.1, 1.0))
        points.append((step * width / steps, horizon - level * rise * height))
    points.append((width, horizon + 2))
    draw.polygon(points, fill=_shaded((104, 118, 112), random.uniform(0.8, 1.3)))


def _draw_building(
    draw: ImageDraw.ImageDraw, random: np.random.Generator, width: int, height: int, horizon: float
) -> None:
    """Draw two walls that meet at a corner, and a scaffold along a part of the longer one."""
    corner_x = random.uniform(0.1, 0.45) * width
    right_x = corner_x + random.uniform(0.35, 0.6) * width
    left_x = corner_x - random.uniform(0.08, 0.3) * width
    floors = int(random.integers(1, 5))
    foot = horizon + random.uniform(0.06, 0.2) * height
    top = foot - (0.16 * floors + random.uniform(0.02, 0.12)) * height
    shrink = random.uniform(0.55, 0.9)
    eye = horizon

    def toward_eye(level: float) -> float:
        return float(eye + (level - eye) * shrink)

    front = _Face(
        (corner_x, foot), (corner_x, top), (right_x, toward_eye(top)), (right_x, toward_eye(foot))
    )
    side = _Face(
        (left_x, toward_eye(foot)), (left_x, toward_eye(top)), (corner_x, top), (corner_x, foot)
    )
    shadow = [
        front.at(0, 0),
        front.at(1, 0),
        (right_x + 0.08 * width, foot),
        (corner_x, foot * 1.05),
    ]
    draw.polygon(shadow, fill=_shaded(_SHADE, 1.6))
    brick = _pick(random, _BRICKS)
    plaster = _pick(random, _PLASTER)
    unit = max(1.0, width / 800)
    _draw_wall(
        draw, random, side, (floors, int(random.integers(1, 3))), (brick, plaster), unit, 0.62
    )
    bays = int(random.integers(2, 7))
    _draw_wall(draw, random, front, (floors, bays), (brick, plaster), unit, 1.0)
    _draw_rebar(draw, random, front, bays, unit)
    if random.random() < 0.8:
        _draw_scaffold(draw, random, front, floors, unit)


def _draw_wall(
    draw: ImageDraw.ImageDraw,
    random: np.random.Generator,
    face: _Face,
    grid: tuple[int, int],
    colours: tuple[Colour, Colour],
    unit: float,
    light: float,
) -> None:
    """Draw a concrete frame whose fields are open, bricked up or plastered, some with windows."""
    floors, bays = grid
    draw.polygon(face.patch(0, 0, 1, 1), fill=_shaded(_CONCRETE, light))
    progress = random.uniform(0.25, 1.0)
    for floor in range(floors):
        for bay in range(bays):
            left, right = (bay + 0.07) / bays, (bay + 0.93) / bays
            low, high = (floor + 0.03) / floors, (floor + 0.86) / floors
            is_filled = random.random() < progress * (1 - 0.25 * floor / floors)
            if not is_filled:
                draw.polygon(face.patch(left, low, right, high), fill=_shaded(_SHADE, light))
                glow = face.patch(left + 0.2 / bays, low, right, low + 0.3 / floors)
                draw.polygon(glow, fill=_shaded((92, 86, 80), light))
                continue
            if random.random() < 0.6:
                _draw_bricks(draw, random, face, (left, low, right, high), colours[0], light)
            else:
                fill = _shaded(colours[1] if random.random() < 0.6 else _BLOCKS, light)
                draw.polygon(face.patch(left, low, right, high), fill=fill)
            if random.random() < 0.7:
                window = face.patch(
                    left + 0.24 / bays,
                    low + 0.3 / floors,
                    right - 0.24 / bays,
                    high - 0.14 / floors,
                )
                draw.polygon(window, fill=_shaded(_SHADE, light))
                draw.line([window[0], window[3]], fill=_shaded(_CONCRETE, 1.2), width=int(3 * unit))


def _draw_bricks(
    draw: ImageDraw.ImageDraw,
    random: np.random.Generator,
    face: _Face,
    field: tuple[float, float, float, float],
    colour: Colour,
    light: float,
) -> None:
    left, low, right, high = field
    draw.polygon(face.patch(left, low, right, high), fill=_shaded((150, 140, 128), light))
    courses, bricks = 16, 9
    for course in range(courses):
        shift = 0.5 * (course % 2)
        for brick in range(-1, bricks):
            start = max(0.0, (brick + shift + 0.06) / bricks)
            end = min(1.0, (brick + shift + 0.94) / bricks)
            if end <= start:
                continue
            patch = face.patch(
                left + start * (right - left),
                low + (course + 0.1) / courses * (high - low),
                left + end * (right - left),
                low + (course + 0.88) / courses * (high - low),
            )
            draw.polygon(patch, fill=_shaded(colour, light * float(random.uniform(0.82, 1.16))))


def _draw_rebar(
    draw: ImageDraw.ImageDraw, random: np.random.Generator, face: _Face, bays: int, unit: float
) -> None:
    for bay in range(bays + 1):
        for offset in (-0.02, 0.0, 0.02):
            foot = face.at(min(1.0, max(0.0, bay / bays + offset)), 0.99)
            tip = (foot[0] + random.normal(0, 3) * unit, foot[1] - random.uniform(22, 46) * unit)
            draw.line([foot, tip], fill=_STEEL, width=max(1, int(1.6 * unit)))


def _draw_scaffold(
    draw: ImageDraw.ImageDraw, random: np.random.Generator, face: _Face, floors: int, unit: float
) -> None:
    start = random.uniform(0, 0.5)
    end = start + random.uniform(0.3, 0.5)
    lifts, poles = floors * 2, int(random.integers(4, 8))
    pole_width = max(1, int(3.2 * unit))
    tint = _shaded(
        _pick(random, ((150, 152, 156), (186, 148, 92))), float(random.uniform(0.8, 1.1))
    )
    columns = [start + (end - start) * index / (poles - 1) for index in range(poles)]
    for column in columns:
        draw.line([face.at(column, -0.04), face.at(column, 1.08)], fill=tint, width=pole_width)
    for lift in range(1, lifts + 1):
        up = lift / lifts
        draw.line([face.at(start, up), face.at(end, up)], fill=tint, width=pole_width)
        if random.random() < 0.7:
            plank = face.patch(start - 0.02, up - 0.16 / lifts, end + 0.02, up - 0.05 / lifts)
            draw.polygon(plank, fill=_shaded(_PLANK, float(random.uniform(0.8, 1.1))))
    for index, column in enumerate(columns[:-1]):
        rising = (face.at(column, (index % lifts) / lifts), face.at(columns[index + 1], 1.0))
        draw.line(rising, fill=_shaded(tint, 0.85), width=max(1, pole_width - 1))


def _draw_heaps(
    draw: ImageDraw.ImageDraw, random: np.random.Generator, width: int, height: int, horizon: float
) -> None:
    """Draw heaps of sand and stacks of blocks in front of the building."""
    for _ in range(int(random.integers(2, 6))):
        middle = random.uniform(0.05, 0.95) * width
        foot = random.uniform(horizon + 0.16 * height, 0.98 * height)
        reach = random.uniform(0.06, 0.2) * width
        if random.random() < 0.55:
            ridge: list[Point] = [(middle - reach, foot)]
            ridge += [
                (
                    middle + reach * along,
                    foot
                    - reach * 0.55 * float(np.cos(along * 1.5)) * float(random.uniform(0.9, 1)),
                )
                for along in np.linspace(-0.9, 0.9, 24).tolist()
            ]
            ridge.append((middle + reach, foot))
            draw.polygon(ridge, fill=_shaded((206, 178, 132), float(random.uniform(0.75, 1.1))))
            continue
        _draw_stack(draw, random, (middle, foot), reach)


def _draw_stack(
    draw: ImageDraw.ImageDraw, random: np.random.Generator, place: Point, reach: float
) -> None:
    colour = _pick(random, (*_BRICKS, _BLOCKS))
    rows, columns = int(random.integers(3, 7)), int(random.integers(3, 7))
    brick_width, brick_height = reach * 0.28, reach * 0.13
    for row in range(rows):
        for column in range(columns):
            x, y = place[0] + column * brick_width, place[1] - (row + 1) * brick_height
            draw.rectangle(
                (x, y, x + brick_width * 0.95, y + brick_height * 0.9),
                fill=_shaded(colour, float(random.uniform(0.75, 1.1))),
            )


def _draw_crane(
    draw: ImageDraw.ImageDraw, random: np.random.Generator, width: int, height: int, horizon: float
) -> None:
    x, top = random.uniform(0.55, 0.95) * width, random.uniform(0.04, 0.25) * height
    mast = 0.012 * width
    colour = _pick(random, ((206, 160, 52), (190, 82, 58), (212, 212, 206)))
    line_width = max(1, int(width / 500))
    step = mast * 1.6
    draw.line([(x, horizon), (x, top)], fill=colour, width=line_width)
    draw.line([(x + mast, horizon), (x + mast, top)], fill=colour, width=line_width)
    for level in np.arange(top, horizon, step).tolist():
        draw.line([(x, level), (x + mast, level + step)], fill=colour, width=line_width)
        draw.line([(x + mast, level), (x, level + step)], fill=colour, width=line_width)
    reach = random.uniform(0.3, 0.6) * width
    arm = [(x + 0.1 * width, top + mast), (x - reach, top + mast), (x, top - 2 * mast)]
    draw.line([*arm, arm[0]], fill=colour, width=line_width * 2)
    hook = x - reach * random.uniform(0.3, 0.9)
    drop = top + random.uniform(0.1, 0.4) * height
    draw.line([(hook, top + mast), (hook, drop)], fill=_SHADE, width=line_width)


def _draw_tree(
    draw: ImageDraw.ImageDraw, random: np.random.Generator, width: int, height: int, horizon: float
) -> None:
    x, foot = random.uniform(0.72, 0.98) * width, horizon + random.uniform(0.02, 0.25) * height
    crown = foot - random.uniform(0.25, 0.5) * height
    radius = random.uniform(0.07, 0.15) * width
    draw.line(
        [(x, foot), (x - 0.1 * radius, crown)], fill=(84, 66, 50), width=int(radius * 0.14) + 1
    )
    for _ in range(500):
        angle, away = random.uniform(0, 2 * np.pi), float(np.sqrt(random.random())) * radius
        leaf_x, leaf_y = x + away * float(np.cos(angle)), crown + 0.7 * away * float(np.sin(angle))
        size = radius * float(random.uniform(0.04, 0.12))
        light = float(random.uniform(0.6, 1.3)) * (1.2 if leaf_y < crown else 0.8)
        draw.ellipse(
            (leaf_x - size, leaf_y - size, leaf_x + size, leaf_y + size),
            fill=_shaded(_LEAVES, light),
        )


def _photographed(picture: Image.Image, random: np.random.Generator) -> Image.Image:
    """Give the drawing the tilt, the light and the softness of a phone's photo."""
    width, height = picture.size
    tilted = picture.rotate(float(random.uniform(-3, 3)), Image.Resampling.BILINEAR)
    # What is left after the corners that the tilt has emptied.
    margin_x, margin_y = int(width * 0.05), int(height * 0.06)
    box = (margin_x, margin_y, width - margin_x, height - margin_y)
    framed = tilted.resize(picture.size, Image.Resampling.BILINEAR, box=box)
    soft = framed.filter(ImageFilter.GaussianBlur(max(0.5, width / 2500)))
    pixels = np.asarray(soft).astype(np.float32)
    pixels *= (0.94 + 0.18 * _noise(random, width, height, cells=(7, 60, 160)))[:, :, None]
    across = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    pixels *= (1.04 - 0.16 * (across**2 + down**2))[:, :, None]
    pixels *= np.array(random.uniform(0.93, 1.07, 3), dtype=np.float32)
    return _as_image(pixels)


def _with_grain(picture: Image.Image, random: np.random.Generator) -> Image.Image:
    """Give the picture a sensor's noise, which makes most of the bytes of a real photo."""
    width, height = picture.size
    grain = random.integers(-GRAIN, GRAIN + 1, (height, width, 1), dtype=np.int16)
    pixels = np.asarray(picture).astype(np.int16) + grain
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _noise(
    random: np.random.Generator, width: int, height: int, *, cells: Sequence[int]
) -> NDArray[np.float32]:
    """Give smooth noise from 0 to 1, made of grids of `cells` across, the first the strongest."""
    total = np.zeros((height, width), dtype=np.float32)
    weights = 0.0
    for order, count in enumerate(cells):
        rows = max(2, count * height // max(1, width))
        grid = random.random((rows, max(2, count)), dtype=np.float32)
        layer = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
        weight = 0.62**order
        total += weight * np.asarray(layer)
        weights += weight
    noise: NDArray[np.float32] = np.clip(total / weights, 0, 1)
    return noise


def _as_image(pixels: NDArray[np.float32]) -> Image.Image:
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _pick(random: np.random.Generator, choices: Sequence[Choice]) -> Choice:
    return choices[int(random.integers(len(choices)))]


def _between(start: Point, end: Point, fraction: float) -> Point:
    return (start[0] + (end[0] - start[0]) * fraction, start[1] + (end[1] - start[1]) * fraction)


def _shaded(colour: Colour, light: float) -> Colour:
    red, green, blue = (min(255, max(0, round(part * light))) for part in colour)
    return red, green, blue
