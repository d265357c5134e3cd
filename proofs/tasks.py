"""Doors for the worker."""

from celery import shared_task


@shared_task(ignore_result=True)
def make_derivative(proof_id: str) -> None:
    """Render the picture for showing of one proof."""
    from proofs.services import derivatives

    derivatives.make_derivative(proof_id=int(proof_id))


@shared_task(ignore_result=True)
def sweep_derivatives() -> None:
    """Render what no worker was told of."""
    from audit.services.jobs import run_exclusively
    from proofs.services import derivatives

    run_exclusively("sweep_derivatives", lambda _heartbeat: dict(derivatives.sweep_derivatives()))
