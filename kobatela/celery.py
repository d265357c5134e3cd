"""The Celery application. The broker is a doorbell; the database rows are the work orders."""

import logging
import os
from typing import Any

from celery import Celery, Task
from celery.signals import beat_init, worker_init
from django.core.management.base import BaseCommand, SystemCheckError
from kombu.exceptions import OperationalError

from kobatela.settings import settings_module

os.environ.setdefault("DJANGO_SETTINGS_MODULE", settings_module())

logger = logging.getLogger(__name__)


class DoorbellTask(Task):  # type: ignore[type-arg]  # generic in its stubs only
    """A task whose message may be lost: a sweeper finds the row that it was about."""

    def apply_async(self, *args: Any, **kwargs: Any) -> Any:
        """Send the task; when the broker is down, say so in the log and carry on.

        The caller has committed its work order already, so there is nothing to undo.
        """
        try:
            return super().apply_async(*args, **kwargs)
        except OperationalError as error:
            logger.warning("The broker did not take %s: %s", self.name, error)
            return None


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
