"""Chargebacks against a plain model of them: any reports in any order, with an escrow at work."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import SCALE
from escrow.models import Escrow
from escrow.selectors import lock_escrow
from escrow.services.journal import Acting, save_escrow
from escrow.services.outcomes import pay
from escrow.services.refunds import refund_escrow
from escrow.tests.books import assert_in_order as assert_escrows_in_order
from escrow.tests.factories import as_client, as_provider, minor_of
from kobatela.accounts.tests.factories import make_staff_caller
from kobatela.kernel.errors import DomainError
from payments.cases import has_open_chargeback
from payments.ledger import chart
from payments.ledger import selectors as ledger
from payments.models import Chargeback, Payment
from payments.psp.base import OrderState
from payments.services.chargebacks import write_off
from payments.services.payouts import execute_payment
from payments.tests.books import assert_in_order, at_psp
from payments.tests.factories import charged_escrow, make_settled, take_event
from payments.tests.factories import report as payment_report
from payments.tests.stub_psp import StubPsp

pytestmark = pytest.mark.django_db
TOTAL = 100
_events = count(1)


@dataclass
class Case:
    """A case as it should be."""

    amount: int
    disputed: int
    frozen: int
    state: str = "open"
    owed: int = 0
    is_written_off: bool = False


@dataclass
class Plain:
    """One charge of 100 that funded one escrow, written from the rules and not from the code."""

    held: int = TOTAL
    released: int = 0
    refunds: list[int] = field(default_factory=list)
    arrived: list[int] = field(default_factory=list)
    lost: int = 0
    cases: dict[str, Case] = field(default_factory=dict)

    @property
    def refunded(self) -> int:
        """What was given back, sent or not."""
        return self._refunded

    _refunded: int = 0

    @property
    def is_open(self) -> bool:
        """Whether any case is open."""
        return any(case.state == "open" for case in self.cases.values())

    def release(self, amount: int) -> bool:
        """A part to the provider."""
        if amount > self.held:
            return False
        self.held -= amount
        self.released += amount
        return True

    def refund(self, amount: int) -> bool:
        """A part back to the client; it waits until it is sent."""
        if amount >= self.held + self.frozen or amount > min(self.held, self.refundable):
            return False
        self.held -= amount
        self._refunded += amount
        self.refunds.append(amount)
        return True

    def send(self) -> bool:
        """The newest refund that waits arrives."""
        if self.is_open or not self.refunds:
            return False
        self.arrived.append(self.refunds.pop())
        return True

    def come_back(self) -> bool:
        """What arrived last comes back: first it is for what the payer has from their bank, who
        ever has to bear that now; the rest waits again."""
        if not self.arrived:
            return False
        left = self.arrived.pop()
        for case in self.cases.values():
            part = min(left, case.owed)
            case.owed -= part
            left -= part
        if left:
            self.refunds.append(left)
        return True

    def write_off(self, name: str) -> bool:
        """Two people say that nobody will pay what a case left."""
        case = self.cases.get(name)
        if case is None or case.is_written_off or not case.owed:
            return False
        case.is_written_off = True
        return True

    @property
    def frozen(self) -> int:
        """What open cases keep."""
        return sum(case.frozen for case in self.cases.values() if case.state == "open")

    @property
    def refundable(self) -> int:
        """What can go back to the charge."""
        gone = sum(case.disputed for case in self.cases.values() if case.state != "won")
        return TOTAL - self._refunded - gone

    def report(self, name: str, what: str, amount: int) -> None:
        """A report of the PSP, that may be the first of its case."""
        case = self.cases.get(name)
        if case is None:
            taken = sum(each.amount for each in self.cases.values() if each.state != "won")
            if taken + amount > TOTAL:
                return
            disputed = min(amount, self.refundable)
            case = Case(amount, disputed, min(disputed, self.held))
            self.held -= case.frozen
            self.cases[name] = case
        if case.amount != amount or what == "opened" or case.state != "open":
            return
        case.state = what
        if what == "won":
            self.held += case.frozen
            return
        self.lost += case.frozen
        case.owed = case.amount - case.frozen - self._keep_refunds(case.amount - case.frozen)

    def _keep_refunds(self, needed: int) -> int:
        kept = 0
        while self.refunds and kept < needed:
            newest = self.refunds.pop()
            part = min(newest, needed - kept)
            kept += part
            if part < newest:
                self.refunds.append(newest - part)
        return kept


class Real:
    """The same on the services."""

    def __init__(self, psp: StubPsp) -> None:
        self.psp = psp
        self.escrow, self.funding = charged_escrow(TOTAL)
        self.admins = [make_staff_caller("admin") for _ in range(2)]

    def release(self, amount: int) -> bool:
        escrow = lock_escrow(self.escrow.pk)
        if amount > escrow.available_minor:
            return False
        key = f"test:{escrow.pk}:{escrow.released_minor}"
        pay(escrow, None, amount, Acting("system:tests"), business_key=key)
        save_escrow(escrow)
        return True

    def refund(self, amount: int) -> bool:
        if amount == Escrow.objects.get(pk=self.escrow.pk).held_minor:
            # All of it would be the end of the escrow, which is not part of this story.
            return False
        try:
            with transaction.atomic():
                refund_escrow(
                    caller=as_provider(self.escrow),
                    escrow_id=self.escrow.pk,
                    amount_in=minor_of(amount),
                )
        except DomainError:
            return False
        return True

    def send(self) -> bool:
        waiting = Payment.objects.filter(status="PENDING", hold_reason__in=["", "returned"])
        refund = waiting.filter(kind="refund").order_by("pk").last()
        if refund is None or has_open_chargeback(self.escrow.pk):
            return False
        if refund.hold_reason:
            execute_payment(payment_id=refund.pk, caller=as_client(self.escrow))
        make_settled(self.psp, refund)
        return True

    def come_back(self) -> bool:
        arrived = Payment.objects.filter(kind="refund", status="SETTLED")
        refund = arrived.order_by("settled_at", "pk").last()
        if refund is None:
            return False
        payment_report(refund, OrderState.RETURNED)
        return True

    def write_off(self, name: str) -> bool:
        case = Chargeback.objects.filter(escrow=self.escrow, psp_ref=name).first()
        if case is None or case.written_off_at or not case.open_debt_minor:
            return False
        for caller in self.admins:
            write_off(chargeback_id=case.pk, caller=caller)
        return True

    def report(self, name: str, what: str, amount: int) -> None:
        take_event(
            f"chargeback.{what}",
            event_id=f"evt_model_{next(_events)}",
            psp_ref=name,
            payment_reference=self.funding.psp_ref,
            amount=f"{amount / 100:.2f}",
            currency="EUR",
        )


STEPS = st.one_of(
    st.tuples(st.just("release"), st.integers(1, 80)),
    st.tuples(st.just("refund"), st.integers(1, 80)),
    st.tuples(
        st.just("report"),
        st.sampled_from(["cb_1", "cb_2", "cb_3"]),
        st.sampled_from(["opened", "won", "lost"]),
        st.sampled_from([20, 50, 100]),
    ),
    st.tuples(st.just("send")),
    st.tuples(st.just("send")),
    st.tuples(st.just("come_back")),
    st.tuples(st.just("write_off"), st.sampled_from(["cb_1", "cb_2"])),
    # Most cases are told of twice with the same figures.
    st.tuples(
        st.just("report"),
        st.sampled_from(["cb_1", "cb_2"]),
        st.sampled_from(["opened", "won", "lost"]),
        st.just(50),
    ),
)


def _agree(real: Real, plain: Plain) -> None:
    escrow = Escrow.objects.get(pk=real.escrow.pk)
    assert (escrow.available_minor, escrow.frozen_minor) == (plain.held, plain.frozen)
    assert (escrow.released_minor, escrow.refunded_minor) == (plain.released, plain.refunded)
    assert escrow.funded_minor == TOTAL - plain.lost
    found = {
        case.psp_ref: (
            case.status.lower(),
            case.amount_minor,
            case.frozen_minor,
            case.missing_minor,
        )
        for case in Chargeback.objects.filter(escrow=escrow)
    }
    assert found == {
        name: (case.state, case.amount, case.frozen, case.owed)
        for name, case in plain.cases.items()
    }
    owed = {True: 0, False: 0}
    for each in plain.cases.values():
        owed[each.is_written_off] += each.owed
    assert ledger.balance_minor(chart.receivable(escrow.client_id), "EUR") == owed[False]
    assert ledger.balance_minor(chart.chargeback_loss(), "EUR") == owed[True]
    assert ledger.balance_minor(chart.user_funds(escrow.client_id), "EUR") == sum(plain.refunds)
    assert at_psp() == TOTAL - sum(plain.arrived) - sum(
        case.amount for case in plain.cases.values() if case.state != "won"
    )


@settings(
    # Each example is a dozen reports, each of which is a webhook, taken in and processed.
    max_examples=1_000 if SCALE == "soak" else 12,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, min_size=3, max_size=14))
def test_any_reports_of_chargebacks_end_as_the_plain_model_says(
    psp: StubPsp, steps: list[tuple[Any, ...]]
) -> None:
    # No atomic block: a session is opened outside of any.
    before = transaction.savepoint()
    real, plain = Real(psp), Plain()
    for name, *values in steps:
        done, expected = getattr(real, name)(*values), getattr(plain, name)(*values)
        assert done == expected, (name, values)
        _agree(real, plain)
    assert_in_order()
    assert_escrows_in_order()
    transaction.savepoint_rollback(before)
