"""From which deposits a refund is taken. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from escrow.errors import InsufficientEscrowBalance
from escrow.models import Deposit


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a refund and the deposit that it gives back."""

    deposit: Deposit
    amount_minor: int


def allocate(deposits: Iterable[Deposit], amount_minor: int) -> list[Share]:
    """Cut a refund into shares, from the newest deposit back, none above what is left of it.

    deposits: the confirmed ones. Raises InsufficientEscrowBalance when they do not hold that much:
    what a bank took back of them cannot go back through them again.
    """
    shares: list[Share] = []
    wanted = amount_minor
    for deposit in sorted(deposits, key=lambda item: item.pk, reverse=True):
        part = min(wanted, deposit.refundable_minor)
        if part > 0:
            shares.append(Share(deposit, part))
            wanted -= part
    if wanted:
        raise InsufficientEscrowBalance("The deposits were charged back.")
    return shares
