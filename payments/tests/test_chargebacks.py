"""Money that a payer's bank takes back: where it goes in the books, and what waits meanwhile."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import permutations
from typing import Any

import pytest
from django.db import transaction

from audit.models import Alert, AuditEntry
from conftest import Doorbells
from escrow.models import Escrow
from escrow.selectors import lock_escrow
from escrow.services.acceptance import approve_escrow
from escrow.services.journal import Acting, Said, save_escrow
from escrow.services.outcomes import pay
from escrow.services.refunds import refund_escrow
from escrow.tests.books import assert_in_order as assert_escrows_in_order
from escrow.tests.factories import as_client, as_provider, milestone_of, minor_of
from kobatela.accounts.tests.factories import make_staff_caller
from kobatela.kernel.errors import InvalidState
from payments.errors import PaymentOnHold
from payments.ledger import chart
from payments.ledger import selectors as ledger
from payments.ledger.chart import AccountRef
from payments.models import Chargeback, Funding, Payment, PspEvent
from payments.psp.base import OrderState
from payments.services.chargebacks import write_off
from payments.services.holds import hold_payment, lift_hold
from payments.services.payouts import execute_payment
from payments.services.sending import send_payment
from payments.tests.books import assert_in_order, at_psp
from payments.tests.factories import (
    charge,
    charged_escrow,
    make_failed,
    make_sent,
    make_settled,
    report,
    take_event,
)
from payments.tests.stub_psp import StubPsp

pytestmark = pytest.mark.django_db
SUPPORT = "support"


def tell(what: str, funding: Funding, case: str = "cb_1", **fields: Any) -> PspEvent:
    """The PSP reports something of a case about a charge."""
    return take_event(
        f"chargeback.{what}", psp_ref=case, payment_reference=funding.psp_ref, **fields
    )


def balance(account: AccountRef) -> int:
    """What is on an account, in euro cents."""
    return ledger.balance_minor(account, "EUR")


def books(case: Chargeback) -> dict[str, int]:
    """Every account that a chargeback may touch."""
    accounts = {
        "psp": chart.psp(case.psp),
        "pending": chart.chargeback_pending(case.pk),
        "frozen": chart.chargeback_frozen(case.pk),
        "held": chart.escrow_held(case.escrow_id),
        "funds": chart.user_funds(case.payer_id),
        "owed": chart.receivable(case.payer_id),
        "loss": chart.chargeback_loss(),
    }
    return {name: found for name, account in accounts.items() if (found := balance(account))}


def in_order() -> None:
    """Books, payments and escrows agree."""
    assert_in_order()
    assert_escrows_in_order()


def release(escrow: Escrow, amount_minor: int) -> Payment:
    """A part of what the escrow holds, released to its provider."""
    with transaction.atomic():
        locked = lock_escrow(escrow.pk)
        key = f"test:{locked.pk}:{locked.released_minor}"
        payment = pay(locked, None, amount_minor, Acting("system:tests"), business_key=key)
        save_escrow(locked)
    return payment


def the_case() -> Chargeback:
    """The only case there is."""
    return Chargeback.objects.get()


def test_an_open_case_freezes_what_is_held_of_the_charge(psp: StubPsp) -> None:
    escrow, funding = charged_escrow()

    event = tell("opened", funding, amount="40.00", currency="EUR")

    case = the_case()
    assert (event.status, event.funding_id) == ("PROCESSED", funding.pk)
    assert (case.status, case.amount_minor, case.frozen_minor) == ("OPEN", 4_000, 4_000)
    assert books(case) == {"psp": 6_000, "pending": 4_000, "frozen": 4_000, "held": 6_000}
    alert = Alert.objects.get()
    assert (alert.type, alert.severity) == ("CHARGEBACK_OPENED", "critical")
    assert alert.subject == escrow.reference
    in_order()


def test_without_an_amount_all_of_the_charge_is_taken_back(psp: StubPsp) -> None:
    _, funding = charged_escrow()
    tell("opened", funding)
    assert books(the_case()) == {"pending": 10_000, "frozen": 10_000}


def test_a_case_that_names_only_its_charge_is_named_after_it(psp: StubPsp) -> None:
    _, funding = charged_escrow()

    take_event("chargeback.opened", psp_ref=funding.psp_ref)
    take_event("chargeback.won", payment_reference=funding.psp_ref)

    assert (the_case().psp_ref, the_case().status) == (funding.psp_ref, "WON")


def test_the_end_of_a_case_may_name_the_case_alone(psp: StubPsp) -> None:
    _, funding = charged_escrow()
    tell("opened", funding)
    take_event("chargeback.lost", psp_ref="cb_1")
    assert the_case().status == "LOST"


def test_a_won_case_leaves_everything_as_it_was(psp: StubPsp) -> None:
    escrow, funding = charged_escrow()
    tell("opened", funding)

    tell("won", funding)

    escrow.refresh_from_db()
    assert books(the_case()) == {"psp": 10_000, "held": 10_000}
    assert (escrow.funded_minor, escrow.frozen_minor, escrow.status) == (10_000, 0, "FUNDED")
    in_order()


def test_a_lost_case_takes_what_was_frozen_and_lowers_funded(psp: StubPsp) -> None:
    escrow, funding = charged_escrow()
    tell("opened", funding, amount="40.00")

    tell("lost", funding)

    escrow.refresh_from_db()
    assert books(the_case()) == {"psp": 6_000, "held": 6_000}
    assert (escrow.funded_minor, escrow.held_minor, escrow.status) == (6_000, 6_000, "FUNDED")
    assert the_case().owed_minor == 0
    in_order()


def test_what_was_paid_on_is_owed_by_the_payer(psp: StubPsp) -> None:
    escrow, funding = charged_escrow()
    approve_escrow(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())
    make_settled(psp, Payment.objects.get())

    tell("opened", funding)
    assert books(the_case()) == {"psp": -10_000, "pending": 10_000}
    tell("lost", funding)

    escrow.refresh_from_db()
    assert books(the_case()) == {"psp": -10_000, "owed": 10_000}
    assert (escrow.funded_minor, escrow.released_minor) == (10_000, 10_000)
    in_order()


def test_a_debt_that_nobody_will_pay_becomes_a_loss_once(psp: StubPsp) -> None:
    escrow, funding = charged_escrow()
    approve_escrow(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())
    make_settled(psp, Payment.objects.get())
    tell("lost", funding)
    first = make_staff_caller("admin")

    for _ in range(2):
        assert not write_off(chargeback_id=the_case().pk, caller=first).approvals.granted
    assert books(the_case()) == {"psp": -10_000, "owed": 10_000}
    for _ in range(2):
        write_off(chargeback_id=the_case().pk, caller=make_staff_caller("admin"))

    assert books(the_case()) == {"psp": -10_000, "loss": 10_000}
    assert AuditEntry.objects.filter(action="chargeback.written_off").count() == 1
    in_order()


def test_a_case_that_left_no_debt_is_not_written_off(psp: StubPsp) -> None:
    _, funding = charged_escrow()
    tell("lost", funding)
    with pytest.raises(InvalidState):
        write_off(chargeback_id=the_case().pk, caller=make_staff_caller("admin"))
    assert books(the_case()) == {}


def test_a_refund_that_was_not_sent_is_kept_back_for_ever(psp: StubPsp) -> None:
    escrow, funding = charged_escrow()
    refund_escrow(caller=as_provider(escrow), escrow_id=escrow.pk, amount_in=None)
    refund = Payment.objects.get()
    tell("opened", funding)
    refund.refresh_from_db()
    assert (refund.status, refund.hold_reason, refund.reason) == (
        "PENDING",
        "chargeback",
        "ON_HOLD",
    )

    tell("lost", funding)

    refund.refresh_from_db()
    assert (refund.status, refund.hold_reason) == ("PENDING", "charged_back")
    assert refund.reason == "CHARGED_BACK"
    assert books(the_case()) == {}
    staff = make_staff_caller(SUPPORT)
    with pytest.raises(PaymentOnHold):
        execute_payment(payment_id=refund.pk, caller=staff)
    for refused in (lift_hold, hold_payment):
        with pytest.raises(InvalidState):
            refused(payment_id=refund.pk, caller=staff)
    send_payment(payment_id=refund.pk)
    assert psp.sent == []
    in_order()


def test_of_a_larger_refund_the_rest_still_goes_back(psp: StubPsp) -> None:
    escrow, funding = charged_escrow()
    refund_escrow(caller=as_provider(escrow), escrow_id=escrow.pk, amount_in=None)

    tell("lost", funding, amount="30.00")

    kept, rest = Payment.objects.order_by("pk")
    assert (kept.hold_reason, kept.amount_minor) == ("charged_back", 10_000)
    assert (rest.status, rest.hold_reason, rest.amount_minor) == ("PENDING", "", 7_000)
    assert rest.charge_ref == funding.psp_ref
    make_settled(psp, rest)
    assert books(the_case()) == {}
    in_order()


@pytest.mark.parametrize(
    ("waits_for", "hold"),
    [("staff", "staff"), ("nothing", "returned"), ("contradiction", "contradiction")],
)
def test_the_rest_of_a_refund_that_waited_is_not_sent_by_itself(
    psp: StubPsp, waits_for: str, hold: str
) -> None:
    escrow, funding = charged_escrow()
    refund_escrow(caller=as_provider(escrow), escrow_id=escrow.pk, amount_in=None)
    refund = Payment.objects.get()
    if waits_for == "staff":
        hold_payment(payment_id=refund.pk, caller=make_staff_caller(SUPPORT))
    else:
        make_failed(psp, refund)
    if waits_for == "contradiction":
        report(refund, OrderState.SETTLED)
    sent = len(psp.sent)

    tell("opened", funding, amount="30.00")
    tell("lost", funding)

    kept, rest = Payment.objects.order_by("pk")
    assert (kept.hold_reason, rest.amount_minor) == ("charged_back", 7_000)
    assert (rest.status, rest.hold_reason, rest.reason) == ("PENDING", hold, "ON_HOLD")
    send_payment(payment_id=rest.pk)
    assert len(psp.sent) == sent
    in_order()


def test_a_refund_under_way_that_fails_is_not_tried_again_while_the_case_is_open(
    psp: StubPsp,
) -> None:
    escrow, funding = charged_escrow()
    refund_escrow(caller=as_provider(escrow), escrow_id=escrow.pk, amount_in=None)
    refund = make_sent(psp, Payment.objects.get())
    tell("opened", funding)
    report(refund, OrderState.FAILED)
    staff = make_staff_caller(SUPPORT)

    with pytest.raises(PaymentOnHold):
        execute_payment(payment_id=refund.pk, caller=staff)
    tell("won", funding)
    execute_payment(payment_id=refund.pk, caller=staff)

    send_payment(payment_id=refund.pk)
    assert len(psp.sent) == 2
    in_order()


def test_payments_of_the_escrow_wait_and_go_on_when_it_is_won(
    psp: StubPsp,
    doorbells: Doorbells,
    django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[Any]],
) -> None:
    escrow, funding = charged_escrow()
    waiting = release(escrow, 1_000)
    failed = make_failed(psp, release(escrow, 2_000))
    tell("opened", funding, amount="10.00")
    waiting.refresh_from_db()
    failed.refresh_from_db()
    assert (waiting.hold_reason, waiting.reason) == ("chargeback", "ON_HOLD")
    assert (failed.hold_reason, failed.reason) == ("chargeback", "PSP_REFUSED")
    send_payment(payment_id=waiting.pk)
    made_meanwhile = release(escrow, 500)
    assert (made_meanwhile.hold_reason, made_meanwhile.reason) == ("chargeback", "ON_HOLD")
    assert len(psp.sent) == 1
    doorbells.rung.clear()

    with django_capture_on_commit_callbacks(execute=True):
        tell("won", funding)

    waiting.refresh_from_db()
    failed.refresh_from_db()
    assert (waiting.hold_reason, waiting.reason) == ("", "")
    assert (failed.status, failed.hold_reason, failed.reason) == ("ERROR", "", "PSP_REFUSED")
    rung = doorbells.for_task("payments.tasks.send_payment")
    assert rung == [(str(waiting.pk),), (str(made_meanwhile.pk),)]


def test_a_payment_that_waits_for_staff_still_does_so_afterwards(psp: StubPsp) -> None:
    escrow, funding = charged_escrow()
    payment = release(escrow, 1_000)
    staff = make_staff_caller(SUPPORT)
    hold_payment(payment_id=payment.pk, caller=staff)
    tell("opened", funding)
    tell("won", funding)
    payment.refresh_from_db()
    assert payment.hold_reason == "staff"


def test_a_hold_that_staff_lifts_lasts_until_the_case_is_decided(psp: StubPsp) -> None:
    escrow, funding = charged_escrow()
    payment = release(escrow, 1_000)
    staff = make_staff_caller(SUPPORT)
    hold_payment(payment_id=payment.pk, caller=staff)
    tell("opened", funding)

    lift_hold(payment_id=payment.pk, caller=staff)

    payment.refresh_from_db()
    assert payment.hold_reason == "chargeback"
    with pytest.raises(InvalidState):
        lift_hold(payment_id=payment.pk, caller=staff)


def test_payments_wait_for_the_last_of_two_cases(psp: StubPsp) -> None:
    escrow, funding = charged_escrow()
    payment = release(escrow, 1_000)
    tell("opened", funding, case="cb_1", amount="20.00")
    tell("opened", funding, case="cb_2", amount="30.00")
    tell("won", funding, case="cb_1")
    payment.refresh_from_db()
    assert payment.hold_reason == "chargeback"

    tell("lost", funding, case="cb_2")

    payment.refresh_from_db()
    assert payment.hold_reason == ""
    in_order()


@pytest.mark.parametrize("end", ["won", "lost"])
@pytest.mark.parametrize("order", list(permutations(["opened", "opened", "end", "end"], 4))[::5])
def test_every_order_of_the_reports_ends_the_same(
    psp: StubPsp, end: str, order: tuple[str, ...]
) -> None:
    _, funding = charged_escrow()

    for number, word in enumerate(order):
        tell(end if word == "end" else word, funding, event_id=f"evt_{number}", amount="40.00")

    expected = {"won": {"psp": 10_000, "held": 10_000}, "lost": {"psp": 6_000, "held": 6_000}}
    assert the_case().status == end.upper()
    assert books(the_case()) == expected[end]
    assert AuditEntry.objects.filter(action=f"chargeback.{end}").count() == 1
    in_order()


def test_a_case_of_a_charge_that_is_not_booked_yet_waits_for_it(psp: StubPsp) -> None:
    escrow, funding = charged_escrow()
    late = open_session_of(escrow, funding)

    event = tell("opened", late)
    assert (event.status, event.reason) == ("WAITING", "CHARGE_NOT_BOOKED")
    unknown = take_event("chargeback.opened", psp_ref="cb_9", payment_reference="ch_nobody")

    assert (unknown.status, unknown.reason) == ("WAITING", "UNKNOWN_OBJECT")
    assert not Chargeback.objects.exists()


def open_session_of(escrow: Escrow, funding: Funding) -> Funding:
    """A charge whose money has not been reported."""
    return Funding.objects.create(
        escrow=escrow,
        payer=escrow.client,
        amount_minor=100,
        currency="EUR",
        psp="fake",
        psp_key="kobf_late",
        psp_ref="ch_late",
        request_body="",
        next_look_at=funding.next_look_at,
        created_by="system:tests",
        created_at=funding.created_at,
        updated_at=funding.created_at,
    )


@pytest.mark.parametrize(
    "fields", [{"amount": "100.01", "currency": "EUR"}, {"amount": "10.00", "currency": "USD"}]
)
def test_more_than_the_charge_brought_is_shown_to_staff(
    psp: StubPsp, fields: dict[str, str]
) -> None:
    _, funding = charged_escrow()

    event = tell("opened", funding, **fields)

    assert (event.status, event.reason) == ("FAILED", "CHARGEBACK_IMPOSSIBLE")
    assert not Chargeback.objects.exists()
    assert at_psp() == 10_000
    assert Alert.objects.get().type == "PSP_EVENT_UNMATCHED"
    in_order()


def test_two_cases_never_take_more_than_the_charge(psp: StubPsp) -> None:
    _, funding = charged_escrow()
    tell("lost", funding, case="cb_1", amount="60.00")
    event = tell("opened", funding, case="cb_2", amount="60.00")
    assert (event.status, event.reason) == ("FAILED", "CHARGEBACK_IMPOSSIBLE")
    assert at_psp() == 4_000


@pytest.mark.parametrize(("first", "second"), [("won", "lost"), ("lost", "won")])
def test_a_second_end_changes_nothing_and_is_shown_to_staff(
    psp: StubPsp, first: str, second: str
) -> None:
    _, funding = charged_escrow()
    tell(first, funding)
    before = books(the_case())

    tell(second, funding)

    assert (the_case().status, books(the_case())) == (first.upper(), before)
    assert Alert.objects.filter(type="PSP_EVENT_CONTRADICTS").count() == 1
    in_order()


def test_a_second_case_without_a_name_is_shown_to_staff(psp: StubPsp) -> None:
    _, funding = charged_escrow()
    for what in ("lost", "opened"):
        take_event(f"chargeback.{what}", payment_reference=funding.psp_ref, amount="30.00")
    # In whatever order, these were one case.
    assert not Alert.objects.filter(type="PSP_EVENT_CONTRADICTS").exists()

    for what in ("opened", "lost"):
        Alert.objects.all().delete()
        take_event(f"chargeback.{what}", payment_reference=funding.psp_ref, amount="30.00")
        assert Alert.objects.get().type == "PSP_EVENT_CONTRADICTS"

    assert (the_case().status, at_psp()) == ("LOST", 7_000)
    in_order()


def test_another_amount_for_a_known_case_changes_nothing(psp: StubPsp) -> None:
    _, funding = charged_escrow()
    tell("opened", funding, amount="40.00")
    tell("lost", funding, amount="50.00")
    assert (the_case().status, the_case().amount_minor) == ("OPEN", 4_000)
    assert Alert.objects.filter(type="PSP_EVENT_CONTRADICTS").count() == 1


def test_a_report_about_one_charge_leaves_the_case_of_another_alone(psp: StubPsp) -> None:
    first, funding = charged_escrow()
    second, other = charged_escrow()
    tell("opened", funding, amount="40.00", fee="15.00")

    event = tell("lost", other, amount="40.00", fee="20.00")

    case = the_case()
    assert (event.status, event.funding_id) == ("PROCESSED", other.pk)
    assert (case.status, case.funding_id, case.fee_minor) == ("OPEN", funding.pk, 1_500)
    found = Escrow.objects.filter(pk__in=[first.pk, second.pk]).order_by("pk")
    assert [(row.funded_minor, row.frozen_minor) for row in found] == [(10_000, 4_000), (10_000, 0)]
    alert = Alert.objects.get(type="PSP_EVENT_CONTRADICTS")
    assert (alert.subject, alert.payload["reported_funding"]) == (case.reference, other.pk)
    in_order()


def test_a_charge_back_of_surplus_takes_its_refund(psp: StubPsp) -> None:
    escrow, _ = charged_escrow()
    funding = open_session_of(escrow, Funding.objects.get())
    take_event("funding.succeeded", psp_ref=funding.psp_ref)
    refund = Payment.objects.get()

    tell("lost", funding)

    refund.refresh_from_db()
    escrow.refresh_from_db()
    assert (refund.hold_reason, escrow.funded_minor) == ("charged_back", 10_000)
    assert books(the_case()) == {"psp": 10_000, "held": 10_000}
    in_order()


def test_a_case_of_one_charge_leaves_refunds_to_the_other(psp: StubPsp) -> None:
    escrow = charged_escrow()[0]
    escrow.refresh_from_db()
    first = Funding.objects.get()
    with transaction.atomic():
        Escrow.objects.filter(pk=escrow.pk).update(amount_total_minor=15_000, status="DRAFT")
    escrow.refresh_from_db()
    second = charge(escrow, 5_000)
    tell("opened", second, amount="50.00")

    refund_escrow(caller=as_client(escrow), escrow_id=escrow.pk, amount_in=minor_of(6_000))

    refund = Payment.objects.get()
    assert (refund.charge_ref, refund.amount_minor) == (first.psp_ref, 6_000)
    assert refund.hold_reason == "chargeback"
    in_order()


def test_a_milestone_keeps_its_state_while_its_payment_waits(psp: StubPsp) -> None:
    escrow, funding = charged_escrow(milestones=[10_000])
    approve_escrow(caller=as_client(escrow), escrow_id=escrow.pk, said=Said())
    tell("opened", funding)
    send_payment(payment_id=Payment.objects.get().pk)
    assert milestone_of(escrow).status == "APPROVED"
    tell("lost", funding)
    make_settled(psp, Payment.objects.get())
    assert milestone_of(escrow).status == "PAID"
    assert books(the_case()) == {"psp": -10_000, "owed": 10_000}
    in_order()


@pytest.mark.parametrize("end", [OrderState.FAILED, OrderState.RETURNED])
def test_a_refund_that_comes_back_after_a_lost_case_is_never_sent_again(
    psp: StubPsp, end: OrderState
) -> None:
    escrow, funding = charged_escrow()
    refund_escrow(caller=as_provider(escrow), escrow_id=escrow.pk, amount_in=None)
    refund = make_sent(psp, Payment.objects.get())
    tell("lost", funding)
    assert the_case().owed_minor == 10_000

    report(refund, end)

    kept = Payment.objects.order_by("pk").last()
    assert kept is not None
    # The bank gave it to the payer, so that it pays what they owe for that.
    assert books(the_case()) == {}
    assert the_case().recovered_minor == 10_000
    assert (kept.status, kept.hold_reason) == (
        "ERROR" if end is OrderState.FAILED else "PENDING",
        "charged_back",
    )
    with pytest.raises(PaymentOnHold):
        execute_payment(payment_id=kept.pk, caller=as_client(escrow))
    assert len(psp.orders) == 1
    in_order()


@pytest.mark.parametrize("end", [OrderState.FAILED, OrderState.RETURNED])
def test_what_comes_back_above_the_debt_is_the_payers(psp: StubPsp, end: OrderState) -> None:
    escrow, funding = charged_escrow()
    refund_escrow(caller=as_provider(escrow), escrow_id=escrow.pk, amount_in=None)
    refund = make_sent(psp, Payment.objects.get())
    tell("lost", funding, amount="30.00")
    assert the_case().open_debt_minor == 3_000

    report(refund, end)

    kept, rest = Payment.objects.order_by("-pk")[:2][::-1]
    assert (kept.hold_reason, kept.amount_minor) == ("charged_back", 10_000)
    assert (rest.status, rest.hold_reason, rest.amount_minor) == ("PENDING", "returned", 7_000)
    assert books(the_case())["funds"] == 7_000
    assert the_case().open_debt_minor == 0
    in_order()

    execute_payment(payment_id=rest.pk, caller=as_client(escrow))
    make_settled(psp, rest)
    assert "funds" not in books(the_case())
    in_order()


def test_a_fee_that_goes_up_and_down_and_up_again_is_booked_each_time(psp: StubPsp) -> None:
    _, funding = charged_escrow()
    case = {"amount": "40.00", "currency": "EUR"}
    for fee in ("15.00", "0.00", "15.00", "0.00", "15.00", "15.00"):
        assert tell("opened", funding, **case, fee=fee).status == "PROCESSED"
    assert balance(chart.dispute_fee()) == 1_500
    assert at_psp() == 10_000 - 4_000 - 1_500
    assert_in_order()
