"""From which deposits a refund is taken. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from escrow.errors import InsufficientEscrowBalance
from escrow.models import Deposit

# Whom people pay by hand: there is no charge left through which this could go back.
_BY_HAND = "psp:manual"


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a refund and the deposit that it gives back; None for what a bank took back, and
    the client made good."""

    deposit: Deposit | None
    amount_minor: int

    @property
    def source(self) -> str:
        """Where it goes back through."""
        return self.deposit.source if self.deposit else _BY_HAND

    @property
    def charge_ref(self) -> str | None:
        """The charge it goes back through, where there is one."""
        return (self.deposit.charge_ref or None) if self.deposit else None


def allocate(
    deposits: Iterable[Deposit], amount_minor: int, made_good_minor: int = 0
) -> list[Share]:
    """Cut a refund into shares, from the newest deposit back, none above what is left of it.

    deposits: the confirmed ones. made_good_minor: what the client made good of lost chargebacks and
    has not had back; it is the last share. Raises InsufficientEscrowBalance when all that is less:
    what a bank took back of a deposit cannot go back through it again.
    """
    shares: list[Share] = []
    wanted = amount_minor
    for deposit in sorted(deposits, key=lambda item: item.pk, reverse=True):
        part = min(wanted, deposit.refundable_minor)
        if part > 0:
            shares.append(Share(deposit, part))
            wanted -= part
    if 0 < wanted <= made_good_minor:
        shares.append(Share(None, wanted))
    elif wanted:
        raise InsufficientEscrowBalance("The deposits were charged back.")
    return shares
