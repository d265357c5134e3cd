"""Payments out, fundings in, and the PSP events that report on both."""

from payments.models.event import EventStatus, PspEvent
from payments.models.funding import Funding, FundingStatus
from payments.models.payment import (
    Attempt,
    Hold,
    Payment,
    PaymentKind,
    PaymentMethod,
    PaymentStatus,
)

__all__ = [
    "Attempt",
    "EventStatus",
    "Funding",
    "FundingStatus",
    "Hold",
    "Payment",
    "PaymentKind",
    "PaymentMethod",
    "PaymentStatus",
    "PspEvent",
]
