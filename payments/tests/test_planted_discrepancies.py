"""A PSP whose list lies: every lie is found, under the right kind, and nothing else is."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from audit.models import Alert, AuditEntry
from conftest import Scaled
from kobatela.kernel import clock
from payments.comparison import DifferenceKind
from payments.ledger.models import Transfer
from payments.models import Attempt, Chargeback, Difference, Funding, Payment, Reach
from payments.psp.base import MovementKind
from payments.services.reconciliation import reconcile
from payments.tests.planted import World
from payments.tests.stub_psp import StubPsp

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 12, 3, 0, tzinfo=UTC)
SEED = 20260312


def found() -> set[tuple[str, str]]:
    """The open differences: kind, and what it is about."""
    rows = Difference.objects.exclude(status="CLOSED")
    return {(row.kind, row.psp_ref if row.kind == "MISSING_HERE" else row.subject) for row in rows}


def ours() -> list[object]:
    """Everything of ours that a reconciler could be tempted to repair."""
    return [
        list(model.objects.order_by("pk").values_list())
        for model in (Payment, Attempt, Funding, Chargeback, Transfer)
    ]


def test_the_reconciler_finds_every_planted_discrepancy_and_no_other(
    psp: StubPsp, scaled: Scaled
) -> None:
    planted = scaled(ci=100, soak=500)
    world = World(SEED, NOW)
    world.live(planted * 6)
    honest = len(world.pairs)
    world.plant(planted)
    world.store()
    psp.movements = world.listed()
    before = ours()

    with clock.frozen(NOW):
        run = reconcile(psp="fake", reach=Reach.NIGHTLY)

    kinds = Counter(kind for kind, _ in world.expected)
    assert len(world.expected) == planted
    assert set(kinds) == set(DifferenceKind)
    assert set(Difference.objects.values_list("movement", flat=True)) == set(MovementKind)
    assert found() - world.expected == set(), "false ones"
    assert world.expected - found() == set(), "not found"
    assert run.found == kinds
    assert (run.status, run.opened, run.closed) == ("DONE", len(world.expected), 0)
    assert run.agreed > honest // 2
    assert ours() == before, "a reconciler repairs nothing"
    assert AuditEntry.objects.filter(action="difference.opened").count() == len(world.expected)
    assert Alert.objects.count() == len(world.expected)


def test_when_the_lies_stop_the_next_run_closes_every_difference(psp: StubPsp) -> None:
    world = World(SEED + 1, NOW)
    world.live(60)
    world.plant(20)
    world.store()
    psp.movements = world.listed()
    with clock.frozen(NOW):
        reconcile(psp="fake", reach=Reach.NIGHTLY)
    assert found() == world.expected
    liars = {pair.key for pair in world.pairs if pair.lie}
    assert liars

    # Both sides forget the movements that were lied about; the others stay as they are.
    psp.movements = [line for pair in world.pairs if pair.key not in liars for line in pair.theirs]
    Attempt.objects.filter(psp_key__in=liars).update(started_at=NOW - timedelta(days=90))
    Funding.objects.filter(psp_key__in=liars).update(created_at=NOW - timedelta(days=90))
    refs = [pair.known_ref for pair in world.pairs if pair.lie]
    Chargeback.objects.filter(psp_ref__in=refs).delete()
    with clock.frozen(NOW + timedelta(minutes=1)):
        run = reconcile(psp="fake", reach=Reach.NIGHTLY)

    assert (run.closed, run.opened, found()) == (20, 0, set())
    assert set(Difference.objects.values_list("closed_run", flat=True)) == {run.pk}
