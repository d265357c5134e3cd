"""A refund that was kept for its payer's debt, and that its PSP had paid all the same."""

import json
from datetime import timedelta
from typing import NamedTuple

import pytest

from audit.models import Alert, AuditEntry
from escrow.services.refunds import refund_escrow
from escrow.tests.books import assert_in_order as assert_escrows_in_order
from escrow.tests.factories import as_client, as_provider, minor_of
from kobatela.accounts.tests.factories import make_staff_caller
from kobatela.kernel import clock
from kobatela.kernel.errors import InvalidState
from payments.errors import PaymentOnHold
from payments.ledger import chart
from payments.ledger import selectors as ledger
from payments.models import Attempt, Chargeback, Funding, Payment
from payments.psp.base import OrderState
from payments.services.after_all import say_was_paid
from payments.services.chargebacks import write_off
from payments.services.payouts import execute_payment
from payments.services.sending import GIVE_UP_AFTER, send_payment
from payments.services.sweeps import sweep
from payments.tests.books import assert_in_order, at_psp, funds
from payments.tests.factories import charged_escrow, make_sent, report, take_event
from payments.tests.stub_psp import UNKNOWN, StubPsp

pytestmark = pytest.mark.django_db
ALL = "100.00"


class Story(NamedTuple):
    """A refund of all that one charge of 100.00 brought, and that charge."""

    refund: Payment
    funding: Funding

    def lose(self, amount: str = ALL) -> None:
        """The payer's bank takes so much of the charge back for good."""
        fields = {"psp_ref": "cb_1", "payment_reference": self.funding.psp_ref}
        take_event("chargeback.lost", amount=amount, **fields)
        self.refund.refresh_from_db()

    def give_up(self) -> None:
        """The PSP says after a day that it never got the refund."""
        with clock.frozen(clock.now() + GIVE_UP_AFTER + timedelta(minutes=1)):
            sweep()
        self.refund.refresh_from_db()
        assert (self.refund.status, self.refund.reason) == ("ERROR", "NEVER_RECEIVED")

    def turn_up(self, state: str = "settled") -> None:
        """The PSP tells at last of the refund's first try."""
        key = Attempt.objects.get(payment=self.refund, number=1).psp_key
        take_event(f"refund.{state}", psp_ref="re_late", payment_reference=key)
        self.refund.refresh_from_db()


def ordered() -> Story:
    escrow, funding = charged_escrow()
    refund_escrow(caller=as_provider(escrow), escrow_id=escrow.pk, amount_in=None)
    return Story(Payment.objects.get(), funding)


def unheard_of(psp: StubPsp) -> Story:
    """The refund is in transit, and its PSP does not know it."""
    story = ordered()
    psp.next_answers, psp.accepts = [UNKNOWN], False
    send_payment(payment_id=story.refund.pk)
    psp.accepts = True
    return story


def kept_when_given_up(psp: StubPsp, owed: str = ALL) -> Story:
    """The case was lost while the refund was on its way, which then had never been received."""
    story = unheard_of(psp)
    story.lose(owed)
    story.give_up()
    assert (story.refund.hold_reason, debt()) == ("charged_back", 0)
    return story


def kept_when_failed(psp: StubPsp, owed: str = ALL) -> Story:
    """The same, but the PSP said that the refund failed, and then that it was paid."""
    story = ordered()
    make_sent(psp, story.refund)
    story.lose(owed)
    report(story.refund, OrderState.FAILED)
    assert (story.refund.hold_reason, debt()) == ("charged_back", 0)
    report(story.refund, OrderState.SETTLED)
    assert contradictions() == 1
    return story


def debt() -> int:
    return Chargeback.objects.get().open_debt_minor


def owed(payment: Payment) -> int:
    assert payment.payer_id is not None
    return ledger.balance_minor(chart.receivable(payment.payer_id), "EUR")


def contradictions() -> int:
    return Alert.objects.filter(type="PSP_EVENT_CONTRADICTS", severity="critical").count()


def in_order() -> None:
    assert_in_order()
    assert_escrows_in_order()


def assert_paid_and_owed(story: Story, owed_minor: int = 10_000) -> None:
    """The payer has it from their PSP, so that they owe again what their bank gave them too."""
    assert (story.refund.status, story.refund.hold_reason) == ("SETTLED", "")
    assert (debt(), owed(story.refund), funds(story.refund)) == (owed_minor, owed_minor, 0)
    assert at_psp() == -owed_minor
    in_order()


def test_a_debt_stands_again_when_the_refund_that_paid_it_turns_up(psp: StubPsp) -> None:
    story = kept_when_given_up(psp)
    assert (owed(story.refund), at_psp()) == (0, 0)

    for _ in range(2):
        story.turn_up()

    assert_paid_and_owed(story)
    again = AuditEntry.objects.get(action="chargeback.owed_again")
    told = json.loads(again.body)
    assert (again.actor, told["amount_minor"]) == ("psp:default", 10_000)
    assert told["by"] == story.refund.reference
    assert AuditEntry.objects.filter(action="payment.hold_lifted").count() == 1
    assert contradictions() == 1


def test_a_lost_case_leaves_a_debt_after_all_when_the_refund_it_took_turns_up(
    psp: StubPsp,
) -> None:
    story = unheard_of(psp)
    story.give_up()
    story.lose()
    case = Chargeback.objects.get()
    assert (case.returned_minor, case.owed_minor) == (10_000, 0)

    story.turn_up()

    case.refresh_from_db()
    assert (case.returned_minor, case.owed_minor, case.recovered_minor) == (0, 10_000, 0)
    assert_paid_and_owed(story)


def test_what_turns_up_and_comes_back_pays_the_debt_once_more(psp: StubPsp) -> None:
    story = kept_when_given_up(psp)
    story.turn_up("returned")
    kept = Payment.objects.latest("pk")
    assert (story.refund.status, kept.hold_reason) == ("REFUNDED", "charged_back")
    assert (debt(), owed(kept), at_psp()) == (0, 0, 0)
    in_order()


def test_what_turns_up_and_fails_then_pays_the_debt_once_more(psp: StubPsp) -> None:
    story = kept_when_given_up(psp)
    report(story.refund, OrderState.ACCEPTED)
    assert (story.refund.status, debt()) == ("SENT", 10_000)
    report(story.refund, OrderState.FAILED)
    assert (story.refund.status, story.refund.hold_reason) == ("ERROR", "charged_back")
    assert (debt(), owed(story.refund), at_psp()) == (0, 0, 0)
    in_order()


def test_two_people_book_a_kept_refund_that_was_paid_after_it_had_failed(psp: StubPsp) -> None:
    story = kept_when_failed(psp)
    first, second = make_staff_caller(), make_staff_caller()

    for _ in range(2):
        assert not say_was_paid(payment_id=story.refund.pk, caller=first).granted
    assert (debt(), owed(story.refund), at_psp()) == (0, 0, 0)
    assert say_was_paid(payment_id=story.refund.pk, caller=second).granted

    story.refund.refresh_from_db()
    assert_paid_and_owed(story)
    assert AuditEntry.objects.get(action="chargeback.owed_again").actor == second.actor


def test_a_refund_that_was_ordered_again_and_then_kept_is_booked_by_two_people(
    psp: StubPsp,
) -> None:
    story = unheard_of(psp)
    story.give_up()
    execute_payment(payment_id=story.refund.pk, caller=make_staff_caller())
    story.lose()
    assert (story.refund.status, story.refund.hold_reason) == ("PENDING", "charged_back")

    story.turn_up()
    assert (story.refund.status, debt(), contradictions()) == ("PENDING", 0, 1)
    for _ in range(2):
        say_was_paid(payment_id=story.refund.pk, caller=make_staff_caller())

    story.refund.refresh_from_db()
    assert_paid_and_owed(story)


def test_the_rest_of_a_refund_that_turns_up_is_not_paid_beside_it(psp: StubPsp) -> None:
    story = kept_when_given_up(psp, owed="30.00")
    rest = Payment.objects.latest("pk")
    assert (rest.amount_minor, rest.status) == (7_000, "PENDING")

    story.turn_up()

    rest.refresh_from_db()
    assert rest.status == "CANCELLED"
    assert AuditEntry.objects.get(action="payment.taken_back").subject == rest.reference
    send_payment(payment_id=rest.pk)
    assert len(psp.sent) == 1
    assert_paid_and_owed(story, 3_000)


def test_one_person_pays_no_rest_of_a_refund_that_may_have_been_paid_whole(psp: StubPsp) -> None:
    story = kept_when_failed(psp, owed="30.00")
    rest = Payment.objects.latest("pk")
    assert (rest.amount_minor, rest.hold_reason) == (7_000, "contradiction")
    with pytest.raises(PaymentOnHold):
        execute_payment(payment_id=rest.pk, caller=as_client(rest.escrow))

    for _ in range(2):
        say_was_paid(payment_id=story.refund.pk, caller=make_staff_caller())

    story.refund.refresh_from_db()
    rest.refresh_from_db()
    assert rest.status == "CANCELLED"
    assert_paid_and_owed(story, 3_000)


def test_what_turns_up_after_its_rest_was_sent_is_left_to_people(psp: StubPsp) -> None:
    story = kept_when_given_up(psp, owed="30.00")
    rest = Payment.objects.latest("pk")
    execute_payment(payment_id=rest.pk, caller=as_client(rest.escrow))
    make_sent(psp, rest)

    story.turn_up()

    assert (story.refund.status, story.refund.hold_reason) == ("ERROR", "charged_back")
    assert (debt(), rest.status, contradictions()) == (0, "SENT", 1)
    with pytest.raises(InvalidState):
        say_was_paid(payment_id=story.refund.pk, caller=make_staff_caller())
    in_order()


def test_a_debt_that_was_written_off_is_a_loss_when_its_refund_turns_up(psp: StubPsp) -> None:
    escrow, funding = charged_escrow()
    parts = [3_000, 7_000]
    for part in parts:
        caller, amount = as_provider(escrow), minor_of(part) if part == parts[0] else None
        refund_escrow(caller=caller, escrow_id=escrow.pk, amount_in=amount)
    refund, other = Payment.objects.order_by("pk")
    make_sent(psp, other)
    psp.next_answers, psp.accepts = [UNKNOWN], False
    send_payment(payment_id=refund.pk)
    psp.accepts = True
    story = Story(refund, funding)
    story.lose()
    report(other, OrderState.SETTLED)
    story.give_up()
    assert debt() == 7_000
    for _ in range(2):
        write_off(chargeback_id=Chargeback.objects.get().pk, caller=make_staff_caller())
    assert (debt(), owed(refund)) == (0, 0)

    story.turn_up()

    assert (refund.status, debt(), owed(refund), at_psp()) == ("SETTLED", 0, 0, -10_000)
    assert ledger.balance_minor(chart.chargeback_loss(), "EUR") == 10_000
    in_order()
