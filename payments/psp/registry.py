"""Which PSPs this installation knows."""

from typing import TYPE_CHECKING

from django.conf import settings

from payments.psp.base import Books, Psp
from payments.psp.fake.client import FakePsp
from payments.psp.manual_books import ManualBooks

if TYPE_CHECKING:
    from payments.psp.stripe.connect import ConnectedAccounts

FAKE = "fake"
STRIPE = "stripe"
# People at a bank or a mobile money desk: nothing is sent by a worker.
MANUAL = "manual"
ONLINE = (FAKE, STRIPE)
# Their reports do not tell what they charge; their record does.
FEE_ON_RECORD = (STRIPE,)


def reachable() -> tuple[str, ...]:
    """The PSPs over the network that this installation may turn to now."""
    return ONLINE if settings.STRIPE_ENABLED else (FAKE,)


def get_psp(name: str) -> Psp:
    """The adapter of a PSP that is reached over the network.

    Raises LookupError for `manual` and for a name that is not installed.
    """
    if name == FAKE:
        return FakePsp(settings.FAKE_PSP_URL, timeout_s=settings.KOBATELA_PSP_TIMEOUT_S)
    if name == STRIPE:
        # Stripe's library is large; where it is not used it is not loaded.
        from payments.psp.stripe.adapter import StripePsp  # noqa: PLC0415
        from payments.psp.stripe.client import StripeClient  # noqa: PLC0415

        return StripePsp(StripeClient.from_settings())
    raise LookupError(f"There is no PSP {name!r} to call.")


def with_books() -> tuple[str, ...]:
    """The PSPs whose record is to be held against ours. The sandbox has none in production."""
    online = (FAKE, STRIPE) if settings.STRIPE_ENABLED else (FAKE,)
    is_real = settings.KOBATELA_ENV == "production"
    return (*(name for name in online if not (is_real and name == FAKE)), MANUAL)


def get_books(name: str) -> Books:
    """The record of a PSP. Raises LookupError for a name that is not installed."""
    return ManualBooks() if name == MANUAL else get_psp(name)


def connected_accounts() -> "ConnectedAccounts":
    """Where accounts for those whom Stripe pays are opened."""
    from payments.psp.stripe.client import StripeClient  # noqa: PLC0415 - see get_psp
    from payments.psp.stripe.connect import ConnectedAccounts  # noqa: PLC0415

    return ConnectedAccounts(StripeClient.from_settings())


def default_name() -> str:
    """The PSP of new payments and fundings."""
    name: str = settings.KOBATELA_PSP
    return name


def party_destination(name: str, party: str) -> str:
    """Where the PSP `name` pays somebody who is no user (`payee:3`); empty when nowhere.

    In the sandbox everybody has an account. Elsewhere people pay what has an account of its own.
    """
    return f"fake:{party}" if name == FAKE else ""


def default_destination(name: str, user_id: int) -> str:
    """Where the PSP `name` pays a user who has named nothing; empty when nowhere."""
    return get_psp(name).default_destination(user_id) if name in ONLINE else ""
