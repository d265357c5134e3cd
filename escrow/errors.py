"""What an escrow refuses, and why."""

from typing import Self

from kobatela.kernel.errors import DomainError, Kind


class EscrowNotFound(DomainError):
    """No such escrow, or not one that the caller may see."""

    code = "ESCROW_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "There is no such escrow."

    @classmethod
    def in_body(cls, field: str, escrow_id: int) -> Self:
        """Of one that the body names in `field`; which one it was only the trail is told."""
        refusal = cls(field=field)
        refusal.named = {field: escrow_id}
        return refusal


class MilestoneNotFound(DomainError):
    """No such milestone, or not one that the caller may see."""

    code = "MILESTONE_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "There is no such milestone."


class DepositNotFound(DomainError):
    """No such deposit on this escrow."""

    code = "DEPOSIT_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "There is no such deposit."


class PublicDomainForbidden(DomainError):
    """Public and aid escrows are opened by public bodies and NGOs only."""

    code = "PUBLIC_DOMAIN_FORBIDDEN"
    kind = Kind.FORBIDDEN
    message = "Only a public body or an NGO may open an escrow of this domain."


class PublicUserNotFound(DomainError):
    """The public sector's pages are for a public body; this key belongs to nobody."""

    code = "PUBLIC_USER_NOT_FOUND"
    kind = Kind.FORBIDDEN
    message = "This key belongs to no user."


class PublicAccessForbidden(DomainError):
    """Only users with the public tag GOV or ONG come in here."""

    code = "PUBLIC_ACCESS_FORBIDDEN"
    kind = Kind.FORBIDDEN
    message = "This is for public bodies and NGOs."


class ProjectNotFound(DomainError):
    """No such project, or not one that the caller manages."""

    code = "PROJECT_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "There is no such project."


class DomainMismatch(DomainError):
    """Public projects have public escrows, aid projects aid escrows."""

    code = "DOMAIN_MISMATCH"
    kind = Kind.INVALID
    message = "The escrow is of another domain than the project."


class EscrowAlreadyAttached(DomainError):
    """The escrow pays for another project; in two its money would count twice."""

    code = "ESCROW_ALREADY_ATTACHED"
    kind = Kind.CONFLICT
    message = "The escrow belongs to another project."


class ReportTooLarge(DomainError):
    """Too many rows for pages; the CSV takes any number."""

    code = "REPORT_TOO_LARGE"
    kind = Kind.INVALID
    message = "The project has too many escrows and milestones for a PDF; ask for the CSV."


class EscrowRoleForbidden(DomainError):
    """The caller sees the escrow, but stands on the other side of this command."""

    code = "ESCROW_ROLE_FORBIDDEN"
    kind = Kind.FORBIDDEN
    message = "The caller's part in this escrow does not allow this."


class OwnEscrowForbidden(DomainError):
    """Nobody with a stake in an escrow decides over its money as staff or in another's name."""

    code = "OWN_ESCROW_FORBIDDEN"
    kind = Kind.FORBIDDEN
    message = "Nobody decides for others in an escrow in which they have a part."


class EscrowClosed(DomainError):
    """The escrow has ended; it takes no more money."""

    code = "ESCROW_CLOSED"
    kind = Kind.CONFLICT
    message = "The escrow is closed."


class EscrowOverFunded(DomainError):
    """The deposit is more than the escrow still needs; `details.missing` tells how much that is."""

    code = "ESCROW_OVER_FUNDED"
    kind = Kind.CONFLICT
    message = "The deposit is more than the escrow still needs."


class InsufficientEscrowBalance(DomainError):
    """The escrow does not hold enough money for this."""

    code = "INSUFFICIENT_ESCROW_BALANCE"
    kind = Kind.CONFLICT
    message = "The escrow does not hold enough money for this."


class DeadlinePassed(DomainError):
    """The escrow's deadline is over; evidence comes too late."""

    code = "DEADLINE_PASSED"
    kind = Kind.CONFLICT
    message = "The deadline of the escrow has passed."


class MilestonesOpen(DomainError):
    """Work cannot be delivered as a whole while a milestone is not accepted."""

    code = "MILESTONES_OPEN"
    kind = Kind.CONFLICT
    message = "A milestone is still open."


class NoOpenMilestone(DomainError):
    """Every milestone is decided."""

    code = "NO_OPEN_MILESTONE"
    kind = Kind.CONFLICT
    message = "No milestone is open."


class MilestoneNotWaiting(DomainError):
    """The current milestone already has a proof under review."""

    code = "MILESTONE_NOT_WAITING"
    kind = Kind.CONFLICT
    message = "The milestone is not waiting for a proof."


class MilestoneSequenceError(DomainError):
    """Proofs go to the current milestone only; `details.current` is its sequence index."""

    code = "SEQUENCE_ERROR"
    kind = Kind.INVALID
    message = "Another milestone comes first."


class MilestoneIndexTaken(DomainError):
    """Another milestone of the escrow has this sequence index."""

    code = "MILESTONE_INDEX_TAKEN"
    kind = Kind.CONFLICT
    message = "The sequence index is already used."


class MilestoneOutOfOrder(DomainError):
    """A milestone may not be put before one that was already proven."""

    code = "MILESTONE_OUT_OF_ORDER"
    kind = Kind.CONFLICT
    message = "A later milestone was already proven."


class MilestonesExceedTotal(DomainError):
    """The milestones would be worth more than the escrow; `details.available` is what is left."""

    code = "MILESTONES_EXCEED_TOTAL"
    kind = Kind.INVALID
    message = "The milestones would exceed the total of the escrow."


class ResolutionNotBalanced(DomainError):
    """What is released and what is refunded must together be all that is held."""

    code = "RESOLUTION_NOT_BALANCED"
    kind = Kind.INVALID
    message = "Release and refund must add up to what is held."
