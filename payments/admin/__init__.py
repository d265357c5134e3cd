"""Payments, fundings and PSP events in the console."""

from payments.admin.payments import FundingAdmin, PaymentAdmin, PspEventAdmin

__all__ = ["FundingAdmin", "PaymentAdmin", "PspEventAdmin"]
