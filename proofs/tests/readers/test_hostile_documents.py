"""Broken and hostile documents: refused, or read as far as they go; no child is lost to them."""

import itertools
import random
import time
from pathlib import Path

import pytest

from conftest import Scaled
from kobatela.embedded.sample_documents import make_pdf
from proofs.readers import document_reading
from proofs.readers.document_reading import count_pages, read_document
from proofs.readers.documents.facts import Reading
from proofs.readers.errors import ReaderRefusal
from proofs.tests.factories import PDF
from proofs.tests.hostile.documents import ACTIVE, wounded_documents
from proofs.tests.readers.shared_data import HOSTILE, needs_hostile

SEED = 20261126
MOST_S = 20.0


def what_comes_of(path: Path) -> ReaderRefusal | Reading:
    """The refusal at the door, else what is read. Anything else is an error of ours."""
    try:
        count_pages(path)
    except ReaderRefusal as refusal:
        return refusal
    return read_document(path, media_type="application/pdf", engine="none", ocr_max_pages=5)


def test_wounded_documents_are_refused_or_read_and_cost_no_child(
    tmp_path: Path, scaled: Scaled
) -> None:
    assert count_pages(_kept(tmp_path, PDF)) == 1
    before = {child.pid for child in document_reading._parsers._started}
    results = []
    wounds = wounded_documents(random.Random(SEED))  # noqa: S311 - the same each time
    for file in itertools.islice(wounds, scaled(ci=20, soak=3000)):
        started = time.monotonic()
        results.append(what_comes_of(_kept(tmp_path, file.content)))
        assert time.monotonic() - started < MOST_S

    refused = [result for result in results if isinstance(result, ReaderRefusal)]
    assert 0 < len(refused) < len(results), "some of both"
    assert {refusal.code for refusal in refused} <= {"FILE_UNREADABLE", "FILE_TOO_LARGE"}
    assert {child.pid for child in document_reading._parsers._started} == before


@pytest.mark.parametrize("name", ACTIVE)
def test_what_would_run_in_a_viewer_is_paper_here(tmp_path: Path, name: str) -> None:
    path = _kept(
        tmp_path, make_pdf([b"BT /F1 12 Tf 60 700 Td (Hello) Tj ET"], catalog=ACTIVE[name])
    )

    reading = what_comes_of(path)

    assert isinstance(reading, Reading)
    assert reading.text == "Hello"


@needs_hostile
def test_hostile_files_of_others_are_no_documents(tmp_path: Path) -> None:
    files = sorted(HOSTILE.iterdir())
    assert files
    for path in files:
        assert isinstance(what_comes_of(path), ReaderRefusal | Reading)


def _kept(folder: Path, content: bytes) -> Path:
    path = folder / "document.pdf"
    path.write_bytes(content)
    return path
