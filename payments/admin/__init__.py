"""Payments, fundings, chargebacks and PSP events in the console."""

from payments.admin.chargebacks import ChargebackAdmin
from payments.admin.payments import FundingAdmin, PaymentAdmin, PspEventAdmin

__all__ = ["ChargebackAdmin", "FundingAdmin", "PaymentAdmin", "PspEventAdmin"]
