"""An app of the tests' own: waits of minutes take seconds, and a build may be broken on purpose.

What waits, and for what, stays the product's; only how long is changed, so that what was left
behind is due within a minute. KOBATELA_CHAOS_BUILD names a break (`tests.chaos.broken_builds`).
"""

import os
from dataclasses import replace
from datetime import timedelta
from importlib import import_module

from django.apps import AppConfig

SHORT = timedelta(seconds=1)
LONG = timedelta(seconds=4)
# A reader needs seconds where everything around it is killed and started again.
READ_WITHIN = timedelta(seconds=15)
# How often the jobs run that work may wait for, or that look over everything, in seconds.
EVERY_S = {
    "payment_sweep": 3,
    "escrow_deadlines": 5,
    "sweep_documents": 3,
    "ledger_check": 20,
    "reconciliation": 20,
}


class HurryConfig(AppConfig):
    """Shortens the waits of every process that uses these settings."""

    name = "tests.chaos.hurry"
    label = "chaos_hurry"

    def ready(self) -> None:
        """Change the waits, then break what is to be broken."""
        from payments.services import events, fundings, outcomes, sweeps
        from proofs.services import reading, submissions
        from tests.chaos import broken_builds

        outcomes.FIRST_LOOK_AFTER, outcomes.LONGEST_WAIT = SHORT, LONG
        outcomes.LOOK_AFTER_ACCEPTED = LONG
        events.FIRST_SWEEP_AFTER, events.FIRST_WAIT, events.LONGEST_WAIT = LONG, SHORT, LONG
        fundings.LOOK_AFTER = fundings.LOOK_EVERY = LONG
        sweeps.PATIENCE = LONG
        reading.LEASE, reading.RETRY_AFTER = READ_WITHIN, SHORT
        reading.RING_AGAIN_AFTER = vars(submissions)["UNHEARD_AFTER"] = LONG
        for module in map(
            import_module, ("escrow.schedule", "payments.schedule", "proofs.schedule")
        ):
            vars(module)["SCHEDULE"] = [
                replace(job, every_s=EVERY_S.get(job.name, job.every_s)) for job in module.SCHEDULE
            ]
        broken_builds.break_build(os.environ.get(broken_builds.VARIABLE) or "")
