"""Our minor units and Stripe's, which are not the same in every currency."""

from kobatela.kernel.money import MAX_AMOUNT_MINOR, Money, digits

# Stripe counts by ISO 4217, with these exceptions. Krona and shilling have lost their cents but
# Stripe still wants two digits, always 00; the ariary has cents by ISO and none at Stripe.
_STRIPE_DIGITS = {"ISK": 2, "UGX": 2, "MGA": 0}
# In currencies with three digits the last one must be 0.
_STEP_OF_THREE_DIGITS = 10


def to_stripe(money: Money) -> int | None:
    """The amount as Stripe takes it; None when Stripe cannot express it. Nothing is rounded."""
    shift = _shift(money.currency)
    amount = money.amount_minor * 10 ** max(shift, 0)
    amount, rest = divmod(amount, 10 ** max(-shift, 0))
    if digits(money.currency) == 3:
        rest += amount % _STEP_OF_THREE_DIGITS
    return None if rest else amount


def from_stripe(amount: int, currency: str) -> Money | None:
    """Stripe's amount of a currency in capitals; None when it is none of ours."""
    shift = _shift(currency)
    amount_minor, rest = divmod(amount * 10 ** max(-shift, 0), 10 ** max(shift, 0))
    if rest or not 0 < amount_minor <= MAX_AMOUNT_MINOR:
        return None
    return Money(amount_minor, currency)


def balance_from_stripe(amount: int, currency: str) -> int:
    """A balance of Stripe's in our minor units; it may be 0 or owed. Parts of ours are cut off."""
    shift = _shift(currency)
    size = int(abs(amount) * 10 ** max(-shift, 0) // 10 ** max(shift, 0))
    return -size if amount < 0 else size


def _shift(currency: str) -> int:
    """How many digits Stripe has more than we have."""
    own = digits(currency)
    return _STRIPE_DIGITS.get(currency, own) - own
