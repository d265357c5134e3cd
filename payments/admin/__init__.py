"""Payments, fundings, chargebacks, PSP events and reconciliation in the console."""

from payments.admin.chargebacks import ChargebackAdmin
from payments.admin.payments import FundingAdmin, PaymentAdmin, PspEventAdmin
from payments.admin.reconciliation import DifferenceAdmin, ReconciliationRunAdmin

__all__ = [
    "ChargebackAdmin",
    "DifferenceAdmin",
    "FundingAdmin",
    "PaymentAdmin",
    "PspEventAdmin",
    "ReconciliationRunAdmin",
]
