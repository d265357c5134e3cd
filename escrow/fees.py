"""The platform's fee, taken when money is released."""

from collections.abc import Sequence

from django.conf import settings

from escrow.models import Escrow, Milestone
from escrow.rules import OPEN_MILESTONE, held_minor

_WHOLE_BPS = 10_000


def fee_minor(amount_minor: int) -> int:
    """The fee on one release, in minor units; a fraction of a unit is left to the payee."""
    fee: int = amount_minor * settings.KOBATELA_FEE_BPS // _WHOLE_BPS
    return fee


def fee_on_all_held_minor(escrow: Escrow, milestones: Sequence[Milestone]) -> int:
    """The fee if all that is held were released: one payment per open milestone, one for the rest.

    Each payment is rounded by itself, as the releases will do it.
    """
    left_minor = held_minor(escrow)
    total_minor = 0
    for milestone in milestones:
        if milestone.status not in OPEN_MILESTONE or milestone.amount_minor > left_minor:
            continue
        total_minor += fee_minor(milestone.amount_minor)
        left_minor -= milestone.amount_minor
    return total_minor + fee_minor(left_minor)
