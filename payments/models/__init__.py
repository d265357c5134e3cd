"""Payments out, fundings in, PSP events on both, destinations, and batches paid by people."""

from payments.models.batch import Batch, BatchLine, BatchLineStatus, BatchStatement, BatchStatus
from payments.models.destination import Destination, DestinationKind
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
    "Batch",
    "BatchLine",
    "BatchLineStatus",
    "BatchStatement",
    "BatchStatus",
    "Destination",
    "DestinationKind",
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
