"""However a PSP's reports arrive - twice, late, early, in any order - the end is the same."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import pytest

from audit.models import Alert
from conftest import Scaled
from escrow.models import Escrow
from escrow.tests.savepoints import undone
from kobatela.kernel import clock
from payments.ledger import chart
from payments.ledger import selectors as ledger
from payments.ledger.chart import AccountRef
from payments.models import Attempt, Chargeback, Funding, Payment, PspEvent
from payments.tests.books import assert_in_order
from payments.tests.stub_psp import StubPsp
from payments.tests.told_stories import FEE, TAKEN, TOTAL, Case, Plot, Story, Tries, Way

pytestmark = pytest.mark.django_db

SEED = 20261126
# What the PSP does with the session, and with each attempt of the money's way out.
FUNDINGS = (("succeeded",), ("failed", "succeeded"))
PAYOUTS: Sequence[Tries] = (
    (("settled",),),
    (("settled", "returned"),),
    (("failed",), ("settled",)),
)
REFUNDS: Sequence[Tries] = (
    (("settled",),),
    (("settled", "reversed"),),
    (("failed",), ("settled",)),
)
CAME_BACK = frozenset({"returned", "reversed"})
# A client does not accept what is no longer whole; and where both a refund and a lost case would
# give the payer the same money, the order decides which of them does.
WAYS = (
    *product([Way.PAYOUT], PAYOUTS, [Case.NONE, Case.WON, Case.LOST_AFTER]),
    *product([Way.REFUND], REFUNDS, [Case.NONE, Case.WON, Case.LOST_BEFORE]),
)


@dataclass(frozen=True)
class End:
    """Where a plot must end, whatever the order.

    payments: status, attempt and hold of each. at_psp, owed, receivable, fees: what is left at the
    PSP, what the receiver may still claim, what the payer owes, what the case has cost.
    """

    amount: int
    payments: Sequence[tuple[str, int, str]]
    at_psp: int
    owed: int
    receivable: int
    fees: int


def end_of(plot: Plot) -> End:
    """What the contract says of it."""
    taken = TAKEN.get(plot.case, 0)
    amount = TOTAL - (taken if plot.case == Case.LOST_BEFORE else 0)
    came_back = bool(CAME_BACK.intersection(plot.tries[-1]))
    first = ("REFUNDED" if came_back else "SETTLED", len(plot.tries), "")
    fees = FEE if plot.case in {Case.LOST_BEFORE, Case.LOST_AFTER} else 0
    owed = amount if came_back else 0
    return End(
        amount=amount,
        payments=[first, ("PENDING", 1, "returned")] if came_back else [first],
        # All that came in, less what went out and stayed there, was taken back, and the case cost.
        at_psp=TOTAL - (amount - owed) - (0 if plot.case == Case.WON else taken) - fees,
        owed=owed,
        receivable=taken if plot.case == Case.LOST_AFTER else 0,
        fees=fees,
    )


def assert_ended_as_told(story: Story) -> None:
    """The escrow, its payments, the books and the events are where the plot ends."""
    end, plot = end_of(story.plot), story.plot
    escrow = Escrow.objects.get(pk=story.escrow.pk)
    assert (escrow.status, escrow.funded_minor, escrow.frozen_minor) == (
        "RELEASED" if plot.way == Way.PAYOUT else "REFUNDED",
        end.amount,
        0,
    )
    moved = (escrow.released_minor, escrow.refunded_minor)
    assert moved == ((end.amount, 0) if plot.way == Way.PAYOUT else (0, end.amount))
    found = Payment.objects.filter(escrow_id=escrow.pk).order_by("pk")
    assert [(row.status, row.attempt, row.hold_reason) for row in found] == end.payments
    funding = Funding.objects.get(escrow_id=escrow.pk)
    assert (funding.status, funding.received_minor) == ("SUCCEEDED", TOTAL)
    assert escrow.deposits.count() == 1
    cases = Chargeback.objects.filter(escrow=escrow).values_list("status", "amount_minor")
    assert list(cases) == ([] if plot.case == Case.NONE else [(plot.case.end, TAKEN[plot.case])])
    receiver = chart.user_payable(escrow.provider_id)
    if plot.way == Way.REFUND:
        receiver = chart.user_funds(escrow.client_id)
    assert {
        "held": _balance(chart.escrow_held(escrow.pk)),
        "owed": _balance(receiver),
        "at the PSP": _balance(chart.psp("fake")),
        "receivable": _balance(chart.receivable(escrow.client_id)),
        "fees": _balance(chart.dispute_fee()),
    } == {
        "held": 0,
        "owed": end.owed,
        "at the PSP": end.at_psp,
        "receivable": end.receivable,
        "fees": end.fees,
    }
    attempts = Attempt.objects.filter(payment__escrow_id=escrow.pk)
    assert all(row.result or row.payment.status == "PENDING" for row in attempts)
    events = PspEvent.objects.exclude(status="PROCESSED").values_list("event_id", "status")
    assert list(events) == []
    # A PSP that tells the truth, in whatever order, contradicts nothing.
    assert not Alert.objects.filter(type="PSP_EVENT_CONTRADICTS").exists()


def test_the_same_reports_end_in_the_same_state_in_whatever_order_they_come(
    psp: StubPsp, scaled: Scaled
) -> None:
    rng = random.Random(SEED)  # noqa: S311 - a drawn order, not a secret
    plots = [Plot(funding, *way) for way, funding in product(WAYS, FUNDINGS)]
    for number in range(scaled(ci=len(plots), soak=2_000)):
        with undone():
            story = Story(rng, psp, plots[number % len(plots)], now=clock.now())
            story.tell()
            assert_ended_as_told(story)
            assert_in_order()


def _balance(account: AccountRef) -> int:
    return ledger.balance_minor(account, "EUR")
