"""A worker of its own process for tests: takes proofs from its input, and says how each went.

    python -m proofs.tests.advice_worker FILES_DIR

Every line is the number of a proof; the answer is its run's status and reason on one line.
"""

import sys
from pathlib import Path
from typing import Any

import django
from celery.app.task import Task
from django.conf import settings

import kobatela.celery  # noqa: F401 - the tasks belong to our application, as in a worker


def main() -> None:
    """Advise until the input ends."""
    django.setup()
    from proofs.advisor import client
    from proofs.selectors import latest_advice
    from proofs.tasks import advise

    settings.KOBATELA_FILES_DIR = Path(sys.argv[1])
    client.RETRY_AFTER_S = (0.0, 0.0)  # type: ignore[attr-defined]  # imported there by name
    # Payouts that it announces are nobody's business here.
    task_class: Any = Task
    task_class.apply_async = lambda *_args, **_options: None
    print("ready", flush=True)  # noqa: T201 - the answer
    for line in sys.stdin:
        advise(line.strip())
        run = latest_advice(int(line))
        assert run is not None, "the proof was to be advised on"
        print(run.status, run.reason or run.risk_level, flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
