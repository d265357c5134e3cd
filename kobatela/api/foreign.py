"""What Django, DRF and the database raise, as refusals of ours."""

import logging
from collections.abc import Mapping

from django.core import exceptions as django_errors
from django.db import Error, InterfaceError, OperationalError
from django.http import Http404, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from psycopg import errors as postgres
from rest_framework import exceptions as drf_errors

from kobatela.kernel.errors import Busy, DomainError, ValidationFailed
from kobatela.rest import errors
from kobatela.rest.fields import field_problems

_logger = logging.getLogger(__name__)

# A retry is expected to work: somebody else held a lock, or the statement took too long.
_PASSING = (
    postgres.LockNotAvailable,
    postgres.DeadlockDetected,
    postgres.SerializationFailure,
    postgres.QueryCanceled,
)
# A value that a column cannot hold; its field should have refused it.
_OUT_OF_RANGE = (
    postgres.NumericValueOutOfRange,
    postgres.StringDataRightTruncation,
    postgres.DatetimeFieldOverflow,
    postgres.UntranslatableCharacter,
    postgres.CharacterNotInRepertoire,
)
# The first match counts, so the more exact classes come first.
_TRANSLATIONS: Mapping[type[Exception], type[DomainError]] = {
    Http404: errors.NotFound,
    drf_errors.NotFound: errors.NotFound,
    drf_errors.UnsupportedMediaType: errors.UnsupportedMediaType,
    drf_errors.MethodNotAllowed: errors.MethodNotAllowed,
    drf_errors.ParseError: errors.BadRequest,
    drf_errors.APIException: errors.Forbidden,
    django_errors.RequestDataTooBig: errors.PayloadTooLarge,
    django_errors.PermissionDenied: errors.Forbidden,
    django_errors.BadRequest: errors.BadRequest,
    django_errors.SuspiciousOperation: errors.BadRequest,
    MultiPartParserError: errors.BadRequest,
    UnreadablePostError: errors.BadRequest,
}


def as_domain_error(error: BaseException) -> DomainError:
    """The refusal that `error` means to a client.

    What is a defect of ours, or the database being away, is logged here with its traceback;
    nothing of it reaches the client.
    """
    if isinstance(error, DomainError):
        return error
    if isinstance(error, drf_errors.ValidationError):
        return ValidationFailed(list(field_problems(error.detail)))
    for foreign, ours in _TRANSLATIONS.items():
        if isinstance(error, foreign):
            return ours()
    if isinstance(error, Error):
        return _database_error(error)
    return _defect(error)


def _database_error(error: Error) -> DomainError:
    cause = error.__cause__
    if isinstance(cause, _PASSING):
        return Busy()
    if isinstance(cause, postgres.UniqueViolation):
        # Somebody was faster between a check and its insert; a retry meets what they committed
        # and gets the exact refusal.
        _logger.warning("Two requests met at one unique key", exc_info=error)
        return Busy()
    if isinstance(cause, _OUT_OF_RANGE):
        _logger.error("A value reached the database that it cannot hold", exc_info=error)
        return ValidationFailed.of("body", "out_of_range", "A value is out of range.")
    if isinstance(error, OperationalError | InterfaceError):
        _logger.error("The database does not answer", exc_info=error)
        return errors.DatabaseUnavailable()
    return _defect(error)


def _defect(error: BaseException) -> DomainError:
    _logger.error("Unhandled exception", exc_info=error)
    return errors.InternalError()
