"""PSP events: stored once, processed once, never lost."""

from datetime import timedelta
from itertools import permutations

import pytest

from audit.models import Alert, AuditEntry
from conftest import Doorbells
from kobatela.accounts.tests.factories import make_staff_caller
from kobatela.kernel import clock
from kobatela.kernel.errors import InvalidState
from payments import selectors
from payments.errors import EventNotFound
from payments.models import Payment, PspEvent
from payments.psp.base import OrderState
from payments.services.events import (
    postpone_event,
    process_event,
    reprocess_event,
    store_event,
)
from payments.services.sweeps import sweep
from payments.tests.books import assert_in_order, at_psp
from payments.tests.factories import (
    event_body,
    keep_event,
    make_payout,
    make_refund,
    make_sent,
    make_settled,
    take_event,
)
from payments.tests.stub_psp import UNKNOWN, StubPsp

pytestmark = pytest.mark.django_db


def test_an_event_is_kept_as_it_came(psp: StubPsp, doorbells: Doorbells) -> None:
    body = event_body("payment.settled", event_id="evt_a", psp_ref="tr_1")

    stored = store_event(body=body, secret_id="next")

    event = PspEvent.objects.get()
    assert (stored.event_id, stored.is_duplicate) == ("evt_a", False)
    assert (bytes(event.body), event.secret_id, event.status) == (body, "next", "RECEIVED")


def test_d36_a_repeat_is_recognised_for_ever_and_has_no_effect(psp: StubPsp) -> None:
    payment = make_sent(psp)
    body = event_body("payment.settled", event_id="evt_a", psp_ref=payment.psp_ref)
    store_event(body=body, secret_id="primary")
    process_event(event_id=PspEvent.objects.get().pk)

    repeated = store_event(body=body, secret_id="primary")

    assert repeated.is_duplicate
    process_event(event_id=PspEvent.objects.get().pk)
    assert PspEvent.objects.count() == 1
    assert at_psp() == 0
    assert AuditEntry.objects.filter(action="payment.settled").count() == 1
    assert not Alert.objects.exists()


def test_d36_a_delivery_whose_processing_broke_is_not_lost(
    psp: StubPsp, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = make_sent(psp)
    keep_event("payment.settled", psp_ref=payment.psp_ref)
    event = PspEvent.objects.get()

    def crash(**_values: object) -> None:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr("payments.services.reports.record_outcome", crash)
        with pytest.raises(RuntimeError):
            process_event(event_id=event.pk)
    event.refresh_from_db()
    assert event.status == "RECEIVED"

    with clock.frozen(clock.now() + timedelta(minutes=1)):
        assert sweep()["events"] == 1
    payment.refresh_from_db()
    assert payment.status == "SETTLED"


def test_the_same_id_with_another_body_alerts_and_changes_nothing(psp: StubPsp) -> None:
    first, second = make_sent(psp), make_sent(psp)
    take_event("payment.settled", event_id="evt_a", psp_ref=first.psp_ref)

    stored = keep_event("payment.settled", event_id="evt_a", psp_ref=second.psp_ref)

    second.refresh_from_db()
    assert (stored.is_duplicate, second.status) == (True, "SENT")
    assert Alert.objects.get().type == "PSP_EVENT_CONTRADICTS"


def test_two_providers_may_use_the_same_id(psp: StubPsp) -> None:
    payment = make_sent(psp)
    keep_event("payment.settled", event_id="1", provider="other")

    take = store_event(
        body=event_body("payment.settled", event_id="1", psp_ref=payment.psp_ref, provider="fake"),
        secret_id="primary",
    )

    assert not take.is_duplicate
    assert PspEvent.objects.count() == 2


@pytest.mark.parametrize("name", ["payment.settled", "payment_succeeded"])
def test_a_settlement_is_found_by_either_reference(psp: StubPsp, name: str) -> None:
    by_psp, by_key, in_other_field = make_sent(psp), make_sent(psp), make_sent(psp)

    take_event(name, psp_ref=by_psp.psp_ref)
    take_event(name, payment_reference=by_key.psp_key)
    take_event(name, payment_reference=in_other_field.psp_ref)

    assert set(Payment.objects.values_list("status", flat=True)) == {"SETTLED"}
    assert_in_order()


def test_a_report_that_overtakes_the_answer_to_our_call_finds_its_payment(psp: StubPsp) -> None:
    psp.next_answers = [UNKNOWN]
    payment = make_payout()
    make_sent(psp, payment)
    assert not payment.psp_ref

    event = take_event("payment.settled", psp_ref="tr_77", payment_reference=payment.psp_key)

    payment.refresh_from_db()
    assert (event.status, event.payment_id) == ("PROCESSED", payment.pk)
    assert (payment.status, payment.psp_ref) == ("SETTLED", "tr_77")


def test_an_event_about_something_unknown_waits_and_then_has_its_effect(psp: StubPsp) -> None:
    payment = make_payout()
    event = take_event("payment.settled", psp_ref="tr_1")
    assert (event.status, event.reason) == ("WAITING", "UNKNOWN_OBJECT")

    make_sent(psp, payment)
    with clock.frozen(clock.now() + timedelta(minutes=1)):
        sweep()

    event.refresh_from_db()
    payment.refresh_from_db()
    assert (event.status, payment.status) == ("PROCESSED", "SETTLED")


def test_an_event_waits_72_hours_at_most_then_staff_is_told(psp: StubPsp) -> None:
    start = clock.now()
    event = take_event("payment.settled", psp_ref="tr_of_nobody")

    with clock.frozen(start + timedelta(hours=71, minutes=59)):
        process_event(event_id=event.pk)
        event.refresh_from_db()
        assert event.status == "WAITING"
        assert not Alert.objects.exists()
    with clock.frozen(start + timedelta(hours=72, minutes=1)):
        process_event(event_id=event.pk)
    event.refresh_from_db()
    assert (event.status, event.reason) == ("FAILED", "NEVER_MATCHED")
    assert Alert.objects.get().type == "PSP_EVENT_UNMATCHED"


def test_the_waits_grow_to_an_hour(psp: StubPsp) -> None:
    event = take_event("payment.settled", psp_ref="tr_of_nobody")
    waits = []
    with clock.frozen(clock.now()):
        for _ in range(12):
            postpone_event(event_id=event.pk)
            event.refresh_from_db()
            waits.append(int((event.next_try_at - clock.now()).total_seconds()))

    assert waits == [10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600, 3_600, 3_600]


def test_a_type_without_effect_here_is_kept_and_ignored(psp: StubPsp) -> None:
    payment = make_sent(psp)

    event = take_event("balance.available", psp_ref=payment.psp_ref)

    payment.refresh_from_db()
    assert (event.status, payment.status) == ("IGNORED", "SENT")


@pytest.mark.parametrize("outcome", ["opened", "won", "lost"])
def test_a_chargeback_of_a_charge_that_is_not_known_waits(psp: StubPsp, outcome: str) -> None:
    event = take_event(f"chargeback.{outcome}", psp_ref="ch_1")

    assert (event.status, event.reason) == ("WAITING", "UNKNOWN_OBJECT")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "NO_REFERENCE"),
        ({"psp_ref": "tr_1", "amount": "100.001"}, "AMOUNT_INVALID"),
        ({"psp_ref": "tr_1", "payment_reference": "tr_2"}, "AMBIGUOUS"),
    ],
)
def test_a_report_that_cannot_be_taken_is_shown_to_staff(
    psp: StubPsp, fields: dict[str, str], reason: str
) -> None:
    make_sent(psp), make_sent(psp)

    event = take_event("payment.settled", **fields)

    assert (event.status, event.reason) == ("FAILED", reason)
    assert set(Payment.objects.values_list("status", flat=True)) == {"SENT"}
    assert Alert.objects.get().subject == event.reference


def test_a_refund_report_settles_no_payout(psp: StubPsp) -> None:
    payout, refund = make_sent(psp), make_sent(psp, make_refund())

    wrong = take_event("refund.settled", psp_ref=payout.psp_ref)
    right = take_event("refund.settled", psp_ref=refund.psp_ref)

    payout.refresh_from_db()
    refund.refresh_from_db()
    assert (wrong.status, wrong.reason, payout.status) == ("FAILED", "OTHER_KIND", "SENT")
    assert (right.status, refund.status) == ("PROCESSED", "SETTLED")


def test_an_amount_that_differs_settles_nothing(psp: StubPsp) -> None:
    payment = make_sent(psp)

    take_event("payment.settled", psp_ref=payment.psp_ref, amount="99.99", currency="EUR")

    payment.refresh_from_db()
    assert payment.status == "SENT"
    assert Alert.objects.get().type == "RECONCILIATION_MISMATCH"


def test_staff_has_an_event_processed_again(psp: StubPsp) -> None:
    event = take_event("payment.settled", payment_reference="koba_unknown", amount="x")
    staff = make_staff_caller("support")
    assert event.status == "WAITING"
    reprocess_event(event_id=event.pk, caller=staff)
    assert AuditEntry.objects.filter(action="psp_event.reprocessed").count() == 1

    settled = take_event("payment.settled", psp_ref=make_sent(psp).psp_ref)
    with pytest.raises(InvalidState):
        reprocess_event(event_id=settled.pk, caller=staff)
    with pytest.raises(EventNotFound):
        reprocess_event(event_id=settled.pk + 100, caller=staff)
    assert selectors.get_event(settled.pk).status == "PROCESSED"


@pytest.mark.parametrize("order", list(permutations(["settled", "settled", "returned", "answer"])))
def test_every_order_of_events_and_answers_ends_the_same(
    psp: StubPsp, order: tuple[str, ...]
) -> None:
    # The call's own answer is among what may come late: until then only our key is known.
    psp.next_answers = [UNKNOWN]
    payment = make_sent(psp, make_payout())

    for number, word in enumerate(order):
        if word == "answer":
            with clock.frozen(clock.now() + timedelta(hours=1)):
                sweep()
        else:
            take_event(
                f"payment.{word}",
                event_id=f"evt_{word}_{number}",
                psp_ref="tr_1",
                payment_reference=payment.psp_key,
                amount="100.00",
                currency="EUR",
            )

    payment.refresh_from_db()
    assert (payment.status, payment.psp_ref) == ("REFUNDED", "tr_1")
    assert Payment.objects.count() == 2
    assert at_psp() == 10_000
    assert len(psp.orders) == 1
    assert_in_order()


def test_a_settled_payment_stays_so_when_the_record_is_looked_at_late(psp: StubPsp) -> None:
    payment = make_settled(psp)
    psp.set_state(payment.psp_key, OrderState.FAILED)
    with clock.frozen(clock.now() + timedelta(hours=2)):
        sweep()
    payment.refresh_from_db()
    assert payment.status == "SETTLED"
