"""However a PSP's reports arrive - twice, late, early, in any order - the end is the same."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import product

import pytest

from audit.models import Alert
from conftest import Scaled
from escrow.models import Escrow
from escrow.services.acceptance import approve_escrow
from escrow.services.journal import Said
from escrow.tests.factories import as_client, make_escrow
from kobatela.kernel import clock
from kobatela.kernel.money import Money
from payments.errors import PspUnavailable
from payments.ledger import chart
from payments.ledger import selectors as ledger
from payments.models import Attempt, Funding, Payment, PspEvent
from payments.psp.base import FundingFound, FundingOpened, OrderState, PspDown
from payments.services.events import process_event
from payments.services.fundings import open_session
from payments.services.payouts import execute_payment
from payments.services.sending import send_payment
from payments.services.sweeps import sweep
from payments.tests.books import assert_in_order
from payments.tests.factories import keep_event
from payments.tests.stub_psp import UNKNOWN, StubPsp

pytestmark = pytest.mark.django_db

SEED = 20261126
TOTAL = 10_000
# What the PSP does with the session, and with each attempt of the payout.
FUNDINGS = (("succeeded",), ("failed", "succeeded"))
PAYOUTS = ((("settled",),), (("settled", "returned"),), (("failed",), ("settled",)))
# How each of the payout's stories must end: status and attempt of every payment, what is at the
# PSP, what the payee may still claim.
ENDS = {
    PAYOUTS[0]: ([("SETTLED", 1, "")], 0, 0),
    PAYOUTS[1]: ([("REFUNDED", 1, ""), ("PENDING", 1, "returned")], TOTAL, TOTAL),
    PAYOUTS[2]: ([("SETTLED", 2, "")], 0, 0),
}


@dataclass
class Story:
    """One escrow's money from its session to its payee, told in an order that `rng` draws.

    reports: what the PSP has done and not (or not for the last time) told: called to tell it.
    """

    rng: random.Random
    psp: StubPsp
    funding_ends: tuple[str, ...]
    payout_ends: tuple[tuple[str, ...], ...]
    now: datetime
    escrow: Escrow = field(init=False)
    reports: list[Callable[[], None]] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    at_psp_before: int = 0

    def tell(self) -> None:
        """All of it, up to where nothing is left to be done."""
        self.psp.before_answer = self._take_order
        self.at_psp_before = ledger.balance_minor(chart.psp("fake"), "EUR")
        with clock.frozen(self.now):
            self.escrow = make_escrow("DRAFT", amount_total_minor=TOTAL)
            self._open_session()
        while moves := list(self._moves()):
            self._later(timedelta(minutes=self.rng.choice([0, 0, 1, 20])))
            with clock.frozen(self.now):
                self.rng.choice(moves)()
        # What waits is tried again within the hour.
        for _ in range(3):
            self._later(timedelta(hours=2))
            with clock.frozen(self.now):
                sweep()

    def _moves(self) -> Iterator[Callable[[], None]]:
        """What may happen next."""
        self.escrow.refresh_from_db()
        payment = Payment.objects.filter(escrow_id=self.escrow.pk).order_by("pk").last()
        if self.escrow.status == "FUNDED":
            yield self._approve
        if payment is not None and payment.status == "PENDING" and not payment.hold_reason:
            yield lambda: self._send(payment)
        if payment is not None and payment.status == "ERROR":
            yield lambda: self._execute(payment)
        yield from self.reports
        is_open = payment is None or payment.status in {"PENDING", "SENT", "ERROR"}
        if self.reports or (is_open and not payment_waits(payment)):
            yield self._sweep

    def _open_session(self) -> None:
        money = Money(TOTAL, "EUR")
        is_silent = self.rng.random() < 0.3
        if is_silent:
            # The session is there, and the answer that tells so never comes.
            self.psp.funding_error = PspDown("read timeout")
        try:
            open_session(
                caller=as_client(self.escrow),
                escrow_id=self.escrow.pk,
                payer_id=self.escrow.client_id,
                money=money,
            )
        except PspUnavailable:
            self.psp.funding_error = None
        funding = Funding.objects.get(escrow_id=self.escrow.pk)
        psp_ref = funding.psp_ref or f"ch_of_{funding.pk}"
        self.psp.fundings[funding.psp_key] = FundingOpened(psp_ref, "secret")
        self.psp.funding_states[funding.psp_key] = FundingFound(
            OrderState.SETTLED, psp_ref=psp_ref, money=money
        )
        for word in self.funding_ends:
            self._report(
                f"funding.{word}", psp_ref, funding.psp_key, amount="100.00", currency="EUR"
            )

    def _approve(self) -> None:
        approve_escrow(caller=as_client(self.escrow), escrow_id=self.escrow.pk, said=Said())

    def _execute(self, payment: Payment) -> None:
        execute_payment(payment_id=payment.pk, caller=as_client(self.escrow))

    def _sweep(self) -> None:
        sweep()

    def _send(self, payment: Payment) -> None:
        """A worker hands it over; the answer may be lost."""
        if self.rng.random() < 0.4:
            self.psp.next_answers = [UNKNOWN]
        send_payment(payment_id=payment.pk)

    def _take_order(self, key: str) -> None:
        """The PSP has an order, and will do with it what the story says; once per order."""
        order, attempt = self.psp.orders[key], Attempt.objects.get(psp_key=key)
        assert order.psp_ref is not None
        if order.psp_ref in self.taken:
            return
        self.taken.add(order.psp_ref)
        for word in self.payout_ends[attempt.number - 1]:
            self._report(f"payment.{word}", order.psp_ref, key)

    def _report(self, kind: str, psp_ref: str, key: str, **fields: str) -> None:
        """The PSP will tell it, once to three times, by one reference or both."""
        event_id = f"evt_{kind}_{key}"
        references = {"psp_ref": psp_ref, "payment_reference": key}
        if not kind.startswith("funding.") and self.rng.random() < 0.5:
            # By its own reference alone, which we may not have heard yet.
            del references["payment_reference"]
        left = self.rng.randint(1, 3)

        def deliver() -> None:
            nonlocal left
            if key in self.psp.orders and self._is_later(key, kind):
                self.psp.set_state(key, OrderState(kind.partition(".")[2]))
            keep_event(kind, event_id=event_id, **references, **fields)
            left -= 1
            if left == 0:
                self.reports.remove(deliver)
            if self.rng.random() < 0.7:
                process_event(event_id=PspEvent.objects.get(event_id=event_id).pk)

        self.reports.append(deliver)

    def _is_later(self, key: str, kind: str) -> bool:
        """Whether the PSP's own record has not come further than this report."""
        return self.psp.orders[key].state != OrderState.RETURNED or kind == "payment.returned"

    def _later(self, by: timedelta) -> None:
        self.now += by


def payment_waits(payment: Payment | None) -> bool:
    """Whether only a person can move it on."""
    return payment is not None and bool(payment.hold_reason)


def assert_ended_as_told(story: Story) -> None:
    """The escrow, its payments, the books and the events are where the story ends."""
    payments, at_psp, payable = ENDS[story.payout_ends]
    escrow = Escrow.objects.get(pk=story.escrow.pk)
    assert (escrow.status, escrow.funded_minor, escrow.released_minor) == ("RELEASED", TOTAL, TOTAL)
    found = Payment.objects.filter(escrow_id=escrow.pk).order_by("pk")
    assert [(row.status, row.attempt, row.hold_reason) for row in found] == payments
    funding = Funding.objects.get(escrow_id=escrow.pk)
    assert (funding.status, funding.received_minor) == ("SUCCEEDED", TOTAL)
    assert escrow.deposits.count() == 1
    assert ledger.balance_minor(chart.escrow_held(escrow.pk), "EUR") == 0
    assert ledger.balance_minor(chart.user_payable(escrow.provider_id), "EUR") == payable
    assert ledger.balance_minor(chart.psp("fake"), "EUR") == story.at_psp_before + at_psp
    attempts = Attempt.objects.filter(payment__escrow_id=escrow.pk)
    assert all(row.result or row.payment.status == "PENDING" for row in attempts)
    events = PspEvent.objects.exclude(status="PROCESSED").values_list("event_id", "status")
    assert list(events) == []


def test_the_same_reports_end_in_the_same_state_in_whatever_order_they_come(
    psp: StubPsp, scaled: Scaled
) -> None:
    rng = random.Random(SEED)  # noqa: S311 - a drawn order, not a secret
    stories = list(product(FUNDINGS, PAYOUTS))
    for number in range(scaled(ci=36, soak=2_000)):
        funding_ends, payout_ends = stories[number % len(stories)]
        story = Story(rng, psp, funding_ends, payout_ends, now=clock.now())
        story.tell()
        assert_ended_as_told(story)
    assert_in_order()
    # A PSP that tells the truth, in whatever order, contradicts nothing.
    assert not Alert.objects.filter(type="PSP_EVENT_CONTRADICTS").exists()
