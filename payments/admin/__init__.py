"""Payments, fundings, moves of funds, chargebacks, PSP events and reconciliation in the console."""

from payments.admin.chargebacks import ChargebackAdmin
from payments.admin.funds import FundsMoveAdmin
from payments.admin.payments import FundingAdmin, PaymentAdmin, PspEventAdmin
from payments.admin.reconciliation import DifferenceAdmin, ReconciliationRunAdmin

__all__ = [
    "ChargebackAdmin",
    "DifferenceAdmin",
    "FundingAdmin",
    "FundsMoveAdmin",
    "PaymentAdmin",
    "PspEventAdmin",
    "ReconciliationRunAdmin",
]
