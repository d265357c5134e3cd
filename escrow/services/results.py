"""What a command leaves: the escrow, and who still has to agree."""

from dataclasses import dataclass

from escrow.models import Deposit, Escrow
from kobatela.accounts.services.approvals import ApprovalState


@dataclass(frozen=True, slots=True)
class EscrowResult:
    """The escrow after a command; with `approvals` nothing was done yet, a second person must."""

    escrow: Escrow
    approvals: ApprovalState | None = None


@dataclass(frozen=True, slots=True)
class DepositResult:
    """The deposit after a command; with `approvals` nothing was done yet."""

    deposit: Deposit
    approvals: ApprovalState | None = None
