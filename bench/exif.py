"""Whether photos' positions are read right, and whether malformed files cost a reader anything.

Files go the way of uploads: through the child processes that parse what strangers send.
"""

import json
import logging
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.data import data_folder, missing
from bench.figures import Bound, Figure, Options, Report
from proofs.readers import pool
from proofs.readers.errors import ReaderRefusal
from proofs.readers.facts import ImageFacts

# Coordinates are told to a ten-thousandth of a second of arc at best.
_SAME_DEGREES = 1e-6
_READERS_LOG = "proofs.readers.pool"


def run(options: Options) -> Report:
    """Read every photo and every hostile file of the folder."""
    folder = data_folder(options)
    photos, hostile = folder / "photos", folder / "hostile"
    truth = _truth(photos / "photos.json")
    if not truth and not hostile.is_dir():
        return missing("exif", folder, "photos")
    figures: list[Figure] = []
    notes: list[str] = []
    if truth:
        figures += _positions(photos, truth, notes)
    else:
        notes.append("positions not measured: no photo is named in photos/photos.json")
    if hostile.is_dir():
        figures += _hostile(hostile, notes)
    return Report("exif", figures, notes)


def _truth(path: Path) -> dict[str, dict[str, Any]]:
    """What is known of each photo, by its name; nothing where nobody wrote it down."""
    if not path.is_file():
        return {}
    found: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8"))
    return found


def _positions(
    folder: Path, truth: Mapping[str, Mapping[str, Any]], notes: list[str]
) -> list[Figure]:
    facts: dict[str, ImageFacts] = {}
    refused: list[str] = []
    for name in truth:
        try:
            facts[name] = pool.read_image(folder / name)
        except (ReaderRefusal, FileNotFoundError) as error:
            refused.append(f"{name} ({error})")
    wrong = sorted(name for name in facts if not _position_agrees(facts[name], truth[name]))
    right = len(facts) - len(wrong)
    if wrong or refused:
        notes.append(f"position wrong: {wrong}; not read: {refused}")
    states = Counter(said["gps_state"] for said in truth.values())
    notes.append(f"{len(truth)} photos: " + ", ".join(f"{n} {s}" for s, n in states.most_common()))
    times = [name for name in facts if _time_of(truth[name]) is not None]
    same_time = sum(facts[name].taken_at_local == _time_of(truth[name]) for name in times)
    return [
        Figure("photos: position and its state", 100 * right / len(truth), "%", required=100),
        Figure("photos: time taken", 100 * same_time / max(1, len(times)), "%"),
    ]


def _position_agrees(facts: ImageFacts, truth: Mapping[str, Any]) -> bool:
    """Whether state, coordinates and error are those of the truth; 0, 0 is no position."""
    if facts.gps_state.value != truth["gps_state"]:
        return False
    is_valid = truth["gps_state"] == "valid"
    pairs = (
        (facts.latitude, truth["GPSLatitude"] if is_valid else None),
        (facts.longitude, truth["GPSLongitude"] if is_valid else None),
        (facts.positioning_error_m, truth["GPSHPositioningError"] if is_valid else None),
    )
    return all(_same(value, true) for value, true in pairs)


def _same(value: float | None, true: float | None) -> bool:
    if value is None or true is None:
        return value is None and true is None
    return math.isclose(value, true, rel_tol=1e-6, abs_tol=_SAME_DEGREES)


def _time_of(truth: Mapping[str, Any]) -> str | None:
    written = truth["DateTimeOriginal"]
    if written in {None, "0000:00:00 00:00:00"}:
        return None
    date, time = written.split(" ")
    return f"{date.replace(':', '-')}T{time}"


def _hostile(folder: Path, notes: list[str]) -> list[Figure]:
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix != ".json")
    answers: Counter[str] = Counter()
    with _children_lost() as lost:
        for path in files:
            try:
                pool.read_image(path)
                answers["read"] += 1
            except ReaderRefusal as refused:
                answers[refused.code.value] += 1
    told = ", ".join(f"{count} {answer}" for answer, count in answers.most_common())
    notes.append(f"{len(files)} hostile files: {told}")
    answered = 100 * sum(answers.values()) / max(1, len(files))
    return [
        Figure("hostile files: answered", answered, "%", required=100),
        Figure("hostile files: children lost", len(lost), "", Bound.AT_MOST, 0),
    ]


@contextmanager
def _children_lost() -> Iterator[list[str]]:
    """Collect what the pool says of children that a file killed."""
    lost: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lost.append(record.getMessage())

    listener = Listener(level=logging.WARNING)
    log = logging.getLogger(_READERS_LOG)
    log.addHandler(listener)
    try:
        yield lost
    finally:
        log.removeHandler(listener)
