"""Who may spend what on whom, and what was spent."""

from spend.models.catalogue import Category, Merchant
from spend.models.mandate import Mandate, MandateStatus
from spend.models.payee import AllowedPayee, Spending
from spend.models.purchase import SPENT, Purchase, PurchaseStatus
from spend.models.transfer import (
    AllowedRecipient,
    Basis,
    CertifiedAccount,
    Level,
    Transfer,
    TransferStatus,
)
from spend.models.usage import AllowedUsage

__all__ = [
    "SPENT",
    "AllowedPayee",
    "AllowedRecipient",
    "AllowedUsage",
    "Basis",
    "Category",
    "CertifiedAccount",
    "Level",
    "Mandate",
    "MandateStatus",
    "Merchant",
    "Purchase",
    "PurchaseStatus",
    "Spending",
    "Transfer",
    "TransferStatus",
]
