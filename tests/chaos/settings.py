"""Development, only that time is in a hurry and the build may be broken on purpose."""

from kobatela.settings import dev
from kobatela.settings.dev import *  # noqa: F403 - a settings module is its names

INSTALLED_APPS = [*dev.INSTALLED_APPS, "tests.chaos.hurry"]
