"""The Celery application. The broker is a doorbell; the database rows are the work orders."""

import os

from celery import Celery

from kobatela.settings import settings_module

os.environ.setdefault("DJANGO_SETTINGS_MODULE", settings_module())
app = Celery("kobatela")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
