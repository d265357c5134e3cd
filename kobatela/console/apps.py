"""The console: Django's admin, arranged for the people of support."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class ConsoleConfig(AppConfig):
    """Registers the console's templates and styles."""

    name = "kobatela.console"
    label = "console"


class ConsoleSiteConfig(AdminConfig):
    """Makes the console's site the default one, so that apps register with `admin.site`."""

    default_site = "kobatela.console.site.ConsoleSite"
