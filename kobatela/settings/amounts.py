"""Amounts per currency in one variable: `EUR=10000.00,XOF=6000000`."""

from kobatela.kernel.errors import DomainError
from kobatela.kernel.money import parse_minor
from kobatela.settings.environment import env


def amounts_minor(name: str, default: str) -> dict[str, int]:
    """The amounts of the variable `name` in minor units; a malformed one stops the start."""
    found: dict[str, int] = {}
    for part in env.str(name, default=default).split(","):
        currency, equals, amount = (text.strip() for text in part.partition("="))
        if not part.strip():
            continue
        try:
            found[currency] = parse_minor(amount, currency)
        except DomainError:
            found[currency] = -1
        if not equals or len(currency) != 3 or not currency.isupper() or found[currency] < 0:
            env.problems.append(
                f"{name} is not valid: {part.strip()!r} is not CURRENCY=amount, as in EUR=10000.00"
            )
    return found
