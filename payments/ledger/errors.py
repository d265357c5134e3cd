"""What the ledger refuses."""

from kobatela.kernel.errors import DomainError, Kind


class AlreadyPosted(DomainError):
    """The business key has had its effect. Nothing was posted; the transaction can go on."""

    code = "ALREADY_POSTED"
    kind = Kind.CONFLICT
    message = "This was booked before."


class InsufficientFunds(DomainError):
    """A guarded account would fall below zero. The transaction must be rolled back."""

    code = "INSUFFICIENT_FUNDS"
    kind = Kind.CONFLICT
    message = "There is not enough money for this."
