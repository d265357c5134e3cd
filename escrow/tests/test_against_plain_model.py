"""The escrow's money against a plain Python model: any sequence of commands ends the same."""

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import SCALE
from escrow.errors import MilestoneNotFound, ResolutionNotBalanced
from escrow.models import Escrow, EscrowStatus
from escrow.services.acceptance import approve_escrow, reject_escrow
from escrow.services.deliveries import mark_delivered
from escrow.services.deposits import report_deposit
from escrow.services.disputes import open_dispute, resolve_dispute
from escrow.services.evidence import (
    begin_review,
    lock_for_decision,
    lock_open_milestone,
    reject_evidence,
    release_milestone,
)
from escrow.services.journal import Said
from escrow.services.refunds import refund_escrow
from escrow.tests.books import assert_in_order
from escrow.tests.factories import as_provider, fund, make_escrow, minor_of
from escrow.tests.plain_model import Part, PlainEscrow, Refused
from escrow.tests.savepoints import savepoint, undone
from kobatela.accounts.tests.factories import make_caller, make_key, make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.kernel.errors import DomainError
from payments.models import Payment
from payments.psp.base import OrderState
from payments.selectors import payments_of
from payments.services.payouts import execute_payment
from payments.services.sending import send_payment
from payments.tests.conftest import psp as psp  # noqa: PLC0414 - the PSP of a test, in memory
from payments.tests.factories import report
from payments.tests.stub_psp import StubPsp

pytestmark = pytest.mark.django_db
TOTAL = 100
RUNS, STEPS_MIN, STEPS_MAX = (300, 50, 50) if SCALE == "soak" else (40, 0, 14)
amounts = st.integers(1, 120)
numbers = st.integers(0, 9)
proofs = count(1_000_000)

STEPS = st.one_of(
    st.tuples(st.just("deposit"), amounts),
    st.tuples(st.just("report"), amounts),
    st.tuples(st.just("prove")),
    st.tuples(st.just("decide"), st.booleans()),
    st.tuples(st.just("approve")),
    st.tuples(st.just("turn_down")),
    st.tuples(st.just("give_back")),
    st.tuples(st.just("take_out"), amounts),
    st.tuples(st.just("deliver")),
    st.tuples(st.just("dispute")),
    st.tuples(st.just("resolve"), st.integers(0, 110)),
    st.tuples(st.sampled_from(["send", "send", "settle", "fail", "come_back", "execute"]), numbers),
)

# Most drawn steps leave an escrow open; each example ends in one of these ways.
ENDINGS = st.one_of(
    st.just([("approve",)]),
    st.just([("turn_down",)]),
    st.just([("give_back",)]),
    st.integers(0, 110).map(lambda release: [("dispute",), ("resolve", release)]),
)


class Real:
    """The same commands on the services."""

    def __init__(self, parts: list[int], psp: StubPsp) -> None:
        self.psp = psp
        self.escrow = make_escrow(EscrowStatus.DRAFT, amount_total_minor=TOTAL, milestones=parts)
        key, _ = make_key(Scope.SENDER, self.escrow.client, may_confirm_deposits=True)
        self.client = make_caller(
            Scope.SENDER, self.escrow.client, key_id=key.pk, may_confirm_deposits=True
        )
        self.provider = as_provider(self.escrow)

    def deposit(self, amount: int) -> None:
        report_deposit(caller=self.client, escrow_id=self.escrow.pk, amount_in=minor_of(amount))

    def report(self, amount: int) -> None:
        fund(Escrow.objects.get(pk=self.escrow.pk), amount)

    def prove(self) -> None:
        index = self._current_index()
        escrow, milestone = lock_open_milestone(escrow_id=self.escrow.pk, milestone_idx=index)
        begin_review(
            escrow=escrow,
            milestone=milestone,
            has_file=True,
            submitted_at=clock.now(),
            actor=self.provider.actor,
        )

    def decide(self, *, accept: bool) -> None:
        milestone = self.escrow.milestones.filter(sequence_index=self._current_index()).first()
        if milestone is None:
            raise MilestoneNotFound
        escrow, locked = lock_for_decision(escrow_id=self.escrow.pk, milestone_id=milestone.pk)
        if accept:
            release_milestone(
                escrow=escrow, milestone=locked, proof_id=next(proofs), actor="staff:1"
            )
        else:
            reject_evidence(escrow=escrow, milestone=locked, actor="staff:1")

    def approve(self) -> None:
        approve_escrow(caller=self.client, escrow_id=self.escrow.pk, said=Said())

    def turn_down(self) -> None:
        reject_escrow(caller=self.client, escrow_id=self.escrow.pk, said=Said())

    def give_back(self) -> None:
        refund_escrow(caller=self.provider, escrow_id=self.escrow.pk, amount_in=None)

    def take_out(self, amount: int) -> None:
        refund_escrow(caller=self.client, escrow_id=self.escrow.pk, amount_in=minor_of(amount))

    def deliver(self) -> None:
        mark_delivered(caller=self.provider, escrow_id=self.escrow.pk, said=Said())

    def dispute(self) -> None:
        open_dispute(caller=self.provider, escrow_id=self.escrow.pk, said=Said())

    def resolve(self, release: int) -> None:
        self.escrow.refresh_from_db()
        if release > self.escrow.held_minor:
            raise ResolutionNotBalanced
        resolve_dispute(
            caller=make_caller(Scope.SUPPORT, make_user()),
            escrow_id=self.escrow.pk,
            release_in=minor_of(release),
            refund_in=minor_of(self.escrow.held_minor - release),
            note="Heard both.",
        )

    def send(self, number: int) -> None:
        payout = self._payout(number, "PENDING")
        send_payment(payment_id=payout.pk)
        payout.refresh_from_db()
        if payout.status != "SENT":
            raise Refused

    def settle(self, number: int) -> None:
        report(self._payout(number, "SENT"), OrderState.SETTLED)

    def fail(self, number: int) -> None:
        report(self._payout(number, "SENT"), OrderState.FAILED)

    def come_back(self, number: int) -> None:
        report(self._payout(number, "SETTLED"), OrderState.RETURNED)

    def execute(self, number: int) -> None:
        execute_payment(payment_id=self._payout(number).pk, caller=self.client)

    def _payout(self, number: int, status: str | None = None) -> Payment:
        """One of the payouts; a worker or an honest PSP acts on those in one state only."""
        found = list(payments_of(self.escrow.pk).filter(kind="payout").order_by("pk"))
        payout = found[number % len(found)] if found else None
        if payout is None or status not in {None, payout.status}:
            raise Refused
        return payout

    def _current_index(self) -> int:
        undecided = self.escrow.milestones.filter(
            status__in=["WAITING", "PENDING_REVIEW", "REJECTED"]
        )
        indexes = undecided.order_by("sequence_index").values_list("sequence_index", flat=True)
        return indexes.first() or 1


def _act(target: Any, name: str, *values: Any) -> Callable[[], None]:
    command = getattr(target, name)
    return partial(command, accept=values[0]) if name == "decide" else partial(command, *values)


def _is_done(act: Callable[[], None]) -> bool:
    try:
        with savepoint():
            act()
    except (DomainError, Refused):
        return False
    return True


def _agree(real: Real, plain: PlainEscrow) -> None:
    escrow = Escrow.objects.get(pk=real.escrow.pk)
    assert (escrow.status, escrow.funded_minor, escrow.released_minor, escrow.refunded_minor) == (
        plain.status,
        plain.funded,
        plain.released,
        plain.refunded,
    )
    milestones = escrow.milestones.order_by("sequence_index")
    assert [item.status for item in milestones] == [part.status for part in plain.parts]
    payments = payments_of(escrow.pk).order_by("pk")
    payouts = [
        (item.amount_minor, item.status, bool(item.hold_reason))
        for item in payments
        if item.kind == "payout"
    ]
    assert payouts == [(item.amount, item.status, item.is_held) for item in plain.payouts]
    returned = sum(item.amount_minor for item in payments if item.kind == "refund")
    assert returned == plain.refunded + plain.surplus


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=RUNS,
)
@given(
    parts=st.lists(st.integers(1, 60), max_size=4).filter(lambda parts: sum(parts) <= TOTAL),
    start=st.sampled_from([0, 50, TOTAL]),
    steps=st.lists(STEPS, min_size=STEPS_MIN, max_size=STEPS_MAX),
    ending=ENDINGS,
)
def test_any_sequence_of_commands_ends_as_the_plain_model_says(
    psp: StubPsp,
    parts: list[int],
    start: int,
    steps: list[tuple[Any, ...]],
    ending: list[tuple[Any, ...]],
) -> None:
    with undone():
        real = Real(parts, psp)
        plain = PlainEscrow(TOTAL, [Part(amount) for amount in parts])
        first: list[tuple[Any, ...]] = [("report", start)] if start else []
        for step in first + steps + ending:
            done, expected = _is_done(_act(real, *step)), _is_done(_act(plain, *step))
            assert done == expected, step
            _agree(real, plain)
        assert_in_order()
