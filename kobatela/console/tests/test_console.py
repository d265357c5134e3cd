"""The console's first page, its lists and its gates."""

from urllib.parse import urlsplit

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from pytest_django.asserts import assertContains, assertNotContains

from audit.alert_types import AlertType, Severity
from audit.services.alerts import raise_alert
from escrow.tests.factories import make_escrow
from kobatela.accounts.models import User
from kobatela.accounts.tests.factories import make_staff, make_user
from kobatela.console import desk
from kobatela.console.desk import Tone
from kobatela.kernel.admin import MAX_PAGES

pytestmark = [pytest.mark.django_db, pytest.mark.console]
HOME = "/admin/"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="kobatela.accounts.backends.StaffBackend")
    return client


def card(label: str) -> desk.Card:
    return next(found for found in desk.cards() if found.label == label)


def test_nothing_waits_on_an_empty_desk() -> None:
    assert {found.tone for found in desk.cards()} == {Tone.QUIET}
    assertContains(signed_in(make_staff()).get(HOME), "nothing waits", count=len(desk.cards()))


def test_a_dispute_waits_on_the_desk_and_its_card_leads_to_it() -> None:
    escrow = make_escrow("DISPUTED")
    found = card("Disputes to resolve")
    assert (found.count, found.tone) == (1, Tone.WAITING)
    listed = signed_in(make_staff()).get(found.url)
    assertContains(listed, reverse("admin:escrow_escrow_change", args=[escrow.pk]))


def test_an_alert_is_urgent() -> None:
    before = card("Open alerts").count
    raise_alert(
        type=AlertType.DISPUTE_OPENED,
        severity=Severity.WARNING,
        subject="escrow:987654",
        message="It needs a look.",
    )
    found = card("Open alerts")
    assert (found.count, found.tone) == (before + 1, Tone.URGENT)


def test_every_card_leads_to_a_page_that_opens_for_support() -> None:
    client = signed_in(make_staff("support"))
    for found in desk.cards():
        assert client.get(found.url).status_code == 200, found.label


def test_a_large_pile_is_not_counted_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "COUNTED_AT_MOST", 1)
    for _ in range(3):
        make_escrow("DISPUTED")
    assert card("Disputes to resolve").number == "1+"


@pytest.mark.parametrize("role", ["support", "admin"])
def test_every_list_of_the_console_opens_and_tells_no_made_up_total(role: str) -> None:
    client = signed_in(make_staff(role))
    opened = 0
    for model in admin.site._registry:
        path = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        answer = client.get(path)
        if answer.status_code == 403:
            continue
        assertNotContains(answer, "1000000000")
        opened += 1
    assert opened >= 15


def test_a_list_goes_on_to_the_next_page_and_back() -> None:
    client = signed_in(make_staff())
    page = admin.site._registry[User]
    for _ in range(page.list_per_page + 1):
        make_user()
    first = client.get("/admin/accounts/user/")
    assertContains(first, "older &rsaquo;")
    assertNotContains(first, "newer")
    last = client.get("/admin/accounts/user/?p=2")
    assertContains(last, "newer")
    assertNotContains(last, "older &rsaquo;")


@pytest.mark.parametrize("page", ["0", "-1", str(MAX_PAGES + 1), "9" * 30, "x"])
def test_a_page_that_cannot_be_leads_back_to_the_list(page: str) -> None:
    answer = signed_in(make_staff()).get(f"/admin/escrow/escrow/?p={page}")
    assert answer.status_code in {200, 302}
    if answer.status_code == 302:
        assert urlsplit(answer["Location"]).path == "/admin/escrow/escrow/"


def test_who_is_no_staff_is_sent_to_the_login() -> None:
    answer = signed_in(make_user()).get(HOME)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/")


def test_a_list_is_titled_by_what_it_lists() -> None:
    assertContains(signed_in(make_staff()).get("/admin/escrow/escrow/"), "<h1>Escrows</h1>")


def test_nobody_edits_groups_in_the_console() -> None:
    assert signed_in(make_staff("admin")).get("/admin/auth/group/").status_code == 404


@pytest.mark.parametrize("name", ["q", "subject", "status", "o", "e"])
def test_a_character_that_no_text_has_breaks_no_list(name: str) -> None:
    client = signed_in(make_staff("admin"))
    lists = [model for model in admin.site._registry if not model._meta.abstract]
    for model in lists:
        path = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        answer = client.get(path, {name: "a\x00b"})
        assert answer.status_code in {400, 403}, path


def test_a_refused_address_is_no_traceback_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    answer = signed_in(make_staff("admin")).get("/admin/escrow/escrow/", {"q": "\x00"})
    assert answer.status_code == 400
    assert [record.exc_info for record in caplog.records if record.exc_info] == []
