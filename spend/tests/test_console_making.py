"""The pages on which support makes what can be bought, and says where merchants and payees are
paid."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.models import Alert
from escrow.tests.factories import make_escrow
from kobatela.accounts.models import User
from kobatela.accounts.tests.factories import make_staff, make_user
from payments.models import Destination as Account
from spend.models import AllowedPayee, AllowedUsage, Category, Merchant
from spend.services.destinations import Destination
from spend.tests.factories import make_category, make_merchant, make_payee

pytestmark = [pytest.mark.django_db, pytest.mark.console]
NUMBER = "+22507010203"
MOBILE = {"operator": "mtn", "number": NUMBER, "holder": "The shop"}
TO_MOBILE = Destination(kind="mobile_money", fields={"operator": "mtn", "number": NUMBER})


@pytest.fixture
def browser() -> Client:
    """A browser in which a member of support is signed in."""
    browser = Client()
    browser.force_login(make_staff("support"))
    return browser


def send(browser: Client, page: str, data: dict[str, Any], *numbers: int) -> Any:
    """What comes back to a form that was sent."""
    return browser.post(reverse(f"admin:spend_{page}", args=numbers), {"x": "1", **data})


def listed(browser: Client, model: str) -> str:
    """A list, as it is read."""
    return browser.get(reverse(f"admin:spend_{model}_changelist")).content.decode()


def test_support_adds_categories_merchants_and_permissions(browser: Client) -> None:
    assert send(browser, "category_create", {"code": "food", "label": "Food"}).status_code == 302
    category = Category.objects.get()
    assert (category.code, category.label, category.is_active) == ("food", "Food", True)

    asked = {"name": "A shop", "category_id": category.pk, **MOBILE}
    assert send(browser, "merchant_create", asked).status_code == 302
    merchant = Merchant.objects.get()
    assert (merchant.name, merchant.category_id, merchant.is_certified) == (
        "A shop",
        category.pk,
        False,
    )
    account = Account.objects.get(party=merchant.reference)
    assert (account.kind, account.holder, account.operator) == ("mobile_money", "The shop", "mtn")

    owner = make_user()
    for _ in range(2):
        asked = {"owner_id": owner.pk, "merchant_id": merchant.pk}
        assert send(browser, "allowedusage_allow", asked).status_code == 302
    usage = AllowedUsage.objects.get()
    assert (usage.owner_id, usage.merchant_id, usage.category_id) == (owner.pk, merchant.pk, None)


def test_support_allows_a_payee_within_limits_of_the_escrows_currency(browser: Client) -> None:
    escrow, user = make_escrow(), make_user()
    asked = {"escrow_id": escrow.pk, "payee_ref": "mason", "label": "The mason"}
    limits = {"daily_limit": "12.50", "user_id": user.pk}
    assert send(browser, "allowedpayee_allow", {**asked, **limits}).status_code == 302
    payee = AllowedPayee.objects.get()
    assert (payee.payee_ref, payee.payee_id, payee.currency) == ("mason", user.pk, "EUR")
    assert (payee.daily_limit_minor, payee.total_limit_minor) == (1_250, None)


@pytest.mark.django_db(transaction=True)
def test_what_is_refused_is_said_on_the_form_and_makes_nothing(browser: Client) -> None:
    escrow = make_escrow()
    payee = {"escrow_id": escrow.pk, "payee_ref": "mason", "label": "The mason"}
    make_category("food")
    for page, data, said in (
        ("category_create", {"code": "FOOD", "label": "Food"}, "CATEGORY_EXISTS"),
        ("merchant_create", {"name": "A", "category_id": 9**15}, "CATEGORY_NOT_FOUND"),
        ("merchant_create", {"name": "A", "user_id": 1, "iban": "FR76"}, "Name one"),
        ("merchant_create", {"name": "A", "number": NUMBER}, "VALIDATION_ERROR"),
        ("allowedusage_allow", {"owner_id": escrow.client_id}, "Name a merchant or a category"),
        ("allowedpayee_allow", {**payee, "escrow_id": 9**15}, "ESCROW_NOT_FOUND"),
        ("allowedpayee_allow", {**payee, "daily_limit": "0.001"}, "daily_limit"),
        ("allowedpayee_allow", {**payee, "total_limit": "-1"}, "total_limit"),
        ("allowedpayee_allow", {**payee, "user_id": escrow.client_id}, "refund"),
    ):
        answer = send(browser, page, data)
        assert answer.status_code == 200, (page, data)
        assert said in str(answer.context["form"].errors), (page, data)
    assert Category.objects.count() == 1
    assert not Merchant.objects.exists()
    assert not AllowedUsage.objects.exists()
    assert not AllowedPayee.objects.exists()
    assert not Account.objects.exists()


@pytest.mark.parametrize("model", ["merchant", "allowedpayee"])
def test_where_they_are_paid_is_asked_once_for_a_whole_list(model: str, browser: Client) -> None:
    cost = []
    for _ in range(2):
        for number in range(3):
            to = TO_MOBILE if number else Destination(user_id=make_user().pk)
            make_merchant(destination=to) if model == "merchant" else make_payee(destination=to)
        with CaptureQueriesContext(connection) as queries:
            assert listed(browser, model).count("mobile_money ****0203") >= 2
        cost.append(len(queries))
    assert cost[0] == cost[1]


@pytest.mark.parametrize("model", ["merchant", "allowedpayee"])
def test_support_says_where_somebody_is_paid_and_reads_no_account_in_full(
    model: str, browser: Client
) -> None:
    row: Any = make_merchant() if model == "merchant" else make_payee()
    page = f"{model}_pay_elsewhere"
    assert send(browser, page, {}, row.pk).context["form"].errors
    assert not Account.objects.exists()

    assert send(browser, page, MOBILE, row.pk).status_code == 302
    assert Account.objects.get(party=row.reference).masked == "****0203"
    for text in (
        listed(browser, model),
        browser.get(reverse(f"admin:spend_{model}_change", args=[row.pk])).content.decode(),
    ):
        assert "mobile_money ****0203" in text
        assert NUMBER[-8:] not in text

    user: User = make_user()
    assert send(browser, page, {"user_id": user.pk}, row.pk).status_code == 302
    row.refresh_from_db()
    assert row.payee_id == user.pk
    assert f"user {user.pk} ({user.username})" in listed(browser, model)
    assert Alert.objects.filter(type="DESTINATION_CHANGED", subject=row.reference).exists()


def test_who_has_no_role_makes_nothing() -> None:
    nobody = Client()
    nobody.force_login(make_user())
    for page in ("category_create", "merchant_create", "allowedusage_allow", "allowedpayee_allow"):
        assert nobody.get(reverse(f"admin:spend_{page}")).status_code == 302
    row = make_merchant()
    assert send(nobody, "merchant_pay_elsewhere", MOBILE, row.pk).status_code == 302
    assert not Account.objects.exists()
