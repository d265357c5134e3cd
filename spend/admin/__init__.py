"""Controlled spending in the console, one module per resource."""

from spend.admin.transfers import AllowedRecipientAdmin, CertifiedAccountAdmin, TransferAdmin

__all__ = ["AllowedRecipientAdmin", "CertifiedAccountAdmin", "TransferAdmin"]
