"""The Celery application. The broker is a doorbell; the database rows are the work orders."""

import logging
import os
import time
from typing import Any

from celery import Celery, Task
from celery.exceptions import Retry
from celery.signals import beat_init, worker_init
from django.core.management.base import BaseCommand, SystemCheckError
from kombu.exceptions import OperationalError

from kobatela.kernel import metrics
from kobatela.kernel.context import new_request_id, request_id, working_for
from kobatela.settings import settings_module

os.environ.setdefault("DJANGO_SETTINGS_MODULE", settings_module())

logger = logging.getLogger(__name__)
_REQUEST_ID = "kobatela_request_id"


class DoorbellTask(Task):  # type: ignore[type-arg]  # generic in its stubs only
    """A task whose message may be lost: a sweeper finds the row that it was about."""

    def apply_async(self, *args: Any, **kwargs: Any) -> Any:
        """Send the task; when the broker is down, say so in the log and carry on.

        The caller has committed its work order already, so there is nothing to undo. The id of
        the request that rang goes along.
        """
        if request_id():
            kwargs["headers"] = {**(kwargs.get("headers") or {}), _REQUEST_ID: request_id()}
        try:
            return super().apply_async(*args, **kwargs)
        except OperationalError as error:
            logger.warning("The broker did not take %s: %s", self.name, error)
            return None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task under the id of the request that rang, or one of its own; and count it."""
        # Settings are not read yet when this module is imported, and the meter needs them.
        from kobatela.rest import meter  # noqa: PLC0415

        name = request_id() or getattr(self.request, _REQUEST_ID, None) or new_request_id()
        began, outcome = time.perf_counter(), "failed"
        try:
            with working_for(name):
                result = super().__call__(*args, **kwargs)
            outcome = "done"
        except Retry:
            outcome = "retried"
            raise
        finally:
            meter.count(metrics.TASKS, self.name, outcome)
            meter.observe(metrics.TASK_SECONDS, time.perf_counter() - began, self.name)
        return result


app = Celery("kobatela", task_cls=DoorbellTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
@beat_init.connect
def refuse_what_cannot_work(**_sent: Any) -> None:
    """Stop the start of a worker, or of beat, whose configuration is wrong, as the web's stops.

    Celery runs the system checks too, but looks at none of their answers; and what a receiver
    raises it only logs, unless it is an exit.
    """
    try:
        BaseCommand().check()
    except SystemCheckError as error:
        raise SystemExit(str(error)) from error
