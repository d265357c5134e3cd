"""Doorbells: tell a worker that a row wants work. The sweeper finds the row without them too."""

from celery import current_app
from django.db import transaction


def ring_for_derivative(proof_id: int) -> None:
    """After the commit, tell a worker that a proof's picture wants to be rendered."""
    _ring("proofs.tasks.make_derivative", proof_id)


def ring_for_pages(proof_id: int) -> None:
    """The pages of a proof's document want to be rendered."""
    _ring("proofs.tasks.render_pages", proof_id)


def ring_for_document(proof_id: int) -> None:
    """A proof's document wants to be read."""
    _ring("proofs.tasks.read_document", proof_id)


def ring_for_reread(proof_id: int) -> None:
    """A proof's document wants to be read once more."""
    _ring("proofs.tasks.reread_document", proof_id)


def _ring(task_name: str, proof_id: int) -> None:
    task = current_app.signature(task_name, args=[str(proof_id)])
    # Robust: a broker that is down must not turn a stored proof into an error.
    transaction.on_commit(task.apply_async, robust=True)


def ring_for_advice(proof_id: int) -> None:
    """After the commit, tell a worker that a proof wants the advisor's word."""
    task = current_app.signature("proofs.tasks.advise", args=[str(proof_id)])
    transaction.on_commit(task.apply_async, robust=True)
