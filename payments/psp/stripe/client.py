"""Stripe's own library, kept to what Kobatela allows: its time limits, its keys, its retries."""

import logging
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, TypeVar

import httpx
import stripe
from django.conf import settings
from stripe import V1Services

from kobatela.kernel import http
from payments.psp.base import OrderState, Reason
from payments.psp.stripe.objects import printable

# It would write a file into the home folder of the process and report how long our calls took.
stripe.enable_telemetry = False

_REFUSALS = frozenset({400, 402, 404, 422})
_OTHER_MEANINGS: Mapping[int, tuple[OrderState, Reason]] = {
    401: (OrderState.BLOCKED, Reason.PSP_ACCESS_REFUSED),
    403: (OrderState.BLOCKED, Reason.PSP_ACCESS_REFUSED),
    409: (OrderState.BUSY, Reason.PSP_BUSY),
    429: (OrderState.BUSY, Reason.PSP_BUSY),
}
_REASONS = {
    # What cards brought is pending for days before a transfer can be made of it.
    "balance_insufficient": Reason.FUNDS_PENDING,
    "insufficient_funds": Reason.PSP_BALANCE_SHORT,
    "account_invalid": Reason.DESTINATION_INVALID,
    "account_closed": Reason.DESTINATION_INVALID,
    "insufficient_capabilities_for_transfer": Reason.DESTINATION_INVALID,
    "transfers_not_allowed": Reason.DESTINATION_INVALID,
}

# Nothing that is asked for has so many; this only keeps a list from going on for ever.
_MANY = 1_000

Pages = stripe.ListObject[Any] | stripe.SearchResultObject[Any]
Answer = TypeVar("Answer")

logger = logging.getLogger(__name__)


class StripeFailure(Exception):
    """A call that did not bring what was asked for.

    state: FAILED (Stripe refused and would again), BLOCKED, BUSY or UNKNOWN. message: Stripe's
    own words, for staff only.
    """

    def __init__(self, state: OrderState, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.state = state
        self.reason = reason
        self.message = message


class StripeClient:
    """One Stripe account. Making one costs nothing; every call ends by itself."""

    def __init__(self, secret_key: str, *, base_url: str, timeout_s: float) -> None:
        self._secret_key = secret_key
        self._base_url = base_url
        self._timeout_s = timeout_s

    @classmethod
    def from_settings(cls) -> "StripeClient":
        """The account of this installation."""
        return cls(
            settings.STRIPE_SECRET_KEY,
            base_url=settings.STRIPE_API_BASE,
            timeout_s=settings.KOBATELA_PSP_TIMEOUT_S,
        )

    def one(self, ask: Callable[[V1Services], stripe.StripeObject]) -> Mapping[str, Any]:
        """One object, as plain data. Raises StripeFailure."""
        return self._call(lambda v1: ask(v1).to_dict())

    def many(
        self, ask: Callable[[V1Services], Pages], *, at_most: int = _MANY
    ) -> list[Mapping[str, Any]]:
        """All objects of a list, page after page, as plain data. Raises StripeFailure, also for a
        list that is longer than `at_most`: a part of a list is never taken for the whole."""
        found: list[Mapping[str, Any]] = self._call(
            lambda v1: [item.to_dict() for item in islice(ask(v1).auto_paging_iter(), at_most + 1)]
        )
        if len(found) > at_most:
            raise _unknown(f"The list has more than {at_most} entries.")
        return found

    def _call(self, ask: Callable[[V1Services], Answer]) -> Answer:
        client = stripe.StripeClient(
            self._secret_key,
            base_addresses={"api": self._base_url},
            http_client=_Transport(self._timeout_s),
            # A call ends within its time; whoever comes next asks again, under the same key.
            max_network_retries=0,
        )
        try:
            return ask(client.v1)
        except stripe.StripeError as error:
            failure = _failure_of(error)
            if failure.state is OrderState.BLOCKED:
                logger.error("Stripe does not accept our key: %s", error.http_status)  # noqa: TRY400 - a traceback quotes the request
            raise failure from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            # The library met an answer that is not Stripe's.
            raise _unknown(f"The answer could not be read: {error}") from error


class _Transport(stripe.HTTPClient):
    """The house's one way out over HTTP: time limits, and no redirect is ever followed."""

    name = "httpx"

    def __init__(self, timeout_s: float) -> None:
        super().__init__()
        self._timeout_s = timeout_s

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        """One exchange. Raises stripe.APIConnectionError."""
        try:
            with http.client(read_timeout_s=self._timeout_s) as client:
                answer = client.request(method, url, headers=headers, content=post_data)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # Whether it was lost on the way there or on the way back cannot be told.
            words = str(error) or type(error).__name__
            raise stripe.APIConnectionError(words) from error  # type: ignore[no-untyped-call]
        return answer.content.decode(errors="replace"), answer.status_code, answer.headers


def _failure_of(error: stripe.StripeError) -> StripeFailure:
    """The table of errors. What is not in it settles nothing."""
    status, said = error.http_status, error.error
    message = printable(f"{status or ''} {error.code or ''} {error.user_message or ''}".strip())
    if isinstance(error, stripe.RateLimitError):
        return StripeFailure(OrderState.BUSY, Reason.PSP_BUSY, message)
    if status is not None and status in _OTHER_MEANINGS:
        return StripeFailure(*_OTHER_MEANINGS[status], message)
    if isinstance(error, stripe.IdempotencyError):
        # Something stands under this key already, only not what we said now: it must be found.
        return _unknown(message)
    # A refusal counts only when it is Stripe's own; a proxy's error page settles nothing.
    if status in _REFUSALS and said is not None:
        return StripeFailure(OrderState.FAILED, _reason_of(error), message)
    return _unknown(message)


def _reason_of(error: stripe.StripeError) -> Reason:
    if getattr(error, "param", None) == "destination":
        return Reason.DESTINATION_INVALID
    return _REASONS.get(str(error.code), Reason.PSP_REFUSED)


def _unknown(message: str) -> StripeFailure:
    return StripeFailure(OrderState.UNKNOWN, Reason.OUTCOME_UNKNOWN, printable(message))
