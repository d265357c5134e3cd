"""Reading documents: what a PDF with text costs, how long OCR takes, and what memory both take."""

import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import pypdfium2
from PIL import Image

from bench.figures import Bound, Figure, Options, Report
from bench.processes import READERS, PeakOf, cpu_with_children_s, watch_peaks
from kobatela.embedded.sample_documents import InvoiceText, make_invoice_pdf, make_pdf
from proofs.readers import document_reading
from proofs.readers.documents.facts import Reading

_PDF = "application/pdf"
_PARSER, _ENGINE = "proofs.readers.parser_child", "proofs.readers.ocr_child"
_CPU_MAX_MS = 50
_ENGINES = {"tesseract": 1.0, "rapidocr": 8.0}
_PARSER_MAX_MB, _ENGINE_MAX_MB = 700, 1200
_MEGABYTE = 1_000_000
_MOST_FILES = 150


@dataclass
class Measured:
    """What came of one part; times in seconds."""

    walls_s: list[float] = field(default_factory=list)
    cpus_s: list[float] = field(default_factory=list)
    totals_found: int = 0

    def add(self, wall_s: float, cpu_s: float, reading: Reading) -> None:
        """Take one reading in."""
        self.walls_s.append(wall_s)
        self.cpus_s.append(cpu_s)
        self.totals_found += any(name == "total" for name in reading.fields)


def run(options: Options) -> Report:
    """Text first, then each engine that is installed, then what only costs memory."""
    rounds, pages = (10, 1) if options.quick else (60, 4)
    with tempfile.TemporaryDirectory() as name, watch_peaks([_PARSER, _ENGINE]) as peaks:
        folder = Path(name)
        texts = _documents(folder, options)
        text = _text(texts, rounds)
        engines = {
            engine: _ocr(engine, _pictures(folder, pages))
            for engine in _ENGINES
            if engine != "tesseract" or shutil.which("tesseract")
        }
        _hardest(folder)
    return _report(text, engines, peaks, files=len(texts))


def _documents(folder: Path, options: Options) -> list[Path]:
    """PDFs with text: those of the folder that was named, or one of our own."""
    if options.data is not None:
        found = sorted(options.data.glob("invoices/**/*.pdf"))[:_MOST_FILES]
        if found:
            return found
    path = folder / "invoice.pdf"
    path.write_bytes(make_invoice_pdf(_invoice(1)))
    return [path]


def _invoice(number: int) -> InvoiceText:
    """A page as full as most invoices are."""
    lines = [(f"Ciment CPJ 45, sac de 50 kg, lot {lot}", f"{100 + lot},00 €") for lot in range(18)]
    return InvoiceText(
        number=f"F-2026-{number:04d}",
        issued_on="2026-11-20",
        supplier="Quincaillerie du Plateau",
        customer="Chantier de deux pièces",
        lines=lines,
        total="1 953,00 €",
        iban="FR76 3000 6000 0112 3456 7890 189",
    )


def _text(paths: Sequence[Path], rounds: int) -> Measured:
    measured = Measured()
    _read(paths[0], "none")  # starts the child
    for path in paths if len(paths) > 1 else [paths[0]] * rounds:
        _measure(measured, path, "none")
    return measured


def _pictures(folder: Path, count: int) -> list[Path]:
    """Photos of pages: at 200 dpi, in JPEG, a little turned and uneven, as scanners make them."""
    paths = []
    for number in range(1, count + 1):
        pdf = pypdfium2.PdfDocument(make_invoice_pdf(_invoice(number)))
        page = pdf[0].render(scale=200 / 72, grayscale=True).to_pil()
        turned = page.rotate(0.4 * number, fillcolor=255, resample=Image.Resampling.BICUBIC)
        path = folder / f"page-{number}.jpg"
        turned.point(lambda value: 20 + value * 0.8).save(path, quality=70)
        paths.append(path)
    return paths


def _ocr(engine: str, paths: Sequence[Path]) -> Measured:
    measured = Measured()
    _read(paths[0], engine)  # starts the child, which loads its models
    for path in paths:
        _measure(measured, path, engine)
    return measured


def _hardest(folder: Path) -> None:
    """What takes most memory of what is accepted, and some of what is not."""
    huge = folder / "huge.pdf"
    content = make_pdf([b"0 0 14400 14400 re f"])
    huge.write_bytes(content.replace(b"/MediaBox [0 0 595 842]", b"/MediaBox [0 0 14400 14400]"))
    document_reading.render_page(huge, 1, folder / "huge.png", None)
    many = folder / "many.pdf"
    many.write_bytes(make_invoice_pdf(_invoice(0), pages=30))
    _read(many, "none")


def _measure(measured: Measured, path: Path, engine: str) -> None:
    before_s, started = cpu_with_children_s(READERS), time.perf_counter()
    reading = _read(path, engine)
    measured.add(time.perf_counter() - started, cpu_with_children_s(READERS) - before_s, reading)


def _read(path: Path, engine: str) -> Reading:
    media_type = _PDF if path.suffix == ".pdf" else "image/jpeg"
    return document_reading.read_document(
        path, media_type=media_type, engine=engine, ocr_max_pages=5
    )


def _report(
    text: Measured, engines: dict[str, Measured], peaks: dict[str, PeakOf], *, files: int
) -> Report:
    # The kernel counts CPU time in hundredths of a second, so one reading alone tells little.
    cpu_ms = 1000 * sum(text.cpus_s) / len(text.cpus_s)
    figures = [
        Figure("PDF with text, CPU, mean", cpu_ms, "ms", Bound.AT_MOST, _CPU_MAX_MS),
        Figure("the same, wall, p50", 1000 * median(text.walls_s), "ms"),
    ]
    for engine, measured in engines.items():
        figures += [
            Figure(
                f"page by {engine}, wall, p50",
                median(measured.walls_s),
                "s",
                Bound.AT_MOST,
                _ENGINES[engine],
            ),
            Figure("the same, CPU, mean", sum(measured.cpus_s) / len(measured.cpus_s), "s"),
        ]
    for module, name, limit_mb in (
        (_PARSER, "parser", _PARSER_MAX_MB),
        (_ENGINE, "OCR", _ENGINE_MAX_MB),
    ):
        peak_mb = peaks[module].rss_bytes / _MEGABYTE
        figures.append(Figure(f"RSS of the {name} child", peak_mb, "MB", Bound.AT_MOST, limit_mb))
    notes = [
        f"{len(text.walls_s)} readings of {files} PDFs, total found in {text.totals_found}",
        *(
            f"{engine}: {len(measured.walls_s)} pages, total found on {measured.totals_found}"
            for engine, measured in engines.items()
        ),
        f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; wall times grow with it",
    ]
    notes += [f"{engine} is not installed: SKIPPED" for engine in _ENGINES if engine not in engines]
    return Report("document", figures, notes=notes)
