"""Bodies of requests as the terms that services take."""

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from escrow.models import Domain, OnDeadline, ProofKind, Validator
from escrow.services.agreements import EscrowTerms
from escrow.services.amounts import AmountIn
from escrow.services.milestones import MilestoneTerms
from kobatela.kernel.money import Money
from kobatela.rest.fields import minor

_ENUMS = {
    "domain": Domain,
    "on_deadline": OnDeadline,
    "proof_kind": ProofKind,
    "validator": Validator,
}


def amount_in(value: Decimal, field: str = "amount", *, minimum_minor: int = 1) -> AmountIn:
    """An amount that is judged once its currency is known."""
    return partial(_minor, value, field, minimum_minor)


def escrow_terms(body: Mapping[str, Any]) -> EscrowTerms:
    """The terms of a new escrow from a validated body."""
    values = _typed(body, leave_out=("amount_total", "currency", "milestones"))
    currency = body["currency"]
    return EscrowTerms(
        amount_total=Money(minor(body["amount_total"], currency, "amount_total"), currency),
        milestones=[milestone_terms(item) for item in body.get("milestones", ())],
        **values,
    )


def milestone_terms(body: Mapping[str, Any]) -> MilestoneTerms:
    """The terms of a milestone from a validated body. `max_age_minutes: null` sets no limit."""
    return MilestoneTerms(
        amount_in=amount_in(body["amount"]), **_typed(body, leave_out=("amount",))
    )


def _typed(body: Mapping[str, Any], *, leave_out: tuple[str, ...]) -> dict[str, Any]:
    return {
        name: _ENUMS[name](value) if name in _ENUMS else value
        for name, value in body.items()
        if name not in leave_out
    }


def _minor(value: Decimal, field: str, minimum_minor: int, currency: str) -> int:
    return minor(value, currency, field, minimum_minor=minimum_minor)
