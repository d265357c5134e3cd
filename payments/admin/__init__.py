"""The payments pages of the console: fundings, batches, chargebacks and what belongs to them."""

from payments.admin.batches import BatchAdmin
from payments.admin.chargebacks import ChargebackAdmin
from payments.admin.destinations import DestinationAdmin
from payments.admin.funds import FundsMoveAdmin
from payments.admin.payments import FundingAdmin, PaymentAdmin, PspEventAdmin
from payments.admin.reconciliation import DifferenceAdmin, ReconciliationRunAdmin

__all__ = [
    "BatchAdmin",
    "ChargebackAdmin",
    "DestinationAdmin",
    "DifferenceAdmin",
    "FundingAdmin",
    "FundsMoveAdmin",
    "PaymentAdmin",
    "PspEventAdmin",
    "ReconciliationRunAdmin",
]
