"""Doors for the worker."""

from celery import shared_task

# Between the end of the lease (services.reading) and what the children may take at most.
READ_TIME_LIMIT_S = 400
RENDER_TIME_LIMIT_S = 300


@shared_task(ignore_result=True)
def make_derivative(proof_id: str) -> None:
    """Render the picture for showing of one proof."""
    from proofs.services import derivatives

    derivatives.make_derivative(proof_id=int(proof_id))


@shared_task(ignore_result=True, time_limit=RENDER_TIME_LIMIT_S)
def render_pages(proof_id: str) -> None:
    """Render the pages for showing of one proof's document."""
    from proofs.services import derivatives

    derivatives.make_derivative(proof_id=int(proof_id))


@shared_task(ignore_result=True, time_limit=READ_TIME_LIMIT_S)
def read_document(proof_id: str) -> None:
    """Read and check one proof's document."""
    from proofs.services import reading

    reading.read_document(proof_id=int(proof_id))


@shared_task(ignore_result=True, time_limit=READ_TIME_LIMIT_S)
def reread_document(proof_id: str) -> None:
    """Read one proof's document once more, if somebody still waits for that."""
    from proofs.services import rereading

    rereading.reread_as_asked(proof_id=int(proof_id))


@shared_task(ignore_result=True)
def sweep_derivatives() -> None:
    """Render what no worker was told of."""
    from audit.services.jobs import run_exclusively
    from proofs.services import derivatives

    run_exclusively(
        "sweep_derivatives",
        lambda heartbeat: dict(derivatives.sweep_derivatives(beat=heartbeat.beat)),
    )


# Three tries of a minute, and the pauses; less than the sweeper waits for whoever asks.
@shared_task(ignore_result=True, time_limit=240)
def advise(proof_id: str) -> None:
    """Ask the advisor about one proof."""
    from proofs.services import advising

    advising.advise(proof_id=int(proof_id))


@shared_task(ignore_result=True)
def sweep_advice() -> None:
    """Ask again where no worker did, and give up what waits too long."""
    from audit.services.jobs import run_exclusively
    from proofs.services import advising

    run_exclusively("sweep_advice", lambda _heartbeat: dict(advising.sweep_advice()))


@shared_task(ignore_result=True)
def sweep_documents() -> None:
    """Ring for documents that no worker was told of, or whose worker died."""
    from audit.services.jobs import run_exclusively
    from proofs.services import reading

    run_exclusively("sweep_documents", lambda _heartbeat: dict(reading.sweep_documents()))
