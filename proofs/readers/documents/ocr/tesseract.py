"""Tesseract by its library or its program, on pages that `prepare` has made even and straight."""

import csv
import functools
import io
import math
import re
import shutil
import subprocess
from collections.abc import Iterator

from PIL import Image

from proofs.readers.documents.facts import MAX_WORD_CHARS, Page, Word
from proofs.readers.documents.ocr.base import EngineName, OcrError, WholePages, page_of
from proofs.readers.documents.ocr.tesseract_library import LibraryFailed, library

PROGRAM = "tesseract"
# One column of text of different sizes: reads receipts and tables better than the default.
PAGE_SEGMENTATION = "4"
WANTED_LANGUAGES = ("fra", "eng")
TIMEOUT_S = 60.0
_MISSING_HINT = "Install tesseract-ocr with its languages fra and eng, or choose another engine."
_GAVE_UP_HINT = "Look at the page yourself; a sharper scan may help."
_FIELD_LIMIT = 1_000_000
DPI = 200


class TesseractEngine(WholePages):
    """The second engine: faster and smaller, weaker on receipts."""

    name = EngineName.TESSERACT

    @property
    def version(self) -> str:
        """The version of the program, empty where it is not installed."""
        return _version()

    def read(self, picture: Image.Image, *, number: int) -> Page:
        """Read the words of a page. Raises OcrError."""
        if not _version():
            raise OcrError(
                "Tesseract is not installed here.",
                hint=_MISSING_HINT,
                retry=True,
                is_available=False,
            )
        # OpenCV takes a second to load, and is loaded only where there is something to prepare.
        from proofs.readers.documents.ocr.prepare import prepare  # noqa: PLC0415 -- see above

        prepared, degrees = prepare(picture)
        table = _table(prepared, number)
        words = _words(table, prepared.size, degrees)
        tilt = math.tan(math.radians(degrees)) * picture.width / picture.height
        return page_of(picture, words, number=number, tilt=tilt)


@functools.cache
def _version() -> str:
    program = shutil.which(PROGRAM)
    if program is None:
        return ""
    try:
        said = subprocess.run(  # noqa: S603 -- a program of the machine, without a shell
            [program, "--version"], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    match = re.search(r"tesseract\s+v?(\S+)", said.stdout + said.stderr)
    return match[1] if match else ""


@functools.cache
def _languages() -> str:
    """Give the wanted languages that are installed, joined as the program takes them."""
    said = subprocess.run(  # noqa: S603 -- see above
        [shutil.which(PROGRAM) or PROGRAM, "--list-langs"],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    installed = set(said.stdout.split())
    return "+".join(language for language in WANTED_LANGUAGES if language in installed) or "eng"


def _table(picture: Image.Image, number: int) -> str:
    """Give the words of a page as a table: by the library if it is there, else by the program."""
    loaded = library(_languages(), int(PAGE_SEGMENTATION))
    if loaded is None:
        return _run(picture, number)
    try:
        return loaded.read(picture, dpi=DPI)
    except LibraryFailed as error:
        raise OcrError(
            f"Tesseract gave up on page {number}.", hint=_GAVE_UP_HINT, retry=False
        ) from error


def _run(picture: Image.Image, number: int) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    command = [
        shutil.which(PROGRAM) or PROGRAM, "stdin", "stdout", "-l", _languages(),
        "--psm", PAGE_SEGMENTATION, "--dpi", str(DPI), "tsv",
    ]  # fmt: skip
    try:
        done = subprocess.run(  # noqa: S603 -- see above
            command,
            input=buffer.getvalue(),
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
            env={"OMP_THREAD_LIMIT": "1", "LANG": "C.UTF-8"},
        )
    except subprocess.TimeoutExpired as error:
        raise OcrError(
            f"Tesseract took more than {TIMEOUT_S:.0f} seconds for page {number}.",
            hint="Look at the page yourself, or have it read again when less is going on.",
            retry=True,
        ) from error
    except OSError as error:
        raise OcrError(
            "Tesseract does not start.", hint=_MISSING_HINT, retry=True, is_available=False
        ) from error
    if done.returncode != 0:
        raise OcrError(
            f"Tesseract gave up on page {number} (status {done.returncode}).",
            hint=_GAVE_UP_HINT,
            retry=False,
        )
    return done.stdout.decode("utf-8", "replace")


def _words(table: str, size: tuple[int, int], degrees: float) -> Iterator[Word]:
    """Give the words of the program's table, at their places before the page was turned."""
    csv.field_size_limit(_FIELD_LIMIT)
    rows = csv.DictReader(io.StringIO(table), delimiter="\t", quoting=csv.QUOTE_NONE)
    words = (row for row in rows if row["level"] == "5" and (row["text"] or "").strip())
    for row in words:
        left, top = float(row["left"]), float(row["top"])
        right, bottom = left + float(row["width"]), top + float(row["height"])
        shift = _shift((left + right) / 2 - size[0] / 2, degrees)
        yield Word(
            text=row["text"].strip()[:MAX_WORD_CHARS],
            x0=_fraction(left, size[0]),
            y0=_fraction(top + shift, size[1]),
            x1=_fraction(right, size[0]),
            y1=_fraction(bottom + shift, size[1]),
            confidence=min(1.0, max(0.0, float(row["conf"]) / 100)),
        )


def _shift(from_middle: float, degrees: float) -> float:
    """Give how much lower a place lies on the page as it was; small angles move hardly sideways."""
    return from_middle * math.tan(math.radians(degrees))


def _fraction(value: float, side: int) -> float:
    return min(1.0, max(0.0, value / side))
