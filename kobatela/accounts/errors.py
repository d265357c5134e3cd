"""What the accounts app refuses."""

from kobatela.kernel.errors import DomainError, InvalidState, Kind, ValidationFailed


class NoApiKey(DomainError):
    """No key came with the request."""

    code = "NO_API_KEY"
    kind = Kind.UNAUTHENTICATED
    message = "Send an API key in the Authorization or X-API-Key header."


class Unauthorized(DomainError):
    """The key is unknown, revoked, expired, of another installation, or its user is not active.

    One answer for all of them: a guesser learns nothing.
    """

    code = "UNAUTHORIZED"
    kind = Kind.UNAUTHENTICATED
    message = "This API key is not valid."


class LegacyKeyForbidden(DomainError):
    """The development key outside development."""

    code = "LEGACY_KEY_FORBIDDEN"
    kind = Kind.UNAUTHENTICATED
    message = "The development key works in development only."


class PartyUnknown(ValidationFailed):
    """A body names as the caller's own side somebody whom the caller does not act for.

    It reads as for a user who does not exist; the trail keeps it as refused access.
    """

    def __init__(self, field: str, user_id: int) -> None:
        message = "There is no such active user."
        super().__init__([{"field": field, "code": "unknown", "message": message}])
        self.named = {field: user_id}


class UserNotFound(DomainError):
    """No such user, or none that this caller may see."""

    code = "USER_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "There is no such user."


class UserCreateFailed(DomainError):
    """The username or the e-mail address is taken."""

    code = "USER_CREATE_FAILED"
    kind = Kind.CONFLICT
    message = "A user with this username or e-mail address exists already."


class ManagerNotAllowed(InvalidState):
    """The rules of who may manage whom are broken, or the user is already in business."""

    code = "MANAGER_NOT_ALLOWED"
    message = "This user cannot be given to that manager."


class ApiKeyNotFound(DomainError):
    """No such key."""

    code = "APIKEY_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "There is no such API key."


class ApiKeyNotLive(InvalidState):
    """A revoked or expired key cannot be rotated."""

    code = "APIKEY_NOT_LIVE"
    message = "This API key is revoked or expired."


class RotationOpen(InvalidState):
    """At most two keys of one rotation are live: end the older one first."""

    code = "APIKEY_ROTATION_OPEN"
    message = "Two keys of this rotation are live already; revoke one first."


class ApprovalTooEarly(DomainError):
    """Somebody else had the means to come in as this person; until `approves_from` they are no
    second one."""

    code = "FOUR_EYES_TOO_EARLY"
    kind = Kind.FORBIDDEN
    message = "Somebody else gave you access of late; your approval counts from the time named."


class ApprovalNeedsUser(DomainError):
    """Above the four-eyes figure people approve, and this key belongs to nobody."""

    code = "FOUR_EYES_USER_REQUIRED"
    kind = Kind.FORBIDDEN
    message = "This amount needs two people to approve; a key without a user cannot."
