"""The console pages of payments and the ledger."""

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import AuditEntry
from escrow.tests.factories import as_client, make_escrow
from kobatela.accounts.tests.factories import make_staff
from kobatela.kernel import clock
from kobatela.kernel.money import Money
from payments.ledger.models import Account, Transfer
from payments.models import Attempt, Funding, Payment, PspEvent
from payments.psp.base import OrderState, Outcome, Reason
from payments.services.fundings import open_session
from payments.services.sending import GIVE_UP_AFTER, send_payment
from payments.tests.books import assert_in_order
from payments.tests.factories import make_failed, make_payout, make_refund, make_settled, take_event
from payments.tests.stub_psp import UNKNOWN, StubPsp

pytestmark = [pytest.mark.console, pytest.mark.django_db]


@pytest.fixture
def console() -> Client:
    """Somebody of support, signed in."""
    client = Client()
    client.force_login(make_staff("support"))
    return client


def page(console: Client, name: str, *arguments: object) -> str:
    """The text of a page that must be there."""
    response = console.get(reverse(f"admin:{name}", args=arguments))
    assert response.status_code == 200
    return str(response.content.decode())


def command(console: Client, payment: Payment, name: str) -> str:
    """Give a command on a payment; the page that follows."""
    path = reverse(f"admin:payments_payment_{name}", args=[payment.pk])
    response = console.post(path, {"sure": "yes"}, follow=True)
    assert response.status_code == 200
    payment.refresh_from_db()
    return str(response.content.decode())


def test_a_payment_shows_postings_attempts_and_events(psp: StubPsp, console: Client) -> None:
    payment = make_settled(psp)
    take_event("payment.settled", event_id="evt_shown", psp_ref=payment.psp_ref)

    shown = page(console, "payments_payment_change", payment.pk)

    for words in (
        f"payment:{payment.pk}:in_transit",
        f"user:{payment.payee_id}:payable",
        "100.00 EUR",
        payment.psp_key,
        "tr_1",
        "evt_shown",
    ):
        assert words in shown, words


def test_staff_reads_the_psps_own_words(psp: StubPsp, console: Client) -> None:
    psp.next_answers = [
        Outcome(OrderState.FAILED, reason=Reason.PSP_REFUSED, message="<b>call Bob</b>")
    ]
    payment = make_payout()
    send_payment(payment_id=payment.pk)
    assert "&lt;b&gt;call Bob&lt;/b&gt;" in page(console, "payments_payment_change", payment.pk)


def test_a_failed_payment_is_executed_from_the_console(psp: StubPsp, console: Client) -> None:
    payment = make_failed(psp)

    said = command(console, payment, "execute")

    assert "The payment is on its way" in said
    assert (payment.status, payment.attempt) == ("PENDING", 2)
    entry = AuditEntry.objects.get(action="payment.retried")
    assert entry.actor.startswith("staff:")


def test_holding_and_lifting(psp: StubPsp, console: Client) -> None:
    payment = make_payout()
    command(console, payment, "hold")
    assert payment.hold_reason == "staff"
    assert "lift the hold first" in command(console, payment, "execute")
    command(console, payment, "lift")
    assert (payment.hold_reason, payment.reason) == ("", "")


def test_an_external_refund_is_confirmed_from_the_console(psp: StubPsp, console: Client) -> None:
    payment = make_refund("psp:manual")
    command(console, payment, "confirm")
    assert payment.status == "SETTLED"
    assert_in_order()


def test_two_people_give_up_from_the_console_what_the_psp_never_got(
    psp: StubPsp, console: Client
) -> None:
    psp.next_answers, psp.accepts = [UNKNOWN], False
    payment = make_payout()
    send_payment(payment_id=payment.pk)
    assert "may still get it" in command(console, payment, "never_received")
    Attempt.objects.update(started_at=clock.now() - GIVE_UP_AFTER)
    other = Client()
    other.force_login(make_staff("admin"))

    assert "Another person must say the same." in command(console, payment, "never_received")
    assert payment.status == "SENT"
    assert "can be executed again" in command(other, payment, "never_received")

    assert (payment.status, payment.reason) == ("ERROR", "NEVER_RECEIVED")
    assert_in_order()


def test_a_command_that_does_not_fit_says_why(psp: StubPsp, console: Client) -> None:
    payment = make_settled(psp)
    path = reverse("admin:payments_payment_execute", args=[payment.pk])
    assert "It has ended." in console.get(path).content.decode()
    assert "The PSP reports this payment." in command(console, payment, "confirm")
    assert payment.status == "SETTLED"


@pytest.mark.parametrize("word", ["tr_1", "1", "nothing", "test:1:release"])
def test_lists_are_searched(psp: StubPsp, console: Client, word: str) -> None:
    make_settled(psp)
    take_event("payment.settled", psp_ref="tr_1")
    for name in (
        "payments_payment",
        "payments_funding",
        "payments_pspevent",
        "ledger_account",
        "ledger_transfer",
    ):
        response = console.get(reverse(f"admin:{name}_changelist"), {"q": word})
        assert response.status_code == 200, name


def test_the_books_are_read(psp: StubPsp, console: Client) -> None:
    payment = make_settled(psp)
    account = Account.objects.get(code=f"user:{payment.payee_id}:payable")
    transfer = Transfer.objects.get(business_key=payment.business_key)

    assert payment.business_key in page(console, "ledger_account_change", account.pk)
    shown = page(console, "ledger_transfer_change", transfer.pk)
    assert f"escrow:{payment.escrow_id}:held" in shown
    assert "psp:fake" in page(console, "ledger_account_changelist")


def test_the_secret_of_a_session_is_shown_to_nobody(psp: StubPsp, console: Client) -> None:
    escrow = make_escrow("DRAFT")
    open_session(
        caller=as_client(escrow),
        escrow_id=escrow.pk,
        payer_id=escrow.client_id,
        money=Money(10_000, "EUR"),
    )
    funding = Funding.objects.get()
    assert funding.client_secret not in page(console, "payments_funding_change", funding.pk)


def test_an_event_is_shown_as_it_came_and_processed_again(psp: StubPsp, console: Client) -> None:
    event = take_event("payment.settled", psp_ref="tr_of_nobody")

    assert "tr_of_nobody" in page(console, "payments_pspevent_change", event.pk)
    path = reverse("admin:payments_pspevent_reprocess", args=[event.pk])
    said = console.post(path, {"sure": "yes"}, follow=True).content.decode()

    assert "A worker will look at the event again." in said
    assert PspEvent.objects.get().status == "WAITING"


@pytest.mark.parametrize("name", ["payment", "funding", "pspevent"])
def test_nothing_is_added_or_deleted_by_form(psp: StubPsp, console: Client, name: str) -> None:
    make_payout()
    assert console.get(reverse(f"admin:payments_{name}_add")).status_code == 403
