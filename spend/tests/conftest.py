"""What the tests of controlled spending share."""

import payments.tasks  # noqa: F401 - a task that is not loaded would be sent past the doorbells
from payments.tests.conftest import psp

__all__ = ["psp"]
