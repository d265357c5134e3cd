"""Connected accounts: where Stripe pays people out, and the pages on which they set them up."""

from collections.abc import Callable, Mapping
from typing import Any

import stripe
from django.conf import settings
from stripe import V1Services

from payments.psp.base import OrderState, PspDown, PspSaysNo
from payments.psp.stripe.client import StripeClient, StripeFailure
from payments.psp.stripe.objects import text

_MAX_URL_LENGTH = 2_000


class ConnectedAccounts:
    """Opens accounts under our own. Raises PspDown and PspSaysNo, as `Psp.open_funding` does."""

    def __init__(self, client: StripeClient) -> None:
        self._client = client

    def open_account(
        self, key: str, *, country: str, service_agreement: str, metadata: Mapping[str, str]
    ) -> str:
        """The id of the account of this key, opened if need be.

        Stripe asks the payee for whatever it must know, and the payee sees it on Stripe's own
        pages; of us it hears a country and our number for them. What a payee owes Stripe, the
        platform answers for: with transfers made by us there is no other way.
        """
        params: Any = {
            "country": country,
            "controller": {
                "fees": {"payer": "application"},
                "losses": {"payments": "application"},
                "stripe_dashboard": {"type": "express"},
            },
            "capabilities": {"transfers": {"requested": True}},
            "tos_acceptance": {"service_agreement": service_agreement},
            "metadata": dict(metadata),
        }
        options: stripe.RequestOptions = {"idempotency_key": key}
        account = text(self._one(lambda v1: v1.accounts.create(params, options)), "id")
        if not account:
            raise PspDown("The answer is not an account.")
        return account

    def onboarding_url(self, account: str) -> str:
        """A page that opens once, for some minutes, for the owner of the account alone."""
        params: Any = {
            "account": account,
            "type": "account_onboarding",
            "return_url": settings.STRIPE_CONNECT_RETURN_URL,
            "refresh_url": settings.STRIPE_CONNECT_REFRESH_URL,
        }
        url = self._one(lambda v1: v1.account_links.create(params)).get("url")
        if not isinstance(url, str) or not 0 < len(url) <= _MAX_URL_LENGTH:
            raise PspDown("The answer has no address.")
        return url

    def _one(self, ask: Callable[[V1Services], stripe.StripeObject]) -> Mapping[str, Any]:
        try:
            return self._client.one(ask)
        except StripeFailure as failure:
            if failure.state is OrderState.FAILED:
                raise PspSaysNo(failure.message) from failure
            raise PspDown(failure.message) from failure
