"""Refusals of the HTTP edge that no app owns."""

from kobatela.kernel.errors import DomainError, Kind


class BadRequest(DomainError):
    """The request cannot be understood at all."""

    code = "BAD_REQUEST"
    kind = Kind.MALFORMED
    message = "The request could not be understood."


class MalformedJSON(DomainError):
    """The body is not JSON as this API takes it."""

    code = "MALFORMED_JSON"
    kind = Kind.MALFORMED
    message = "The body is not valid JSON."


class IdempotencyKeyRequired(DomainError):
    """This command is refused without a key."""

    code = "IDEMPOTENCY_KEY_REQUIRED"
    kind = Kind.MALFORMED
    message = "Send an Idempotency-Key header with this request."


class IdempotencyKeyInvalid(DomainError):
    """The key has a form that is not taken."""

    code = "IDEMPOTENCY_KEY_INVALID"
    kind = Kind.MALFORMED
    message = "An Idempotency-Key is 1 to 255 letters, digits or any of _ - : . characters."


class IdempotencyKeyReused(DomainError):
    """The key already belongs to another request of this caller."""

    code = "IDEMPOTENCY_KEY_REUSED"
    kind = Kind.INVALID
    message = "This Idempotency-Key was used for a different request."


class RequestInProgress(DomainError):
    """The first request with this key has not been answered yet."""

    code = "REQUEST_IN_PROGRESS"
    kind = Kind.CONFLICT
    message = "A request with this Idempotency-Key is still running."
    passing = True
    retry_after_s = 1


class InsufficientScope(DomainError):
    """The key is genuine, but not for this."""

    code = "INSUFFICIENT_SCOPE"
    kind = Kind.FORBIDDEN
    message = "This key's scope does not allow this."


class OnBehalfOfRequired(DomainError):
    """A party's own command from an admin key that names no party."""

    code = "ON_BEHALF_OF_REQUIRED"
    kind = Kind.FORBIDDEN
    message = "An admin key needs the X-On-Behalf-Of header for a party's own command."


class Throttled(DomainError):
    """Too many requests; `retry_after_s` says when the next one is taken."""

    code = "THROTTLED"
    kind = Kind.THROTTLED
    message = "Too many requests."
    passing = True

    def __init__(self, retry_after_s: int) -> None:
        super().__init__()
        self.retry_after_s = retry_after_s


class PayloadTooLarge(DomainError):
    """The body is larger than this endpoint reads."""

    code = "PAYLOAD_TOO_LARGE"
    kind = Kind.TOO_LARGE
    message = "The request body is too large."


class UnsupportedMediaType(DomainError):
    """The Content-Type is not one that this endpoint reads."""

    code = "UNSUPPORTED_MEDIA_TYPE"
    kind = Kind.UNSUPPORTED_TYPE
    message = "This content type is not supported here."


class NotFound(DomainError):
    """No such path, or nothing there for this caller."""

    code = "NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "There is nothing at this address."


class MethodNotAllowed(DomainError):
    """The path exists, the method does not."""

    code = "METHOD_NOT_ALLOWED"
    kind = Kind.METHOD_NOT_ALLOWED
    message = "This method is not available at this address."


class Forbidden(DomainError):
    """Refused without a more exact reason."""

    code = "FORBIDDEN"
    kind = Kind.FORBIDDEN
    message = "This is not allowed."


class DatabaseUnavailable(DomainError):
    """The database does not answer. Nothing was changed."""

    code = "DATABASE_UNAVAILABLE"
    kind = Kind.UNAVAILABLE
    message = "The service cannot reach its database; try again."
    passing = True
    retry_after_s = 5


class InternalError(DomainError):
    """A defect of ours. The log has it under the request id."""

    code = "INTERNAL_ERROR"
    kind = Kind.INTERNAL
    message = "Something went wrong on our side; the request id finds it in our log."
