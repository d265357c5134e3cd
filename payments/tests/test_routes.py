"""Which PSP makes a payment and where it pays: decided when it is sent."""

from datetime import timedelta

import pytest
from pytest_django import Settings

from audit.models import AuditEntry
from audit.services.switches import SwitchName, set_switch
from kobatela.accounts.tests.factories import make_caller, make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from payments import selectors
from payments.models import Destination, Payment
from payments.services.destinations import deactivate_destination
from payments.services.payouts import execute_payment
from payments.services.sending import send_payment
from payments.services.sweeps import sweep
from payments.tests.accounts import make_destination
from payments.tests.books import assert_in_order, funds, payable
from payments.tests.factories import funded_escrow, make_payout, make_refund
from payments.tests.stub_psp import StubPsp

pytestmark = pytest.mark.django_db


def payout_to(kind: str | None, currency: str = "XOF", **overrides: str) -> Payment:
    """A payout to somebody with a destination of this kind, or with none."""
    provider = make_user()
    if kind is not None:
        make_destination(provider, kind, **overrides)
    return make_payout(funded_escrow(5_000, currency, provider=provider), 5_000)


def take_back(destination: Destination) -> None:
    deactivate_destination(
        caller=make_caller(Scope.PROVIDER, destination.user),
        user_id=destination.owner_id,
        destination_id=destination.pk,
    )


def to_collect(currency: str) -> list[Payment]:
    """What a batch of mobile money would take."""
    return list(selectors.payments_to_collect(currency, "mobile_money", clock.now()))


def routed(payment: Payment) -> tuple[str, str, str, str]:
    """Where a payment stands."""
    payment.refresh_from_db()
    return payment.psp, payment.destination, payment.status, payment.reason


def test_a_user_without_a_destination_is_paid_by_the_sandbox_under_their_id(psp: StubPsp) -> None:
    payment = payout_to(None)
    send_payment(payment_id=payment.pk)
    assert routed(payment) == ("fake", f"fake:{payment.payee_id}", "SENT", "")


@pytest.mark.parametrize("kind", ["mobile_money", "bank"])
def test_an_account_without_an_api_is_paid_by_people(psp: StubPsp, kind: str) -> None:
    payment = payout_to(kind)
    reference = Destination.objects.get().reference
    send_payment(payment_id=payment.pk)
    sweep()
    assert routed(payment) == ("manual", reference, "PENDING", "")
    assert psp.sent == []


def test_a_connected_account_is_paid_by_the_online_psp(psp: StubPsp) -> None:
    payment = payout_to("stripe")
    send_payment(payment_id=payment.pk)
    assert routed(payment) == ("fake", "acct_1AbCdEfGhIjK", "SENT", "")


def test_an_account_of_another_currency_is_not_paid(psp: StubPsp) -> None:
    payment = payout_to("mobile_money", currency="EUR")
    assert payment.psp == "manual"
    other = make_user()
    make_destination(other, currency="XOF")
    assert make_payout(funded_escrow(5_000, "EUR", provider=other), 5_000).psp == "fake"


def test_the_destination_counts_that_is_there_when_the_payment_is_sent(psp: StubPsp) -> None:
    payment = payout_to(None)
    destination = make_destination(payment.payee)

    send_payment(payment_id=payment.pk)

    assert routed(payment) == ("manual", destination.reference, "PENDING", "")
    assert psp.sent == []
    entry = AuditEntry.objects.get(action="payment.routed")
    assert (entry.subject, entry.stream) == (payment.reference, f"escrow:{payment.escrow_id}")

    take_back(destination)
    send_payment(payment_id=payment.pk)
    assert routed(payment) == ("fake", f"fake:{payment.payee_id}", "SENT", "")
    assert_in_order()


def test_a_payment_waits_for_a_destination_and_goes_on_with_it(
    psp: StubPsp, settings: Settings
) -> None:
    settings.KOBATELA_PSP = "manual"
    payment = payout_to(None)
    assert routed(payment) == ("manual", "", "PENDING", "DESTINATION_MISSING")
    assert to_collect("XOF") == []
    sweep()
    assert routed(payment)[3] == "DESTINATION_MISSING"

    destination = make_destination(payment.payee)
    assert sweep()["routed"] == 1

    assert routed(payment) == ("manual", destination.reference, "PENDING", "")
    assert to_collect("XOF") == [payment]
    assert payable(payment) == 5_000


def test_a_cooling_destination_keeps_the_payment_waiting_until_it_is_usable(
    psp: StubPsp, settings: Settings
) -> None:
    settings.KOBATELA_DESTINATION_COOLING_S = 3600
    start = clock.now()
    with clock.frozen(start):
        # Who has named an account is not paid to another one meanwhile.
        payment = payout_to("stripe")
        assert routed(payment)[2:] == ("PENDING", "DESTINATION_MISSING")
    with clock.frozen(start + timedelta(seconds=3599)):
        sweep()
        execute_payment(payment_id=payment.pk, caller=make_caller(Scope.SUPPORT))
        send_payment(payment_id=payment.pk)
        assert routed(payment)[2:] == ("PENDING", "DESTINATION_MISSING")
        assert psp.sent == []
    with clock.frozen(start + timedelta(seconds=3600)):
        assert sweep()["routed"] == 1
    assert routed(payment)[2:] == ("SENT", "")
    assert len(psp.sent) == 1
    assert_in_order()


def test_payments_that_wait_do_not_keep_others_from_being_swept(
    psp: StubPsp, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("payments.services.sweeps.BATCH", 2)
    settings.KOBATELA_DESTINATION_COOLING_S = 3600
    for _ in range(3):
        payout_to("stripe")
    ready = payout_to(None)
    with clock.frozen(clock.now() + timedelta(minutes=1)):
        sweep()
    assert routed(ready)[2] == "SENT"


def test_a_refund_of_what_support_confirmed_goes_into_a_batch_if_it_can(psp: StubPsp) -> None:
    outside = make_refund("psp:manual")
    client = make_user()
    destination = make_destination(client)
    inside = make_refund("psp:manual", client=client)

    assert (outside.method, outside.status) == ("external", "SENT")
    assert (inside.method, inside.status, inside.psp) == ("psp", "PENDING", "manual")
    assert inside.destination == destination.reference
    assert to_collect("EUR") == [inside]
    assert funds(inside) == 10_000


def test_a_refund_of_psp_money_needs_no_destination(psp: StubPsp) -> None:
    client = make_user()
    make_destination(client)
    payment = make_refund(client=client)
    send_payment(payment_id=payment.pk)
    assert routed(payment) == ("fake", "", "SENT", "")


def test_a_payment_whose_destination_went_waits_for_another_one(
    psp: StubPsp, settings: Settings
) -> None:
    settings.KOBATELA_PSP = "manual"
    payment = payout_to("mobile_money")
    assert sweep()["routed"] == 0
    take_back(Destination.objects.get())

    assert sweep()["routed"] == 1

    assert routed(payment) == ("manual", "", "PENDING", "DESTINATION_MISSING")
    assert sweep()["routed"] == 0


def test_a_paused_installation_routes_nothing(psp: StubPsp, settings: Settings) -> None:
    settings.KOBATELA_PSP = "manual"
    payment = payout_to(None)
    make_destination(payment.payee)
    set_switch(name=SwitchName.PAYOUTS_PAUSED, is_on=True, reason="a drill", actor="staff:1")
    assert sweep()["routed"] == 0
    assert routed(payment)[3] == "DESTINATION_MISSING"
