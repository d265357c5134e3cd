"""The summary as clients read it."""

from collections.abc import Mapping
from typing import Any

from escrow.api.serializers import DeadlineOut, EscrowOut, MilestoneOut
from escrow.selectors import Summary
from kobatela.kernel.money import format_minor


def summary_out(summary: Summary, context: Mapping[str, Any]) -> dict[str, Any]:
    """One page about an escrow; milestones are masked by who reads."""
    escrow = summary.escrow
    currency = escrow.currency
    shown = MilestoneOut(context=dict(context))
    milestones = [shown.to_representation(milestone) for milestone in summary.milestones]
    current = summary.current_milestone
    balances = {
        "funded": escrow.funded_minor,
        "held": escrow.held_minor,
        "frozen": escrow.frozen_minor,
        "free": summary.free_minor,
        "released": escrow.released_minor,
        "refunded": escrow.refunded_minor,
        "in_transit": summary.in_transit_minor,
    }
    return {
        "escrow": EscrowOut(escrow, context=dict(context)).data,
        "milestones": milestones,
        "balances": {name: format_minor(value, currency) for name, value in balances.items()},
        "current_milestone": next(
            (item for item in milestones if current and item["id"] == current.pk), None
        ),
        "allowed_actions": summary.allowed_actions,
        "deadlines": DeadlineOut(summary.deadlines, many=True).data,
        "platform_fee": {
            "bps": summary.platform_fee_bps,
            "amount": format_minor(summary.platform_fee_minor, currency),
        },
    }
