"""Builds that lose, double or misdirect money, made by patching a running one; the harness must
notice.

They are what systems like this one are found to be: no key at the PSP, a key that is made for each
call and kept nowhere, no lock on what several requests change at once, and money that goes to
somebody else with every figure right.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

VARIABLE = "KOBATELA_CHAOS_BUILD"


def break_build(name: str) -> None:
    """Break this process as `name` says; "" leaves it whole. Raises KeyError for another name."""
    if name:
        BUILDS[name]()


def _no_psp_key() -> None:
    """Every call is a new order to the PSP, and no order can be found again."""
    from payments.psp.fake.client import FakePsp

    request = FakePsp._request

    def without_key(self: FakePsp, method: str, path: str, *, key: str = "", **rest: Any) -> Any:
        # Our PSP insists on a key; one that nobody ever repeats is none.
        return request(self, method, path, key=secrets.token_hex(16) if key else "", **rest)

    FakePsp._request = without_key  # type: ignore[method-assign]


def _key_per_attempt() -> None:
    """The key is made when the PSP is called, not when the payment is claimed."""
    from payments.services import sending

    ask = sending._ask

    def with_new_key(psp: Any, call: sending.Call) -> Any:
        return ask(psp, replace(call, key=f"koba_{secrets.token_hex(16)}"))

    sending._ask = with_new_key


def _no_lock() -> None:
    """Escrows and payments are read, changed and written without being locked."""
    from escrow import selectors as escrows
    from escrow.models import Escrow
    from kobatela.kernel.caller import Caller
    from payments import selectors as payments
    from payments.models import Payment

    def escrow(escrow_id: int) -> Escrow:
        return Escrow.objects.get(pk=escrow_id)

    def visible(caller: Caller, escrow_id: int) -> Escrow:
        return escrows.get_escrow(caller, escrow_id)

    def payment(payment_id: int) -> Payment:
        return Payment.objects.get(pk=payment_id)

    escrows.lock_escrow = escrow
    escrows.lock_visible_escrow = visible
    payments.lock_payment = payment


def _wrong_payee() -> None:
    """Whoever is paid online gets what goes to the payer's account."""
    from payments.models import Payment
    from payments.services import routes

    find = routes._route_of_user

    def of_payer(payment: Payment, user_id: int) -> routes.Route | None:
        return find(payment, payment.payer_id or user_id)

    routes._route_of_user = of_payer


BUILDS: Mapping[str, Callable[[], None]] = {
    "no_psp_key": _no_psp_key,
    "key_per_attempt": _key_per_attempt,
    "no_lock": _no_lock,
    "wrong_payee": _wrong_payee,
}
