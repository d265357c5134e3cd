"""The pictures made for showing: small, upright, without metadata."""

import logging
import tempfile
from datetime import timedelta
from pathlib import Path

from django.db import transaction

from kobatela.kernel import clock
from kobatela.uploads import storage
from proofs.models import Proof
from proofs.readers import pool
from proofs.readers.errors import ReaderRefusal, ReaderUnavailable
from proofs.selectors import derivatives_wanted, lock_proof
from proofs.states import Derivative

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
# A worker that heard the bell is done by then.
LOST_AFTER = timedelta(minutes=1)
SWEPT_AT_ONCE = 100


def make_derivative(*, proof_id: int) -> Derivative:
    """Render the picture for showing of one proof, outside any transaction; safe to repeat.

    A picture that cannot be rendered is given up; where rendering does not work at all it is tried
    again, five times in all.
    """
    proof = Proof.objects.select_related("upload").get(pk=proof_id)
    if proof.derivative != Derivative.WANTED:
        return Derivative(proof.derivative)
    assert proof.upload is not None, "only files have pictures"
    result = _render(proof.upload.storage_name)
    return _record(proof_id, result)


def sweep_derivatives() -> dict[str, int]:
    """Render what no worker was told of, or what it left undone."""
    waiting = derivatives_wanted(older_than=clock.now() - LOST_AFTER, limit=SWEPT_AT_ONCE)
    results = [make_derivative(proof_id=proof_id) for proof_id in waiting]
    return {
        "found": len(results),
        "made": results.count(Derivative.DONE),
        "failed": results.count(Derivative.FAILED),
    }


def _render(storage_name: str) -> Derivative:
    with tempfile.TemporaryDirectory(dir=storage.quarantine_dir()) as folder:
        made = Path(folder) / "derivative.jpg"
        try:
            pool.render_derivative(storage.local_path(storage_name), made)
        except (ReaderUnavailable, FileNotFoundError):
            logger.exception("The derivative of a file could not be rendered")
            return Derivative.WANTED
        except ReaderRefusal:
            return Derivative.FAILED
        storage.keep_derivative(made, storage_name)
    return Derivative.DONE


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
