"""What the audit app refuses."""

from kobatela.kernel.errors import DomainError, Kind


class UnknownSwitch(DomainError):
    """There is no switch of that name."""

    code = "SWITCH_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "There is no such switch."


class JobNotFound(DomainError):
    """There is no job of that name in the schedule."""

    code = "JOB_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "There is no such job."


class JobMustRun(DomainError):
    """The job tells whether the others run; without it nobody would hear of those that do not."""

    code = "JOB_MUST_RUN"
    kind = Kind.CONFLICT
    message = "This job watches over the others and is never switched off."


class AlertNotFound(DomainError):
    """There is no alert of that id."""

    code = "ALERT_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "There is no such alert."


class JobLockLost(Exception):
    """The job's lock went to another owner; the work must stop. Not a refusal to a client."""
