"""A chargeback that comes while the money is given away: one of the two is first, never both."""

from functools import partial

import pytest

from escrow.errors import InsufficientEscrowBalance
from escrow.models import Escrow
from escrow.services.acceptance import approve_escrow
from escrow.services.journal import Said
from escrow.tests.books import assert_in_order as assert_escrows_in_order
from escrow.tests.factories import as_client
from escrow.tests.side_by_side import side_by_side
from payments.ledger import chart
from payments.ledger import selectors as ledger
from payments.models import Chargeback, Payment, PspEvent
from payments.services.events import process_event
from payments.services.sending import send_payment
from payments.tests.books import assert_in_order
from payments.tests.factories import charged_escrow, keep_event, take_event
from payments.tests.stub_psp import StubPsp

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("round_number", range(4))
def test_a_release_and_a_chargeback_at_once_pay_once(psp: StubPsp, round_number: int) -> None:
    escrow, funding = charged_escrow()
    keep_event("chargeback.opened", psp_ref="cb_1", payment_reference=funding.psp_ref)
    event = PspEvent.objects.get(type="chargeback.opened")

    def release() -> str:
        try:
            approve_escrow(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())
        except InsufficientEscrowBalance:
            return "refused"
        return "released"

    def take_back() -> str:
        process_event(event_id=event.pk)
        return "taken"

    calls = [release, take_back] if round_number % 2 else [take_back, release]
    said = side_by_side(calls)

    case = Chargeback.objects.get()
    escrow = Escrow.objects.get()
    if "released" in said:
        # The payment was there when the case came, so it waits; nothing was left to freeze.
        assert (case.frozen_minor, Payment.objects.get().hold_reason) == (0, "chargeback")
    else:
        assert (case.frozen_minor, escrow.released_minor) == (10_000, 0)
        assert not Payment.objects.exists()
    assert_in_order()
    assert_escrows_in_order()


@pytest.mark.parametrize("round_number", range(4))
def test_a_payment_is_sent_or_held_when_a_chargeback_comes(psp: StubPsp, round_number: int) -> None:
    escrow, funding = charged_escrow()
    approve_escrow(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())
    payment = Payment.objects.get()

    def send() -> None:
        send_payment(payment_id=payment.pk)

    def take_back() -> None:
        take_event("chargeback.opened", psp_ref="cb_1", payment_reference=funding.psp_ref)

    side_by_side([send, take_back] if round_number % 2 else [take_back, send])

    payment.refresh_from_db()
    state = (payment.status, payment.hold_reason, len(psp.sent))
    assert state in {("SENT", "", 1), ("PENDING", "chargeback", 0)}
    assert_in_order()


def test_one_case_told_by_eight_reports_at_once_is_opened_once(psp: StubPsp) -> None:
    _, funding = charged_escrow()
    for number in range(8):
        keep_event(
            "chargeback.lost" if number == 7 else "chargeback.opened",
            event_id=f"evt_{number}",
            psp_ref="cb_1",
            payment_reference=funding.psp_ref,
        )
    events = PspEvent.objects.filter(type__startswith="chargeback.")

    side_by_side([partial(process_event, event_id=event.pk) for event in events])

    case = Chargeback.objects.get()
    assert (case.status, case.owed_minor) == ("LOST", 0)
    assert ledger.balance_minor(chart.psp("fake"), "EUR") == 0
    assert_in_order()
    assert_escrows_in_order()
