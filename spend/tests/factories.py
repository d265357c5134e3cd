"""A catalogue, permissions, mandates, payees and purchases for tests, made through the services."""

from datetime import timedelta
from itertools import count
from typing import Any

from escrow.models import Escrow
from escrow.tests.factories import make_escrow, minor_of
from kobatela.accounts.models import User
from kobatela.accounts.tests.factories import ROOT, make_caller, make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller, Scope
from kobatela.kernel.money import Money
from payments.models import Payment
from spend.models import AllowedPayee, AllowedUsage, Category, Mandate, Merchant, Purchase
from spend.services import catalogue, mandates, permissions, purchases, spendings
from spend.services.mandates import MandateTerms
from spend.services.purchases import PurchaseOrder

_numbers = count(1)


def make_category(code: str | None = None) -> Category:
    """An active category."""
    code = code or f"goods-{next(_numbers)}"
    return catalogue.create_category(caller=ROOT, code=code, label=code.title())


def make_merchant(category: Category | None = None, **overrides: Any) -> Merchant:
    """An active merchant, certified unless told otherwise."""
    values: dict[str, Any] = {
        "name": f"Merchant {next(_numbers)}",
        "category_id": category.pk if category else None,
        "is_certified": True,
    }
    return catalogue.create_merchant(caller=ROOT, **(values | overrides))


def allow(
    owner: User, *, merchant: Merchant | None = None, category: Category | None = None
) -> AllowedUsage:
    """Let somebody buy from a merchant, or in a category."""
    given = permissions.allow_usage(
        caller=ROOT,
        owner_id=owner.pk,
        merchant_id=merchant.pk if merchant else None,
        category_id=category.pk if category else None,
    )
    return given.usage


def make_mandate(
    sender: User | None = None,
    beneficiary: User | None = None,
    *,
    total_minor: int = 10_000,
    escrow: Escrow | None = None,
    **overrides: Any,
) -> Mandate:
    """A mandate in force for a month; from an escrow's free money where one is given."""
    if escrow is not None:
        sender = escrow.client
    sender = sender or make_user()
    currency = overrides.pop("currency", escrow.currency if escrow else "EUR")
    terms: dict[str, Any] = {
        "sender_id": sender.pk,
        "beneficiary_id": (beneficiary or make_user()).pk,
        "total": Money(total_minor, currency),
        "expires_at": clock.now() + timedelta(days=30),
        "escrow_id": escrow.pk if escrow else None,
    }
    done = mandates.create_mandate(
        caller=make_caller(Scope.SENDER, sender), terms=MandateTerms(**(terms | overrides))
    )
    return done.mandate


def order_under(
    mandate: Mandate, amount_minor: int, merchant: Merchant | None = None, **overrides: Any
) -> PurchaseOrder:
    """What could be bought under a mandate."""
    values: dict[str, Any] = {
        "sender_id": mandate.sender_id,
        "beneficiary_id": mandate.beneficiary_id,
        "merchant_id": (merchant or make_merchant()).pk,
        "money": Money(amount_minor, mandate.currency),
    }
    return PurchaseOrder(**(values | overrides))


def buy(
    mandate: Mandate,
    amount_minor: int = 1_000,
    merchant: Merchant | None = None,
    *,
    caller: Caller | None = None,
) -> Purchase:
    """Buy as the beneficiary."""
    caller = caller or as_beneficiary(mandate)
    order = order_under(mandate, amount_minor, merchant)
    return purchases.make_purchase(caller=caller, order=order).purchase


def make_payee(escrow: Escrow | None = None, **overrides: Any) -> AllowedPayee:
    """A payee of an escrow; limits in minor units by `daily` and `total`."""
    escrow = escrow or make_escrow()
    daily, total = overrides.pop("daily", None), overrides.pop("total", None)
    values: dict[str, Any] = {"payee_ref": f"ref-{next(_numbers)}", "label": "A payee"}
    return permissions.allow_payee(
        caller=ROOT,
        escrow_id=escrow.pk,
        destination=overrides.pop("destination", None),
        daily_limit_in=minor_of(daily) if daily is not None else None,
        total_limit_in=minor_of(total) if total is not None else None,
        **(values | overrides),
    )


def pay(payee: AllowedPayee, amount_minor: int = 1_000, *, caller: Caller | None = None) -> Payment:
    """Pay a payee as the escrow's client."""
    done = spendings.pay_payee(
        caller=caller or make_caller(Scope.SENDER, payee.escrow.client),
        escrow_id=payee.escrow_id,
        payee_ref=payee.payee_ref,
        amount_in=minor_of(amount_minor),
    )
    assert done.payment is not None
    return done.payment


def as_sender(mandate: Mandate) -> Caller:
    """A sender's key of the mandate's sender."""
    return make_caller(Scope.SENDER, mandate.sender)


def as_beneficiary(mandate: Mandate) -> Caller:
    """A sender's key of the mandate's beneficiary."""
    return make_caller(Scope.SENDER, mandate.beneficiary)
