"""The named benchmarks. A new one is a module with `run(options) -> Report` and a line here."""

from collections.abc import Callable, Mapping

from bench import deposit, document, duplicates, exif, extraction, photo, spend
from bench.figures import Options, Report

BENCHES: Mapping[str, Callable[[Options], Report]] = {
    "deposit": deposit.run,
    "photo": photo.run,
    "spend": spend.run,
    "document": document.run,
    "extraction": extraction.run,
    "exif": exif.run,
    "duplicates": duplicates.run,
}
