"""Doorbells: after the commit, tell a worker that a row wants work. The sweeper needs none."""

from celery import current_app
from django.db import transaction


def ring_for_payment(payment_id: int) -> None:
    """A payment wants to be sent, or its outcome to be looked up."""
    _ring("payments.tasks.send_payment", payment_id)


def ring_for_event(event_id: int) -> None:
    """A stored PSP event wants to be processed."""
    _ring("payments.tasks.process_psp_event", event_id)


def ring_for_cover(_move_id: int) -> None:
    """Money came to a PSP: what waited for it may go on, which the sweeper sorts."""
    _ring("payments.tasks.sweep_payments")


def _ring(task_name: str, *row_ids: int) -> None:
    task = current_app.signature(task_name, args=[str(row_id) for row_id in row_ids])
    # Robust: a broker that is down must not turn what is committed into an error. Not in a partial:
    # Django names what failed, and a partial has no name.
    transaction.on_commit(task.apply_async, robust=True)
