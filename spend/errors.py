"""What controlled spending refuses, and why."""

from kobatela.kernel.errors import DomainError, Kind

# --- Restricted transfers -------------------------------------------------------------------------


class UnauthorizedTransfer(DomainError):
    """The receiver is neither on the sender's allowlist nor certified."""

    code = "UNAUTHORIZED_TRANSFER"
    kind = Kind.FORBIDDEN
    message = "The sender may not transfer to this receiver."


class TransactionNotFound(DomainError):
    """No such transfer."""

    code = "TRANSACTION_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "There is no such transaction."


class AllowedRecipientNotFound(DomainError):
    """No such entry of the allowlist, or one that was taken back."""

    code = "ALLOWED_RECIPIENT_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "There is no such entry of the allowlist."


class CertificationNotFound(DomainError):
    """No such certification, or one that was taken back."""

    code = "CERTIFICATION_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "There is no such certification."
