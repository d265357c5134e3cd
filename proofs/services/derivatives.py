"""The pictures made for showing: small, upright, without metadata; of a PDF one for each page."""

import logging
import tempfile
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

from django.db import transaction

from kobatela.kernel import clock
from kobatela.kernel.crashpoints import crashpoint
from kobatela.uploads import storage
from kobatela.uploads.errors import FileStorageUnavailable
from proofs import bells
from proofs.models import Proof
from proofs.readers import document_reading, pool
from proofs.readers.errors import ReaderRefusal, ReaderUnavailable
from proofs.selectors import derivatives_wanted, lock_proof
from proofs.states import Derivative

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
# A worker that heard the bell is done by then.
LOST_AFTER = timedelta(minutes=1)
SWEPT_AT_ONCE = 100
# Each may have taken all the time that a child has.
MAX_PAGES_REFUSED = 3


def make_derivative(*, proof_id: int) -> Derivative:
    """Render the picture for showing of one proof, outside any transaction; safe to repeat.

    A picture that cannot be rendered is given up; where rendering does not work at all it is tried
    again, five times in all. Raises FileStorageUnavailable, which counts as no try.
    """
    proof = Proof.objects.select_related("upload").get(pk=proof_id)
    if proof.derivative != Derivative.WANTED:
        return Derivative(proof.derivative)
    assert proof.upload is not None, "only files have pictures"
    name = proof.upload.storage_name
    render = partial(_render_picture, name)
    if proof.page_count is not None:
        render = partial(_render_pages, name, proof.page_count)
    result = _try(render)
    crashpoint("derivative.rendered")
    return _record(proof_id, result)


def sweep_derivatives(*, beat: Callable[[], None]) -> dict[str, int]:
    """Render what no worker was told of, or what it left undone; pages by those who have time.

    `beat` is called before each picture; what it raises ends the sweep.
    """
    waiting = derivatives_wanted(older_than=clock.now() - LOST_AFTER, limit=SWEPT_AT_ONCE)
    results = _make_all([proof_id for proof_id, is_pdf in waiting if not is_pdf], beat)
    documents = [proof_id for proof_id, is_pdf in waiting if is_pdf]
    for proof_id in documents:
        bells.ring_for_pages(proof_id)
    return {
        "found": len(waiting),
        "made": results.count(Derivative.DONE),
        "failed": results.count(Derivative.FAILED),
        "rung": len(documents),
    }


def _make_all(proof_ids: list[int], beat: Callable[[], None]) -> list[Derivative]:
    results: list[Derivative] = []
    for proof_id in proof_ids:
        beat()
        try:
            results.append(make_derivative(proof_id=proof_id))
        except FileStorageUnavailable:
            # The others would meet the same; the next run finds them all again.
            logger.warning("No pictures are made while the storage of files does not work")
            break
    return results


def _try(render: Callable[[Path], None]) -> Derivative:
    with tempfile.TemporaryDirectory(dir=storage.quarantine_dir()) as folder:
        try:
            render(Path(folder))
        except (ReaderUnavailable, FileNotFoundError):
            logger.exception("The derivative of a file could not be rendered")
            return Derivative.WANTED
        except ReaderRefusal:
            return Derivative.FAILED
    return Derivative.DONE


def _render_picture(storage_name: str, folder: Path) -> None:
    made = folder / "derivative.jpg"
    with storage.at_hand(storage_name) as path:
        pool.render_derivative(path, made)
    storage.keep_derivative(made, storage_name)


def _render_pages(storage_name: str, page_count: int, folder: Path) -> None:
    """Every page that can be drawn; a page that cannot does not hide the others."""
    refusals: list[ReaderRefusal] = []
    with storage.at_hand(storage_name) as path:
        for number in range(1, page_count + 1):
            picture = folder / f"{number}.jpg"
            try:
                document_reading.render_page(path, number, picture)
            except ReaderRefusal as refusal:
                refusals.append(refusal)
                if len(refusals) == MAX_PAGES_REFUSED:
                    break
                continue
            storage.keep_page(picture, storage_name, number)
    if len(refusals) in {page_count, MAX_PAGES_REFUSED}:
        raise refusals[0]


@transaction.atomic
def _record(proof_id: int, result: Derivative) -> Derivative:
    proof = lock_proof(proof_id)
    if proof.derivative != Derivative.WANTED:
        return Derivative(proof.derivative)
    proof.derivative_attempts += 1
    if result is Derivative.WANTED and proof.derivative_attempts >= MAX_ATTEMPTS:
        result = Derivative.FAILED
    if result is not Derivative.WANTED:
        proof.derivative_to(result)
    proof.save(update_fields=["derivative", "derivative_attempts"])
    return result
