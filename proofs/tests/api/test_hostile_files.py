"""Hostile files through the front door: refused whole or kept as evidence, and nobody is harmed.

What is looked at for each file: the answer, what lies on disk, how long it took, and the memory of
the children and of this process, which is web and worker in one here.
"""

import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from conftest import Scaled
from kobatela.accounts.tests.factories import make_key
from kobatela.kernel.caller import Scope
from kobatela.rest.tests.client import Answer, Api
from kobatela.uploads.models import Upload
from proofs.models import Proof
from proofs.readers import document_reading, pool
from proofs.readers.limits import OCR_LIMITS, PARSER_LIMITS, ChildLimits
from proofs.services.derivatives import make_derivative
from proofs.services.reading import read_document
from proofs.states import Derivative, Processing
from proofs.tests.factories import PDF, invoice_escrow, photo, site_escrow
from proofs.tests.hostile import Hostile, hostile_files

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_noon")]

logger = logging.getLogger(__name__)

MOST_S = 20.0
# What this process may grow by, whatever is sent: files go through it piece by piece.
MOST_GROWTH_BYTES = 100_000_000
REFUSALS = {
    "FILE_TYPE_NOT_ALLOWED",
    "FILE_UNREADABLE",
    "FILE_TOO_LARGE",
    "IMAGE_TOO_LARGE",
    "PDF_ENCRYPTED",
    "MISSING_EXIF_TIMESTAMP",
    # A name that is no name, or that breaks the form.
    "VALIDATION_ERROR",
    "BAD_REQUEST",
}


@dataclass
class Site:
    """Where proofs are sent to: an escrow for each kind, a new one after each that is accepted."""

    open: dict[str, tuple[Any, Api]] = field(default_factory=dict)

    def post(self, file: Hostile) -> Answer:
        if file.proof_type not in self.open:
            terms = {"max_age_minutes": None}
            escrow = site_escrow(terms=terms) if file.proof_type == "PHOTO" else invoice_escrow()
            self.open[file.proof_type] = escrow, Api(make_key(Scope.PROVIDER, escrow.provider)[1])
        escrow, api = self.open[file.proof_type]
        answer = api.post("/proofs", **form(file, escrow.pk))
        if answer.status == 201:
            del self.open[file.proof_type]
        return answer


@dataclass
class Seen:
    """What became of all of them."""

    outcomes: Counter[str] = field(default_factory=Counter)
    request_s: float = 0.0
    worker_s: float = 0.0
    image_child_bytes: int = 0
    parser_child_bytes: int = 0
    engine_child_bytes: int = 0

    def look_at_children(self) -> None:
        self.image_child_bytes = max(self.image_child_bytes, *memory_of(pool._default_pool))
        self.parser_child_bytes = max(
            self.parser_child_bytes, *memory_of(document_reading._parsers)
        )
        self.engine_child_bytes = max(
            self.engine_child_bytes, *memory_of(document_reading._engines)
        )


def form(file: Hostile, escrow_id: int) -> dict[str, Any]:
    """The request as a program sends it that cares for no rules: the name as it is."""
    fields = {"escrow_id": escrow_id, "milestone_idx": 1, "type": file.proof_type}
    parts = [
        b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
        % (name.encode(), str(value).encode())
        for name, value in fields.items()
    ]
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n'
    parts += [head % file.name.encode("utf-8", "surrogatepass"), file.content, b"\r\n--x--\r\n"]
    return {"data": b"".join(parts), "content_type": "multipart/form-data; boundary=x"}


def memory_of(readers: pool.ReaderPool) -> list[int]:
    """The most memory that each child of a pool has ever held, in bytes; 0 for a dead one."""
    found = [0]
    for child in set(readers._started):
        try:
            found.append(_status_bytes(f"/proc/{child.pid}/status", "VmHWM"))
        except (FileNotFoundError, ProcessLookupError, StopIteration):
            continue
    return found


def _status_bytes(path: str, name: str) -> int:
    lines = Path(path).read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])


def files_on_disk(folder: Path) -> int:
    return sum(1 for path in folder.rglob("*") if path.is_file())


def work_on(proof_id: int, file: Hostile) -> Derivative:
    """What workers do with an accepted file."""
    if file.proof_type == "INVOICE":
        assert read_document(proof_id=proof_id) == Processing.DONE, file.label
    made = make_derivative(proof_id=proof_id)
    assert made in {Derivative.DONE, Derivative.FAILED}, file.label
    return made


def check(file: Hostile, site: Site, seen: Seen, files_dir: Path) -> None:
    """Send one file, let the workers have it, and look what it did."""
    kept_before = files_on_disk(files_dir / "files")
    started = time.monotonic()
    answer = site.post(file)
    seen.request_s = max(seen.request_s, time.monotonic() - started)
    assert files_on_disk(files_dir / "quarantine") == 0, file.label
    if answer.status != 201:
        assert answer.code in REFUSALS, (file.label, answer.body)
        assert files_on_disk(files_dir / "files") == kept_before, file.label
        seen.outcomes[answer.code] += 1
        return
    proof_id = answer.json["id"]
    started = time.monotonic()
    made = work_on(proof_id, file)
    seen.worker_s = max(seen.worker_s, time.monotonic() - started)
    seen.outcomes[f"kept, picture {made.value}"] += 1
    assert files_on_disk(files_dir / "files") == kept_before + 1, file.label


def test_hostile_files_are_refused_or_kept_and_harm_nobody(
    settings: Settings, files_dir: Path, scaled: Scaled
) -> None:
    count = scaled(ci=40, soak=300)
    settings.INVOICE_OCR_ENABLED = count >= 300
    site, seen = Site(), Seen()
    own_before = _status_bytes("/proc/self/status", "VmRSS")

    for file in hostile_files(count, heavy=count >= 300):
        started = time.monotonic()
        check(file, site, seen, files_dir)
        assert time.monotonic() - started < MOST_S, file.label
        seen.look_at_children()

    logger.info("%d hostile files: %s", count, seen)
    assert sum(seen.outcomes.values()) == count
    kept = sum(number for outcome, number in seen.outcomes.items() if outcome.startswith("kept"))
    assert 0 < kept < count, "some of both"
    assert Upload.objects.count() == Proof.objects.count() == kept
    assert seen.image_child_bytes <= ChildLimits().address_space_bytes
    assert seen.parser_child_bytes <= PARSER_LIMITS.address_space_bytes
    assert seen.engine_child_bytes <= OCR_LIMITS.address_space_bytes
    growth = _status_bytes("/proc/self/status", "VmRSS") - own_before
    assert growth < MOST_GROWTH_BYTES
    # Whoever comes next is served as if nothing had been.
    for content, kind in ((photo(), "PHOTO"), (PDF + b"%% last\n", "INVOICE")):
        last = Site().post(Hostile("harmless", content, proof_type=kind))
        assert last.status == 201
        assert work_on(last.json["id"], Hostile("", b"", proof_type=kind)) == Derivative.DONE
