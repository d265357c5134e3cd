"""The WSGI entry for the web server."""

import os

from django.core.wsgi import get_wsgi_application

from kobatela.settings import settings_module

os.environ.setdefault("DJANGO_SETTINGS_MODULE", settings_module())
application = get_wsgi_application()
