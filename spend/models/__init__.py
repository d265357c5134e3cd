"""Who may spend what on whom, and what was spent."""

from spend.models.catalogue import Category, Merchant
from spend.models.mandate import Mandate, MandateStatus
from spend.models.payee import AllowedPayee, Spending
from spend.models.purchase import Purchase, PurchaseStatus
from spend.models.usage import AllowedUsage

__all__ = [
    "AllowedPayee",
    "AllowedUsage",
    "Category",
    "Mandate",
    "MandateStatus",
    "Merchant",
    "Purchase",
    "PurchaseStatus",
    "Spending",
]
