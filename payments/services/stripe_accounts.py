"""Giving payees an account at Stripe."""

from contextlib import suppress
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction

from kobatela.accounts.selectors import get_user
from kobatela.accounts.services.users import set_stripe_account
from kobatela.kernel.caller import Caller
from kobatela.kernel.canonical import sha256_hex
from kobatela.kernel.crashpoints import crashpoint
from payments.errors import (
    DestinationExists,
    PspRefused,
    PspUnavailable,
    StripeConnectDisabled,
)
from payments.models import DestinationKind
from payments.psp import registry
from payments.psp.base import PspDown, PspSaysNo
from payments.services.destinations import add_destination

if TYPE_CHECKING:
    from kobatela.accounts.models import User


def open_account_link(
    *, caller: Caller, user_id: int, country: str = "", service_agreement: str = "full"
) -> str:
    """The page on which a user sets up their account at Stripe, which is opened if need be.

    Called outside any transaction, because Stripe is called. country, service_agreement: of a new
    account. Raises StripeConnectDisabled, UserNotFound, PspUnavailable (a retry finds the same
    account) and PspRefused.
    """
    if not (settings.STRIPE_ENABLED and settings.STRIPE_CONNECT_ENABLED):
        raise StripeConnectDisabled
    user = get_user(caller, user_id)
    try:
        account = user.stripe_account_id or _open_account(
            caller, user, country or settings.STRIPE_CONNECT_COUNTRY, service_agreement
        )
        return registry.connected_accounts().onboarding_url(account)
    except PspDown as error:
        raise PspUnavailable from error
    except PspSaysNo as error:
        raise PspRefused from error


def _open_account(caller: Caller, user: "User", country: str, service_agreement: str) -> str:
    # The same for every try, also of two people at once; and never that of another installation.
    who = f"{user.pk} {user.created_at.isoformat()} {country} {service_agreement}"
    opened = registry.connected_accounts().open_account(
        f"koba_account_{sha256_hex(who.encode())[:32]}",
        country=country,
        service_agreement=service_agreement,
        metadata={"user": str(user.pk)},
    )
    crashpoint("account.opened")
    return _keep(caller, user.pk, opened)


@transaction.atomic
def _keep(caller: Caller, user_id: int, opened: str) -> str:
    """The user's account from now on: of two that were opened at once, the first. It is a
    destination like any other: told to its user, and cooling off."""
    user = set_stripe_account(caller=caller, user_id=user_id, account_id=opened)
    account = user.stripe_account_id or opened
    with suppress(DestinationExists):
        add_destination(
            caller=caller,
            user_id=user_id,
            kind=DestinationKind.STRIPE,
            fields={"stripe_account_id": account},
        )
    return account
