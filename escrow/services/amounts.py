"""Amounts that come before their currency is known."""

from collections.abc import Callable

# Gives the minor units of an amount that a client sent, once the currency is known. Raises
# ValidationFailed that names the field: no number, too small, too large or too precise.
AmountIn = Callable[[str], int]
