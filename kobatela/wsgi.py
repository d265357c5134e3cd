"""The WSGI entry for the web server."""

from django.core.wsgi import get_wsgi_application

# Names the settings, and makes `task.delay` reach our broker.
import kobatela.celery  # noqa: F401

application = get_wsgi_application()
