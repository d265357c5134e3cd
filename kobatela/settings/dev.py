"""Development: embedded servers, and secrets made at random under var/."""

from kobatela.settings import require_environment
from kobatela.settings.environment import env
from kobatela.settings.local import local_values

KOBATELA_ENV = require_environment("dev")
env.fall_back_to(local_values())

from kobatela.settings.base import *  # noqa: E402 - base reads what was filled in above

env.finish()
