"""One escrow's money from its session to its end, as a PSP tells of it, in an order that is drawn.

The PSP does what a plot says, in the order in which a PSP can do it; its reports of that come once
to three times, early, late and mixed with what people and workers do.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from escrow.models import Escrow
from escrow.services.acceptance import approve_escrow, reject_escrow
from escrow.services.journal import Said
from escrow.tests.factories import as_client, make_escrow
from kobatela.kernel import clock
from kobatela.kernel.money import Money
from payments.errors import PspUnavailable
from payments.models import Attempt, Chargeback, ChargebackStatus, Funding, Payment, PspEvent
from payments.psp.base import FundingFound, FundingOpened, OrderState, PspDown
from payments.services.events import process_event
from payments.services.fundings import open_session
from payments.services.payouts import execute_payment
from payments.services.sending import send_payment
from payments.services.sweeps import sweep
from payments.tests.factories import keep_event
from payments.tests.stub_psp import UNKNOWN, StubPsp

Tries = tuple[tuple[str, ...], ...]

TOTAL = 10_000
FEE = 1_500
# A PSP waits for no answer longer than this, and a story never: what is wrong would go on for ever.
_PATIENCE = 15
# Below the 72 hours in which an event must find what it is about.
_LATE = timedelta(hours=30)


class Way(StrEnum):
    """Where the money goes: the client accepts and the provider is paid, or it goes back."""

    PAYOUT = "payout"
    REFUND = "refund"


class Case(StrEnum):
    """What the payer's bank does with the charge.

    LOST_BEFORE: it takes a part back for good before the escrow is decided. LOST_AFTER: all of it,
    when everything has been given to the provider.
    """

    NONE = "none"
    WON = "won"
    LOST_BEFORE = "lost before"
    LOST_AFTER = "lost after"

    @property
    def end(self) -> str:
        """The state of the case in the end."""
        return "WON" if self is Case.WON else "LOST"


TAKEN: Mapping[Case, int] = {Case.WON: TOTAL, Case.LOST_BEFORE: 4_000, Case.LOST_AFTER: TOTAL}


@dataclass(frozen=True)
class Plot:
    """What the PSP does with the session, with each attempt at paying, and with the charge."""

    funding_ends: tuple[str, ...]
    way: Way
    tries: Tries
    case: Case


@dataclass
class Story:
    """One plot, told in an order that `rng` draws.

    reports: what the PSP has done and not (or not for the last time) told: called to tell it.
    """

    rng: random.Random
    psp: StubPsp
    plot: Plot
    now: datetime
    escrow: Escrow = field(init=False)
    reports: list[Callable[[], None]] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    is_late: bool = False

    def tell(self) -> None:
        """All of it, up to where nothing is left to be done."""
        self.psp.before_answer = self._take_order
        with clock.frozen(self.now):
            self.escrow = make_escrow("DRAFT", amount_total_minor=TOTAL)
            self._open_session()
        for _ in range(_PATIENCE):
            while moves := list(self._moves()):
                self._later(timedelta(minutes=self.rng.choice([0, 0, 1, 20])))
                with clock.frozen(self.now):
                    self.rng.choice(moves)()
            if not self._is_unfinished():
                return
            # What waits is tried again within the hour.
            self._later(timedelta(hours=2))
            with clock.frozen(self.now):
                sweep()
        raise AssertionError(f"{self.plot} does not come to its end")

    def _moves(self) -> Iterator[Callable[[], None]]:
        """What may happen next."""
        self.escrow.refresh_from_db()
        payment = Payment.objects.filter(escrow_id=self.escrow.pk).order_by("pk").last()
        case = None
        if self.plot.case != Case.NONE:
            case = Chargeback.objects.filter(escrow_id=self.escrow.pk).first()
        if self._may_be_decided(case):
            yield self._decide
        is_free = payment is not None and not payment.hold_reason
        if payment is not None and is_free and payment.status == "PENDING":
            yield lambda: self._send(payment)
        is_contested = case is not None and case.status == ChargebackStatus.OPEN
        if payment is not None and payment.status == "ERROR" and not is_contested:
            yield lambda: self._execute(payment)
        yield from self.reports
        is_open = payment is None or payment.status in {"PENDING", "SENT", "ERROR"}
        if self.reports or (is_open and (payment is None or is_free)):
            # A sweep is dear, and one between any two other moves shows no more.
            if self.rng.random() < 0.2 or not (self.reports or is_free):
                yield self._sweep
            if self.reports and not self.is_late:
                yield self._be_late

    def _is_unfinished(self) -> bool:
        """Whether something waits that is not for a person."""
        waiting = Payment.objects.filter(escrow_id=self.escrow.pk).exclude(hold_reason="returned")
        return (
            PspEvent.objects.exclude(status="PROCESSED").exists()
            or waiting.filter(status__in=["PENDING", "SENT", "ERROR"]).exists()
            or self.escrow.status in {"DRAFT", "FUNDED"}
        )

    def _may_be_decided(self, case: Chargeback | None) -> bool:
        if self.escrow.status != "FUNDED" or self.escrow.frozen_minor:
            return False
        is_closed = case is not None and case.status != ChargebackStatus.OPEN
        return self.plot.case != Case.LOST_BEFORE or is_closed

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
        for word in self.plot.funding_ends:
            self._report(
                f"funding.{word}", psp_ref, funding.psp_key, amount="100.00", currency="EUR"
            )
        if self.plot.case in {Case.WON, Case.LOST_BEFORE}:
            self._contest()

    def _contest(self) -> None:
        """The payer's bank takes the charge back, and decides."""
        charge = self.psp.funding_states[Funding.objects.get(escrow_id=self.escrow.pk).psp_key]
        assert charge.psp_ref is not None
        case, amount = f"cb_{charge.psp_ref}", f"{TAKEN[self.plot.case] / 100:.2f}"
        for word in ("opened", self.plot.case.end.lower()):
            fee = "0.00" if word == "won" else f"{FEE / 100:.2f}"
            self._report(
                f"chargeback.{word}", case, charge.psp_ref, amount=amount, currency="EUR", fee=fee
            )

    def _decide(self) -> None:
        caller, escrow_id = as_client(self.escrow), self.escrow.pk
        if self.plot.way == Way.PAYOUT:
            approve_escrow(caller=caller, escrow_id=escrow_id, said=Said())
        else:
            reject_escrow(caller=caller, escrow_id=escrow_id, said=Said())
        if self.plot.case == Case.LOST_AFTER:
            self._contest()

    def _execute(self, payment: Payment) -> None:
        execute_payment(payment_id=payment.pk, caller=as_client(self.escrow))

    def _sweep(self) -> None:
        sweep()

    def _be_late(self) -> None:
        """Nothing happens for more than a day."""
        self.is_late = True
        self._later(_LATE)

    def _send(self, payment: Payment) -> None:
        """A worker hands it over; the answer may be lost."""
        if self.rng.random() < 0.4:
            self.psp.next_answers = [UNKNOWN]
        send_payment(payment_id=payment.pk)

    def _take_order(self, key: str) -> None:
        """The PSP has an order, and will do with it what the plot says; once per order."""
        order, attempt = self.psp.orders[key], Attempt.objects.get(psp_key=key)
        assert order.psp_ref is not None
        if order.psp_ref in self.taken:
            return
        self.taken.add(order.psp_ref)
        noun = "refund" if self.plot.way == Way.REFUND else "payment"
        for word in self.plot.tries[attempt.number - 1]:
            self._report(f"{noun}.{word}", order.psp_ref, key)

    def _report(self, kind: str, psp_ref: str, key: str, **fields: str) -> None:
        """The PSP will tell it, once to three times, by one reference or both."""
        event_id = f"evt_{kind}_{key}"
        references = {"psp_ref": psp_ref, "payment_reference": key}
        is_named_by_both = kind.startswith("funding.") or kind == "chargeback.opened"
        if not is_named_by_both and self.rng.random() < 0.5:
            # By its own reference alone, which we may not have heard yet.
            del references["payment_reference"]
        left = self.rng.randint(1, 3)

        def deliver() -> None:
            nonlocal left
            if key in self.psp.orders and self._is_later(key, kind):
                self.psp.set_state(key, _state_after(kind))
            keep_event(kind, event_id=event_id, **references, **fields)
            left -= 1
            if left == 0:
                self.reports.remove(deliver)
            if self.rng.random() < 0.7:
                process_event(event_id=PspEvent.objects.get(event_id=event_id).pk)

        self.reports.append(deliver)

    def _is_later(self, key: str, kind: str) -> bool:
        """Whether the PSP's own record has not come further than this report."""
        is_back = self.psp.orders[key].state == OrderState.RETURNED
        return not is_back or _state_after(kind) == OrderState.RETURNED

    def _later(self, by: timedelta) -> None:
        self.now += by


def _state_after(kind: str) -> OrderState:
    word = kind.partition(".")[2]
    return OrderState.RETURNED if word == "reversed" else OrderState(word)
