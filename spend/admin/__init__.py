"""Controlled spending in the console, one module per resource."""

from spend.admin import catalogue, spending, transfers

__all__ = ["catalogue", "spending", "transfers"]
