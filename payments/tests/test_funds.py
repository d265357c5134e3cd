"""Money that is put in at a PSP from elsewhere is booked once, by two people."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from audit.models import Alert, AuditEntry
from conftest import Doorbells
from kobatela.accounts.models import User
from kobatela.accounts.tests.factories import make_caller, make_staff_caller, make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.kernel.errors import DomainError, InvalidState, ValidationFailed
from kobatela.kernel.money import Money
from kobatela.rest.errors import InsufficientScope
from payments.coverage import Coverage, coverage
from payments.errors import (
    FundsMoveNotFound,
    FundsNotThere,
    FundsReferenceUsed,
    OwnFundsForbidden,
)
from payments.ledger import chart
from payments.ledger import selectors as ledger
from payments.ledger.tests.helpers import move
from payments.models import Chargeback, FundsMove, Payment, Reach
from payments.services.chargebacks import write_off
from payments.services.cover import lock_collector
from payments.services.funds import MoveResult, approve_move, propose_move, reject_move
from payments.services.reconciliation import reconcile
from payments.services.refunds import confirm_external
from payments.services.sending import send_payment
from payments.tests.batches import make_waiting
from payments.tests.books import assert_in_order, at_psp
from payments.tests.factories import make_payout, make_refund
from payments.tests.stub_psp import StubPsp
from payments.tests.test_chargeback_admin import a_case
from payments.tests.test_concurrency import together
from payments.tests.test_cover import NOWHERE, drain, stand, sweep_later

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def required(settings: Settings) -> None:
    """As in production."""
    settings.KOBATELA_REQUIRE_COVERAGE = True


def propose(
    amount_minor: int, source: str = "operator", target: str = "fake", **told: Any
) -> MoveResult:
    """One person's word that so much has come."""
    values: dict[str, Any] = {
        "caller": make_staff_caller(),
        "source": source,
        "target": target,
        "money": Money(amount_minor, told.pop("currency", "EUR")),
        "bank_ref": f"VIR {FundsMove.objects.count() + 1}/2026",
    }
    return propose_move(**(values | told))


def book(amount_minor: int, source: str = "operator", target: str = "fake", **told: Any) -> None:
    """The same, said by two people."""
    waiting = propose(amount_minor, source, target, **told).move
    assert approve_move(caller=make_staff_caller(), move_id=waiting.pk).approvals.granted


def lay(amount_minor: int, source: str = "psp:fake", currency: str = "EUR") -> None:
    """Let somebody's own money lie there."""
    funds = chart.user_funds(NOWHERE)
    move("surplus", chart.source(source), funds, amount_minor, currency)


def a_collector(holds_minor: int, currency: str = "EUR") -> User:
    """A client system that has collected so much, which lies nowhere else."""
    user = make_user()
    lay(holds_minor, f"collector:{user.pk}", currency)
    return user


def at_collector(user: User, currency: str = "EUR") -> int:
    return ledger.balance_minor(chart.collector(user.pk), currency)


def the_coverage() -> Coverage:
    """Of the only currency there is."""
    (row,) = coverage()
    return row


# --- Two people, one reference --------------------------------------------------------------------


def test_one_person_books_nothing_and_another_books_it_once(psp: StubPsp) -> None:
    user = a_collector(10_000)
    first, second = make_staff_caller(), make_staff_caller()

    waiting = propose(6_000, f"collector:{user.pk}", caller=first).move
    again = approve_move(caller=first, move_id=waiting.pk)

    assert (again.approvals.given, again.move.status) == (1, "WAITING")
    assert (at_psp(), at_collector(user)) == (0, 10_000)
    assert not Alert.objects.exists()

    done = approve_move(caller=second, move_id=waiting.pk)
    approve_move(caller=make_staff_caller(), move_id=waiting.pk)

    assert (done.move.status, done.move.booked_by) == ("BOOKED", second.actor)
    assert (at_psp(), at_collector(user)) == (6_000, 4_000)
    (alert,) = Alert.objects.all()
    assert (alert.type, alert.subject) == ("FUNDS_MOVED", waiting.reference)
    told = AuditEntry.objects.filter(subject=waiting.reference).order_by("pk")
    assert [(entry.action, entry.actor) for entry in told] == [
        ("funds_move.proposed", first.actor),
        ("approval.given", first.actor),
        ("approval.granted", second.actor),
        ("funds_move.booked", second.actor),
    ]
    assert_in_order()


@pytest.mark.parametrize("written", ["VIR 2026-7", "vir 2026-7", " VIR  2026-7 ", "VIR2026-7"])
def test_a_bank_reference_is_booked_once_however_it_is_written(psp: StubPsp, written: str) -> None:
    book(6_000, bank_ref="VIR 2026-7")
    with pytest.raises(FundsReferenceUsed):
        propose(6_000, bank_ref=written)
    assert at_psp() == 6_000
    assert FundsMove.objects.count() == 1


def test_what_was_rejected_is_not_booked_and_frees_its_reference(psp: StubPsp) -> None:
    waiting = propose(6_000, bank_ref="VIR 7").move

    reject_move(caller=make_staff_caller(), move_id=waiting.pk, note="Not on the statement.")
    with pytest.raises(InvalidState):
        approve_move(caller=make_staff_caller(), move_id=waiting.pk)
    assert at_psp() == 0

    book(5_000, bank_ref="VIR 7")
    with pytest.raises(InvalidState):
        reject_move(
            caller=make_staff_caller(),
            move_id=FundsMove.objects.get(status="BOOKED").pk,
            note="Too late.",
        )
    assert at_psp() == 5_000
    assert_in_order()


def test_nobody_says_of_their_own_money_that_it_came(psp: StubPsp) -> None:
    user = a_collector(10_000)
    lay(10_000)
    close = make_user(managed_by=user)
    stakeholder = make_caller(Scope.SUPPORT, close)
    collector = f"collector:{user.pk}"
    for source, target in ((collector, "fake"), ("psp:fake", collector)):
        with pytest.raises(OwnFundsForbidden):
            propose(6_000, source, target, caller=stakeholder)
        waiting = propose(6_000, source, target).move
        with pytest.raises(OwnFundsForbidden):
            approve_move(caller=stakeholder, move_id=waiting.pk)
    assert (at_psp(), at_collector(user)) == (10_000, 10_000)


def test_a_party_cannot_say_it_at_all(psp: StubPsp) -> None:
    waiting = propose(6_000).move
    party = make_caller(Scope.SENDER, make_user())
    with pytest.raises(InsufficientScope):
        propose(6_000, caller=party)
    with pytest.raises(FundsMoveNotFound):
        approve_move(caller=party, move_id=waiting.pk)
    assert at_psp() == 0


@pytest.mark.parametrize(
    ("source", "target", "amount_minor", "field"),
    [
        ("operator", "nowhere", 100, "target"),
        ("operator", "fake", 0, "amount"),
        ("operator", "fake", -100, "amount"),
        ("psp:fake", "fake", 100, "source"),
        ("psp:nowhere", "fake", 100, "source"),
        ("escrow:1:held", "fake", 100, "source"),
        ("collector:x", "fake", 100, "source"),
        ("collector:07", "fake", 100, "source"),
        ("chargeback:03", "fake", 100, "source"),
        ("user:7:payable", "fake", 100, "source"),
        ("operator", "collector:7", 100, "source"),
        ("collector:8", "collector:7", 100, "source"),
        ("psp:fake", "collector:7", 100, "target"),
        ("psp:fake", "collector:07", 100, "target"),
        ("psp:fake", "operator", 100, "target"),
    ],
)
def test_what_cannot_be_a_move_is_refused_by_its_field(
    psp: StubPsp, source: str, target: str, amount_minor: int, field: str
) -> None:
    with pytest.raises(ValidationFailed) as refusal:
        propose(amount_minor, source, target)
    assert refusal.value.details["fields"][0]["field"] == field
    assert not FundsMove.objects.exists()


# --- No source falls below what it has ------------------------------------------------------------


def test_a_collector_hands_over_what_it_holds_and_is_not_to_pay_back(psp: StubPsp) -> None:
    user = make_user()
    make_refund(f"collector:{user.pk}", 3_000)
    lay(10_000, f"collector:{user.pk}")
    held = at_collector(user)

    with pytest.raises(FundsNotThere) as refusal:
        propose(held - 2_999, f"collector:{user.pk}")
    assert refusal.value.details == {"free": "70.00"}
    book(held - 3_000, f"collector:{user.pk}")

    assert at_collector(user) == 3_000
    assert_in_order()


def test_a_collector_is_locked_under_one_name_by_moves_and_by_refunds(psp: StubPsp) -> None:
    first, spelled, asked = (a_collector(10_000) for _ in range(3))
    waiting = propose(1_000, f"collector:{first.pk}").move
    FundsMove.objects.update(source=f"collector:0{spelled.pk}")
    # Other figures than the first person's: two more must say it.
    approve_move(caller=make_staff_caller(), move_id=waiting.pk)
    assert approve_move(caller=make_staff_caller(), move_id=waiting.pk).approvals.granted
    make_refund(f"collector:{asked.pk}", 1_000)

    # What a transaction has locked it locks again without another lock.
    held = advisory_locks()
    for user in (first, spelled, asked):
        lock_collector(user.pk, "EUR")
    assert advisory_locks() == held


def advisory_locks() -> int:
    """How many this session holds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
        )
        (found,) = cursor.fetchone()
    return int(found)


def test_what_the_source_lost_meanwhile_is_not_booked_by_the_second_person(psp: StubPsp) -> None:
    user = a_collector(10_000)
    late = propose(8_000, f"collector:{user.pk}").move
    book(5_000, f"collector:{user.pk}")

    with pytest.raises(FundsNotThere):
        approve_move(caller=make_staff_caller(), move_id=late.pk)

    late.refresh_from_db()
    assert (late.status, at_collector(user), at_psp()) == ("WAITING", 5_000, 5_000)
    assert_in_order()


def test_a_psp_gives_to_another_what_is_not_on_its_way_out(psp: StubPsp) -> None:
    lay(4_000)
    payment = make_payout()
    send_payment(payment_id=payment.pk)
    with pytest.raises(FundsNotThere):
        propose(4_001, "psp:fake", "manual")
    book(4_000, "psp:fake", "manual")
    assert (at_psp(), at_psp(name="manual")) == (10_000, 4_000)
    assert_in_order()


def test_a_collector_that_paid_for_us_is_given_back_what_it_paid(psp: StubPsp) -> None:
    user = a_collector(10_000)
    book(10_000, f"collector:{user.pk}")
    # Asked back after it was handed over: the collector pays with money of its own.
    refund = make_refund(f"collector:{NOWHERE}", 3_000)
    Payment.objects.filter(pk=refund.pk).update(collector=user)
    confirm_external(payment_id=refund.pk, caller=make_staff_caller())
    assert dict(the_coverage().advanced_by) == {str(user.pk): 3_000}
    first, second = make_staff_caller(), make_staff_caller()

    waiting = propose(3_000, "psp:fake", f"collector:{user.pk}", caller=first).move
    approve_move(caller=first, move_id=waiting.pk)
    assert (at_psp(), at_collector(user)) == (13_000, -3_000)
    approve_move(caller=second, move_id=waiting.pk)
    approve_move(caller=make_staff_caller(), move_id=waiting.pk)

    assert at_collector(user) == 0
    row = the_coverage()
    assert (dict(row.advanced_by), row.at_psps, row.moved) == (
        {},
        {"fake": 10_000},
        {"fake": 7_000},
    )
    alert = Alert.objects.get(type="FUNDS_MOVED", subject=waiting.reference)
    assert "left" in alert.message
    assert AuditEntry.objects.filter(action="funds_move.booked").count() == 2
    assert_in_order()


def test_a_psp_gives_a_collector_nothing_that_is_on_its_way_out(psp: StubPsp) -> None:
    user = a_collector(1)
    lay(4_000)
    payment = make_payout()
    send_payment(payment_id=payment.pk)
    late = propose(4_000, "psp:fake", f"collector:{user.pk}").move
    with pytest.raises(FundsNotThere) as refusal:
        propose(4_001, "psp:fake", f"collector:{user.pk}")
    assert refusal.value.details == {"free": "40.00"}
    book(1_000, "psp:fake", "manual")

    with pytest.raises(FundsNotThere):
        approve_move(caller=make_staff_caller(), move_id=late.pk)

    assert (at_psp(), at_collector(user), stand(payment)) == (13_000, 1, ("SENT", ""))
    assert_in_order()


def test_a_debtor_pays_their_debt_and_no_more(psp: StubPsp) -> None:
    case = a_case(psp, "lost")
    source = f"chargeback:{case.pk}"
    with pytest.raises(FundsNotThere):
        propose(10_001, source)
    with pytest.raises(FundsNotThere):
        propose(1_000, source, currency="XOF")

    book(4_000, source)
    with pytest.raises(FundsNotThere):
        propose(6_001, source)

    case.refresh_from_db()
    assert (case.owed_minor, case.recovered_minor, case.open_debt_minor) == (10_000, 4_000, 6_000)
    assert ledger.balance_minor(chart.receivable(case.payer_id), "EUR") == 6_000
    entry = AuditEntry.objects.get(action="chargeback.recovered")
    assert entry.stream == f"escrow:{case.escrow_id}"
    assert_in_order()

    for _ in range(2):
        write_off(chargeback_id=case.pk, caller=make_staff_caller("admin"))
    assert ledger.balance_minor(chart.chargeback_loss(), "EUR") == 6_000
    assert ledger.balance_minor(chart.receivable(case.payer_id), "EUR") == 0
    with pytest.raises(FundsNotThere):
        propose(1, source)
    assert_in_order()


# --- What waited goes on --------------------------------------------------------------------------


def test_a_payout_that_waited_for_its_collectors_money_is_sent_when_that_came(
    psp: StubPsp,
    doorbells: Doorbells,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    payment = make_payout()
    drain(10_000)
    user = a_collector(10_000)
    send_payment(payment_id=payment.pk)
    sweep_later()
    assert (stand(payment), psp.sent) == (("PENDING", "UNCOVERED"), [])

    with django_capture_on_commit_callbacks(execute=True):
        book(10_000, f"collector:{user.pk}")
    assert doorbells.for_task("payments.tasks.sweep_payments") == [()]
    sweep_later()
    sweep_later(2)

    assert stand(payment) == ("SENT", "")
    assert len(psp.sent) == 1
    assert_in_order()


def test_a_payment_that_people_make_is_covered_by_what_came_from_the_psp(psp: StubPsp) -> None:
    lay(9_000, currency="XOF")
    payment = make_waiting(7_000)
    sweep_later()
    assert stand(payment) == ("PENDING", "UNCOVERED")

    book(7_000, "psp:fake", "manual", currency="XOF")

    sweep_later(2)
    assert stand(payment) == ("PENDING", "")
    assert_in_order()


def test_our_own_money_fills_the_hole_that_fees_left(psp: StubPsp) -> None:
    lay(10_000)
    move("psp_fee", chart.psp_fee(), chart.psp("fake"), 300)
    (short,) = coverage()
    assert short.shortfall_minor == 300

    book(300)

    (row,) = coverage()
    assert (row.shortfall_minor, row.is_covered) == (0, True)
    assert (row.owed_minor, row.put_in_minor, row.moved) == (10_000, 300, {"fake": 300})
    assert ledger.balance_minor(chart.operator(), "EUR") == 300
    assert_in_order()


# --- The checks know it ---------------------------------------------------------------------------


def test_the_check_of_the_books_sees_a_move_that_nobody_said(psp: StubPsp) -> None:
    move("funds.moved", chart.psp("fake"), chart.operator(), 500, business_key="funds:X1:moved")
    (problem,) = ledger.check()
    assert (problem.subject, problem.currency) == ("funds:X1:moved", "EUR")


def test_the_check_of_the_books_sees_a_move_that_was_not_booked(psp: StubPsp) -> None:
    book(500)
    said = FundsMove.objects.get()
    FundsMove.objects.update(target="manual")
    assert {problem.subject for problem in ledger.check()} == {f"funds:{said.bank_ref}:moved"}
    FundsMove.objects.update(target="fake", amount_minor=501)
    assert {problem.subject for problem in ledger.check()} == {f"funds:{said.bank_ref}:moved"}


def test_a_debt_that_the_books_do_not_have_is_seen(psp: StubPsp) -> None:
    case = a_case(psp, "lost")
    Chargeback.objects.update(recovered_minor=1)
    (problem,) = ledger.check()
    assert problem.subject == f"user:{case.payer_id}:receivable"


def test_a_reconciliation_tells_of_moves_in_a_line_of_their_own(psp: StubPsp) -> None:
    lay(5_000)
    book(1_000)
    book(400, "psp:fake", "manual")
    book(100, "psp:fake", f"collector:{a_collector(1).pk}")

    with clock.frozen(clock.now() + timedelta(hours=1)):
        run = reconcile(psp="fake", reach=Reach.RECENT)
        by_hand = reconcile(psp="manual", reach=Reach.RECENT)

    assert (run.moved, run.found) == ({"EUR": 500}, {})
    assert (by_hand.moved, by_hand.found) == ({"EUR": 400}, {})


# --- At once, and any order -----------------------------------------------------------------------


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_sixteen_approvals_at_once_book_once(psp: StubPsp) -> None:
    user = a_collector(10_000)
    waiting = propose(6_000, f"collector:{user.pk}").move
    people = [make_staff_caller() for _ in range(16)]

    together(lambda number: approve_move(caller=people[number], move_id=waiting.pk).move.status)

    assert (at_psp(), at_collector(user)) == (6_000, 4_000)
    assert AuditEntry.objects.filter(action="funds_move.booked").count() == 1
    assert_in_order()


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_moves_at_once_take_no_more_than_the_collector_has(psp: StubPsp) -> None:
    user = a_collector(10_000)
    moves = [propose(3_000, f"collector:{user.pk}").move for _ in range(8)]
    people = [make_staff_caller() for _ in moves]

    said = together(
        lambda number: approve_move(caller=people[number], move_id=moves[number].pk).move.status,
        hands=8,
    )

    assert said == {"BOOKED": 3, "FUNDS_NOT_THERE": 5}
    assert (at_psp(), at_collector(user)) == (9_000, 1_000)
    assert_in_order()


_steps = st.lists(
    st.tuples(
        st.sampled_from(["collector", "psp:fake", "psp:manual", "operator"]),
        st.sampled_from(["fake", "manual", "collector"]),
        st.integers(min_value=1, max_value=60),
        st.sampled_from(["A-01", "a-0 1", "B-02", "C-03", "D-04", "E-05"]),
        st.sampled_from(["two", "one", "reject"]),
    ),
    max_size=12,
)


@dataclass
class Plain:
    """Where the money lies, written from the rules and not from the code."""

    held: dict[str, int]
    put_in: int = 0
    used: set[str] = field(default_factory=set)

    def may(self, source: str, target: str, amount: int, reference: str) -> bool:
        """Whether a move can be proposed."""
        is_there = source == "operator" or self.held[source] >= amount
        if target.startswith("collector") and not source.startswith("psp"):
            return False
        return source != f"psp:{target}" and is_there and reference not in self.used

    def book(self, source: str, target: str, amount: int) -> None:
        """What a booked move does."""
        self.held[target if ":" in target else f"psp:{target}"] += amount
        if source == "operator":
            self.put_in += amount
        else:
            self.held[source] -= amount


@hypothesis_settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=_steps)
def test_any_moves_in_any_order_agree_with_a_plain_model(psp: StubPsp, steps: list[Any]) -> None:
    user, people = a_collector(100), (make_staff_caller(), make_staff_caller())
    collector = f"collector:{user.pk}"
    before = ledger.balance_minor(chart.operator(), "EUR")
    at_start = {"psp:fake": at_psp(), "psp:manual": at_psp(name="manual")}
    plain = Plain({collector: 100, **at_start})

    for family, place, amount, written, what in steps:
        source = collector if family == "collector" else family
        target = collector if place == "collector" else place
        named = f"{user.pk}-{written}"
        reference = named.replace(" ", "").upper()
        expected = plain.may(source, target, amount, reference)
        try:
            done = propose(amount, source, target, bank_ref=named, caller=people[0])
        except DomainError:
            assert not expected
            continue
        assert expected
        if what != "reject":
            plain.used.add(reference)
        if what == "two":
            approve_move(caller=people[1], move_id=done.move.pk)
            plain.book(source, target, amount)
        elif what == "reject":
            reject_move(caller=people[1], move_id=done.move.pk, note="no")

    found = {
        collector: at_collector(user),
        "psp:fake": at_psp(),
        "psp:manual": at_psp(name="manual"),
    }
    assert found == plain.held
    assert ledger.balance_minor(chart.operator(), "EUR") - before == plain.put_in
    assert ledger.check() == []
