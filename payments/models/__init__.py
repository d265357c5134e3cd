"""Payments out, fundings in, what PSPs report and list, destinations, and batches by people."""

from payments.models.batch import Batch, BatchLine, BatchLineStatus, BatchStatement, BatchStatus
from payments.models.chargeback import Chargeback, ChargebackStatus, KeptRefund
from payments.models.destination import Destination, DestinationKind
from payments.models.event import EventStatus, PspEvent
from payments.models.funding import Funding, FundingStatus
from payments.models.funds import FundsMove, FundsMoveStatus
from payments.models.payment import (
    Attempt,
    Hold,
    Payment,
    PaymentKind,
    PaymentMethod,
    PaymentStatus,
)
from payments.models.reconciliation import (
    Difference,
    DifferenceStatus,
    Reach,
    ReconciliationRun,
    RunStatus,
)

__all__ = [
    "Attempt",
    "Batch",
    "BatchLine",
    "BatchLineStatus",
    "BatchStatement",
    "BatchStatus",
    "Chargeback",
    "ChargebackStatus",
    "Destination",
    "DestinationKind",
    "Difference",
    "DifferenceStatus",
    "EventStatus",
    "Funding",
    "FundingStatus",
    "FundsMove",
    "FundsMoveStatus",
    "Hold",
    "KeptRefund",
    "Payment",
    "PaymentKind",
    "PaymentMethod",
    "PaymentStatus",
    "PspEvent",
    "Reach",
    "ReconciliationRun",
    "RunStatus",
]
