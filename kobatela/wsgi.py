"""The WSGI entry for the web server."""

from django.core.management.base import BaseCommand
from django.core.wsgi import get_wsgi_application

# Names the settings, and makes `task.delay` reach our broker.
import kobatela.celery  # noqa: F401
from kobatela.api.hanging import fail_fast

application = get_wsgi_application()
fail_fast()
# A configuration that cannot work stops the start here, not the first request that meets it.
BaseCommand().check()
