"""The pages on which support looks after escrows and deposits."""

from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audit import selectors as audit_selectors
from audit.actions import Action
from audit.services.alerts import AlertType, Severity, raise_alert
from audit.services.entries import record_apart
from escrow.models import Deposit, DepositStatus, Escrow, EscrowStatus
from escrow.services.deposits import report_deposit
from escrow.services.disputes import open_dispute
from escrow.services.journal import Said
from escrow.tests.books import assert_in_order, payments_of
from escrow.tests.factories import as_client, make_escrow, minor_of
from kobatela.accounts.models import Approval, User
from kobatela.accounts.tests.factories import make_key, make_staff
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope

pytestmark = [pytest.mark.django_db, pytest.mark.console]
E = EscrowStatus
# What a browser sends with a form that asks for nothing.
SURE = {"csrfmiddlewaretoken": "x"}


def signed_in(user: User | None = None) -> Client:
    browser = Client()
    browser.force_login(user or make_staff())
    return browser


def page(escrow: Escrow, command: str = "change") -> str:
    return reverse(f"admin:escrow_escrow_{command}", args=[escrow.pk])


def deposit_page(deposit: Deposit, command: str = "change") -> str:
    return reverse(f"admin:escrow_deposit_{command}", args=[deposit.pk])


def a_pending_deposit(amount_minor: int = 10_000) -> Deposit:
    escrow = make_escrow(E.DRAFT, amount_total_minor=amount_minor)
    report_deposit(caller=as_client(escrow), escrow_id=escrow.pk, amount_in=minor_of(amount_minor))
    return Deposit.objects.get(escrow=escrow)


def test_the_page_shows_all_about_an_escrow_and_is_audited() -> None:
    escrow = make_escrow(
        milestones=[{"amount_minor": 3_000, "label": "Fundament <b>", "max_age_minutes": None}],
        release_conditions={"phase": "gros œuvre"},
    )
    shown = signed_in().get(page(escrow)).content.decode()
    for text in (
        "100.00 EUR",
        "FUNDED",
        "Fundament &lt;b&gt;",
        "any age",
        "psp:fake",
        "gros œuvre",
        "psp_hold",
        "escrow.created",
    ):
        assert text in shown
    entry = audit_selectors.entries(action="escrow.read").get()
    assert entry.actor.startswith("staff:")


def test_lists_are_searched_and_filtered() -> None:
    draft, funded = make_escrow(E.DRAFT), make_escrow()
    browser = signed_in()
    path = reverse("admin:escrow_escrow_changelist")

    def found(query: str) -> set[int]:
        answer = browser.get(f"{path}?{query}")
        assert answer.status_code == 200
        return {row.pk for row in answer.context["cl"].result_list}

    assert found("") == {draft.pk, funded.pk}
    assert found("status=DRAFT") == {draft.pk}
    assert found(f"q={funded.client.username}") >= {funded.pk}
    assert found(f"q={draft.pk}") >= {draft.pk}
    assert found("currency=USD") == set()
    assert found("due=month") == {draft.pk, funded.pk}
    assert found("due=over") == set()
    with clock.frozen(funded.deadline_at):
        assert found("due=over") == {draft.pk, funded.pk}


def test_lists_cost_the_same_for_many_rows(django_assert_max_num_queries: Any) -> None:
    for _ in range(12):
        make_escrow(E.DRAFT)
    browser = signed_in()
    path = reverse("admin:escrow_escrow_changelist")
    browser.get(path)
    with django_assert_max_num_queries(15):
        browser.get(path)


@pytest.mark.django_db(transaction=True)
def test_support_resolves_a_dispute() -> None:
    escrow = make_escrow(E.DISPUTED, milestones=[3_000])
    browser = signed_in()
    form = browser.get(page(escrow, "resolve")).content.decode()
    assert 'value="100.00"' in form
    sent = {"release": "30.00", "refund": "69.99", "note": "Heard both."}
    refused = browser.post(page(escrow, "resolve"), sent)
    assert "RESOLUTION_NOT_BALANCED" in refused.content.decode()
    done = browser.post(page(escrow, "resolve"), sent | {"refund": "70.00"})
    assert done.status_code == 302
    escrow.refresh_from_db()
    assert escrow.status == E.RELEASED
    assert payments_of(escrow) == [("payout", "psp", 3_000), ("refund", "psp", 7_000)]
    assert_in_order()


@pytest.mark.django_db(transaction=True)
def test_too_many_digits_are_refused_on_the_form() -> None:
    escrow = make_escrow(E.DISPUTED)
    sent = {"release": "0.005", "refund": "99.995", "note": "Heard both."}
    answer = signed_in().post(page(escrow, "resolve"), sent)
    assert "AMOUNT_PRECISION" in answer.content.decode()
    escrow.refresh_from_db()
    assert escrow.status == E.DISPUTED


def test_the_second_of_two_people_is_shown_what_the_first_approved() -> None:
    escrow = make_escrow(amount_total_minor=1_000_001)
    first, second = signed_in(), signed_in()
    first.post(page(escrow, "refund"), {"note": "Both asked."})
    escrow.refresh_from_db()
    assert escrow.status == E.FUNDED
    shown = second.get(page(escrow)).content.decode()
    assert "refund: 1 of 2" in shown
    assert "“Both asked.”" in shown
    second.post(page(escrow, "refund"), {"note": "I agree."})
    escrow.refresh_from_db()
    assert escrow.status == E.REFUNDED
    assert_in_order()


def test_an_approval_is_withdrawn_with_a_note() -> None:
    escrow = make_escrow(amount_total_minor=1_000_001)
    signed_in().post(page(escrow, "refund"), {"note": "Both asked."})
    browser = signed_in()
    browser.post(page(escrow, "withdraw_approval"), {"note": "They did not."})
    assert "1 of 2" not in browser.get(page(escrow)).content.decode()
    browser.post(page(escrow, "refund"), {"note": "Now they did."})
    escrow.refresh_from_db()
    assert escrow.status == E.FUNDED


def test_support_refunds_a_part_with_a_note_only() -> None:
    escrow = make_escrow(milestones=[3_000])
    browser = signed_in()
    browser.post(page(escrow, "refund"), {"amount": "70.00"})
    assert payments_of(escrow) == []
    browser.post(page(escrow, "refund"), {"amount": "70.00", "note": "Agreed."})
    escrow.refresh_from_db()
    assert (escrow.status, escrow.refunded_minor) == (E.FUNDED, 7_000)


def test_support_applies_a_passed_deadline() -> None:
    escrow = make_escrow()
    browser = signed_in()
    with clock.frozen(escrow.deadline_at):
        browser.post(page(escrow, "check_deadline"), SURE)
    escrow.refresh_from_db()
    assert escrow.status == E.REFUNDED


def test_support_confirms_a_deposit() -> None:
    deposit = a_pending_deposit()
    answer = signed_in().post(deposit_page(deposit, "confirm"), SURE)
    assert answer.status_code == 302
    deposit.refresh_from_db()
    assert (deposit.status, deposit.source) == (DepositStatus.CONFIRMED, "psp:manual")
    assert Escrow.objects.get(pk=deposit.escrow_id).status == E.FUNDED


def test_a_large_deposit_shows_how_many_have_confirmed_it() -> None:
    deposit = a_pending_deposit(1_000_001)
    first, second = signed_in(), signed_in()
    first.post(deposit_page(deposit, "confirm"), SURE)
    assert "1 of 2" in second.get(deposit_page(deposit)).content.decode()
    deposit.refresh_from_db()
    assert deposit.status == DepositStatus.PENDING
    second.post(deposit_page(deposit, "confirm"), SURE)
    deposit.refresh_from_db()
    assert deposit.status == DepositStatus.CONFIRMED


def test_support_rejects_a_deposit_with_a_note() -> None:
    deposit = a_pending_deposit()
    browser = signed_in()
    browser.post(deposit_page(deposit, "reject"), {})
    deposit.refresh_from_db()
    assert deposit.status == DepositStatus.PENDING
    browser.post(deposit_page(deposit, "reject"), {"note": "Nothing came."})
    deposit.refresh_from_db()
    assert deposit.status == DepositStatus.FAILED


def test_commands_that_make_no_sense_are_not_offered() -> None:
    escrow = make_escrow(E.RELEASED)
    shown = signed_in().get(page(escrow)).content.decode()
    for command in ("resolve", "refund", "check_deadline", "withdraw_approval"):
        assert page(escrow, command) not in shown


@pytest.mark.parametrize("command", ["change", "resolve", "refund", "check_deadline"])
def test_nobody_without_a_role_gets_in(command: str) -> None:
    escrow = make_escrow(E.DISPUTED)
    stranger = User.objects.create_user(
        username="nobody", email="nobody@example.org", password="password", is_staff=True
    )
    for browser in (Client(), signed_in(stranger)):
        answer = browser.post(page(escrow, command), {"note": "x", "release": 0, "refund": 100})
        assert answer.status_code in {302, 403}
    escrow.refresh_from_db()
    assert escrow.status == E.DISPUTED


def test_the_page_names_the_people_behind_keys_who_disputed_and_what_was_refused() -> None:
    escrow = make_escrow(milestones=[3_000])
    key, _ = make_key(Scope.SENDER, user=escrow.client)
    actor = f"apikey:{key.public_id}"
    caller = replace(as_client(escrow), actor=actor)
    open_dispute(caller=caller, escrow_id=escrow.pk, said=Said("The wall is crooked."))
    record_apart(
        actor=actor,
        action=Action.PROOF_REFUSED,
        subject=escrow.reference,
        body={"findings": [{"code": "STALE_TIMESTAMP", "data": {"age_minutes": 300}}]},
    )
    browser = signed_in()

    shown = browser.get(page(escrow))
    resolving = browser.get(page(escrow, "resolve")).content.decode()

    person = f"{escrow.client.username} by key “{key.name}” (sender {key.public_id})"
    found = shown.context["page"]
    assert (found.dispute.who, found.dispute.why) == (person, "The wall is crooked.")
    refused = next(item for item in found.timeline if item.was_refused)
    assert (refused.what, refused.who, refused.actor) == ("proof.refused", person, actor)
    assert dict(refused.data)["findings"] == "code STALE_TIMESTAMP, data age_minutes 300"
    for text in (person, "The wall is crooked.", "100.00 EUR", "1 Part 1: 30.00 EUR, WAITING"):
        assert text in resolving
    assert "One person is enough now." in resolving


def test_nobody_reads_minor_units_and_what_an_alert_or_an_approval_is_about_is_a_click_away() -> (
    None
):
    deposit = a_pending_deposit(1_000_001)
    browser = signed_in()
    confirming = deposit_page(deposit, "confirm")
    assert "Two people must ask for the same" in browser.get(confirming).content.decode()
    browser.post(confirming, SURE)
    approval = Approval.objects.get()
    alert = raise_alert(
        type=AlertType.DISPUTE_OPENED,
        severity=Severity.WARNING,
        subject=deposit.escrow.reference,
        message="Disputed.",
        payload={"held_minor": 1_000_001, "currency": "EUR"},
    )
    approval_page = reverse("admin:accounts_approval_change", args=[approval.pk])
    alert_page = reverse("admin:audit_alert_change", args=[alert.pk])
    for url in (deposit_page(deposit), approval_page, alert_page):
        shown = browser.get(url).content.decode()
        assert "10000.01 EUR" in shown
        assert "1000001" not in shown
    for url in (approval_page, reverse("admin:accounts_approval_changelist")):
        assert f'href="{deposit_page(deposit)}"' in browser.get(url).content.decode()
    for url in (alert_page, reverse("admin:audit_alert_changelist")):
        assert f'href="{page(deposit.escrow)}"' in browser.get(url).content.decode()
    assert "who asked for" in signed_in().get(confirming).content.decode()
