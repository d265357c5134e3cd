"""The pages on which support looks after controlled spending."""

from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries, Settings

from escrow.tests.factories import make_escrow
from kobatela.accounts.tests.factories import make_key, make_staff, make_user
from kobatela.kernel.caller import Scope
from kobatela.rest.tests.client import Api
from proofs.tests.factories import photo
from spend.models import AllowedPayee, AllowedUsage, Category, Mandate, Merchant, Purchase
from spend.tests.factories import (
    allow,
    buy,
    make_category,
    make_mandate,
    make_merchant,
    make_payee,
    pay,
)

pytestmark = [pytest.mark.django_db, pytest.mark.console]
LISTS = ("category", "merchant", "allowedusage", "allowedpayee", "spending", "mandate", "purchase")
# What a browser sends with a form that asks for nothing.
SURE = {"csrfmiddlewaretoken": "x"}


@pytest.fixture
def browser() -> Client:
    """A browser in which a member of staff is signed in."""
    browser = Client()
    browser.force_login(make_staff())
    return browser


def furnish() -> None:
    """One of everything."""
    mandate = make_mandate(escrow=make_escrow())
    merchant = make_merchant(make_category())
    allow(mandate.beneficiary, merchant=merchant)
    buy(mandate, 1_000, merchant)
    pay(make_payee(daily=1_000))


def path_of(model: str, number: int, command: str = "change") -> str:
    """The page of a record, or of a command on it."""
    return reverse(f"admin:spend_{model}_{command}", args=[number])


@pytest.mark.parametrize("model", LISTS)
def test_a_list_costs_the_same_however_long_it_is(
    model: str, browser: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    path = reverse(f"admin:spend_{model}_changelist")
    for _ in range(3):
        furnish()
    with django_assert_max_num_queries(12):
        shown = browser.get(path)
    assert shown.status_code == 200
    assert shown.content.count(b'class="field-') >= 3 or shown.content.count(b"<tr") >= 4


def test_lists_are_searched_and_filtered(browser: Client) -> None:
    furnish()
    mandate = Mandate.objects.get()
    for query, found in (
        (f"q={mandate.sender.username}", 1),
        ("q=nobody-at-all", 0),
        ("status__exact=ACTIVE", 1),
        ("status__exact=REVOKED", 0),
        ("escrow__isempty=0", 1),
        ("escrow__isempty=1", 0),
    ):
        shown = browser.get(f"{reverse('admin:spend_mandate_changelist')}?{query}")
        assert shown.context["cl"].result_count == found, query


def test_commands_do_what_they_say_and_are_offered_once(browser: Client) -> None:
    furnish()
    category, merchant = Category.objects.get(), Merchant.objects.get()
    steps = (
        ("category", category.pk, "deactivate"),
        ("category", category.pk, "reactivate"),
        ("merchant", merchant.pk, "decertify"),
        ("merchant", merchant.pk, "certify"),
        ("merchant", merchant.pk, "deactivate"),
        ("merchant", merchant.pk, "reactivate"),
        ("allowedusage", AllowedUsage.objects.get().pk, "take_back"),
        ("allowedpayee", AllowedPayee.objects.get().pk, "take_back"),
        ("mandate", Mandate.objects.get().pk, "revoke"),
    )
    for model, number, command in steps:
        done = browser.post(path_of(model, number, command), SURE)
        assert done.status_code == 302, (model, command, done.content[-400:])
    category.refresh_from_db()
    merchant.refresh_from_db()
    assert (category.is_active, merchant.is_active, merchant.is_certified) == (True, True, True)
    assert AllowedUsage.objects.get().deactivated_at is not None
    assert AllowedPayee.objects.get().deactivated_at is not None
    assert Mandate.objects.get().status == "REVOKED"


@pytest.mark.django_db(transaction=True)
def test_support_gives_a_purchase_back_with_a_reason(browser: Client) -> None:
    purchase = buy(make_mandate(escrow=make_escrow()))
    page = path_of("purchase", purchase.pk, "refund")
    assert browser.post(page, SURE).context["form"].errors == {"note": ["This field is required."]}
    assert browser.post(page, {**SURE, "note": "The shop is closed."}).status_code == 302
    assert Purchase.objects.get(pk=purchase.pk).status == "REFUNDED"
    again = browser.post(page, {**SURE, "note": "Again."})
    assert "PURCHASE_ALREADY_REFUNDED" in str(again.context["form"].errors)


@pytest.mark.django_db(transaction=True)
def test_support_says_that_the_money_of_a_purchase_never_came(browser: Client) -> None:
    purchase = buy(make_mandate(escrow=make_escrow()))
    page = path_of("purchase", purchase.pk, "deny_refund")
    Purchase.objects.update(status="REFUND_PENDING")
    assert browser.post(page, SURE).context["form"].errors == {"note": ["This field is required."]}
    assert browser.post(page, {**SURE, "note": "Not on the statement."}).status_code == 302
    assert Purchase.objects.get(pk=purchase.pk).status == "COMPLETED"


def test_support_opens_a_receipt(browser: Client, settings: Settings, tmp_path: Path) -> None:
    settings.KOBATELA_FILES_DIR = tmp_path
    purchase = buy(make_mandate())
    assert browser.get(path_of("purchase", purchase.pk, "receipt")).status_code == 404
    api = Api(make_key(Scope.SENDER, user=purchase.beneficiary)[1])
    form = {"file": SimpleUploadedFile("receipt.jpg", photo(), content_type="image/jpeg")}
    upload = api.post("/files/proofs", files=form, fields={}).json
    body = {"upload_id": upload["upload_id"]}
    assert api.post(f"/spend/purchases/{purchase.pk}/receipt", json=body).status == 200

    page = browser.get(path_of("purchase", purchase.pk)).content.decode()
    address = path_of("purchase", purchase.pk, "receipt")
    assert address in page
    answer = browser.get(address)
    assert b"".join(answer.streaming_content)[:3] == b"\xff\xd8\xff"  # type: ignore[attr-defined]  # a file


def test_who_is_no_staff_sees_nothing() -> None:
    furnish()
    browser = Client()
    browser.force_login(make_user())
    for model in LISTS:
        assert browser.get(reverse(f"admin:spend_{model}_changelist")).status_code == 302
