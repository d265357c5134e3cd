"""Doorbells: tell a worker that a row wants work. The sweeper finds the row without them too."""

from functools import partial

from celery import current_app
from django.db import transaction


def ring_for_derivative(proof_id: int) -> None:
    """After the commit, tell a worker that a proof's picture wants to be rendered."""
    task = current_app.signature("proofs.tasks.make_derivative", args=[str(proof_id)])
    # Robust: a broker that is down must not turn a stored proof into an error.
    transaction.on_commit(partial(task.apply_async), robust=True)


def ring_for_advice(proof_id: int) -> None:
    """After the commit, tell a worker that a proof wants the advisor's word."""
    task = current_app.signature("proofs.tasks.advise", args=[str(proof_id)])
    transaction.on_commit(partial(task.apply_async), robust=True)
