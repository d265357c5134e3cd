"""What the sweeper finds."""

from datetime import timedelta

import pytest
from pytest_django import Settings

from audit.models import Alert, JobRun
from audit.schedule import ScheduledJob
from audit.services import switches
from kobatela.accounts.tests.factories import make_staff_caller, make_user
from kobatela.kernel import clock
from payments import schedule, tasks
from payments.models import Payment, PspEvent
from payments.psp.base import OrderState
from payments.services import sending, sweeps
from payments.services.events import BREAKS_AT_MOST, reprocess_event
from payments.services.refunds import confirm_external
from payments.services.sweeps import sweep
from payments.tests.books import assert_in_order
from payments.tests.factories import keep_event, make_payout, make_refund, make_sent
from payments.tests.stub_psp import UNKNOWN, StubPsp

pytestmark = pytest.mark.django_db


def later(by: timedelta) -> dict[str, int]:
    """Sweep when so much time has gone by."""
    with clock.frozen(clock.now() + by):
        return sweep()


def test_a_payment_whose_bell_nobody_heard_is_sent(psp: StubPsp) -> None:
    payment = make_payout()

    assert sweep()["sent"] == 0
    assert later(timedelta(seconds=11))["sent"] == 1

    payment.refresh_from_db()
    assert payment.status == "SENT"
    assert len(psp.sent) == 1


def test_sweeping_twice_is_safe(psp: StubPsp) -> None:
    make_payout(), make_refund()
    with clock.frozen(clock.now() + timedelta(minutes=1)):
        sweep()
        sweep()
    assert len(psp.sent) == 2
    assert_in_order()


def test_a_payment_whose_webhook_was_lost_is_looked_up(psp: StubPsp) -> None:
    payment = make_sent(psp)
    psp.set_state(payment.psp_key, OrderState.SETTLED)

    assert later(timedelta(minutes=9))["looked_up"] == 0
    assert later(timedelta(minutes=11))["looked_up"] == 1

    payment.refresh_from_db()
    assert payment.status == "SETTLED"
    assert_in_order()


def test_external_refunds_and_held_payments_are_left_alone(psp: StubPsp) -> None:
    make_refund("psp:manual")
    Payment.objects.filter(pk=make_payout().pk).update(hold_reason="staff")

    assert set(later(timedelta(days=1)).values()) == {0}


def test_nothing_is_sent_while_payouts_are_paused(psp: StubPsp) -> None:
    make_payout()
    switches.set_switch(name="payouts_paused", is_on=True, reason="", actor="system:tests")

    assert later(timedelta(minutes=1))["sent"] == 0
    assert psp.sent == []


def test_an_outcome_unknown_for_an_hour_alerts_once(psp: StubPsp) -> None:
    psp.next_answers, psp.accepts, psp.can_look_up = [UNKNOWN], False, False
    payment = make_sent(psp)

    later(timedelta(minutes=59))
    assert not Alert.objects.exists()
    later(timedelta(minutes=61))
    later(timedelta(minutes=90))

    alert = Alert.objects.get()
    assert (alert.type, alert.subject, alert.count) == ("PAYOUT_UNKNOWN", payment.reference, 2)


def test_one_row_that_breaks_does_not_keep_the_others_waiting(
    psp: StubPsp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken, whole = make_payout(), make_payout()
    real = sending.send_payment

    def send(*, payment_id: int) -> None:
        if payment_id == broken.pk:
            raise ZeroDivisionError
        real(payment_id=payment_id)

    monkeypatch.setattr(sweeps, "send_payment", send)
    later(timedelta(minutes=1))

    whole.refresh_from_db()
    assert whole.status == "SENT"
    assert f"Row {broken.pk} could not be worked on" in caplog.text


def test_an_event_that_breaks_its_worker_is_not_the_next_one_again(
    psp: StubPsp, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_event("payment.settled", psp_ref="tr_1")
    monkeypatch.setattr(sweeps, "process_event", lambda **_values: 1 / 0)

    assert later(timedelta(seconds=11))["events"] == 1
    assert later(timedelta(seconds=12))["events"] == 0


def sweep_when_due(event: PspEvent, times: int) -> None:
    """So many sweeps, each when the event is due again."""
    for _ in range(times):
        event.refresh_from_db()
        with clock.frozen(event.next_try_at + timedelta(seconds=1)):
            sweep()
    event.refresh_from_db()


def test_an_event_that_breaks_every_worker_fails_and_is_processed_when_staff_says_so(
    psp: StubPsp, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = make_sent(psp)
    keep_event("payment.settled", psp_ref=payment.psp_ref)
    event = PspEvent.objects.get()
    tried: list[int] = []

    def breaks(*, event_id: int) -> None:
        tried.append(event_id)
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(sweeps, "process_event", breaks)
        sweep_when_due(event, times=BREAKS_AT_MOST + 3)

    assert (event.status, event.reason, len(tried)) == ("FAILED", "PROCESSING_BREAKS", 12)
    alert = Alert.objects.get(type="PSP_EVENT_UNMATCHED")
    assert (alert.subject, alert.count) == (event.reference, 1)
    assert payment.status == "SENT"

    reprocess_event(event_id=event.pk, caller=make_staff_caller())
    sweep_when_due(event, times=1)
    payment.refresh_from_db()
    assert (event.status, event.breaks, payment.status) == ("PROCESSED", 0, "SETTLED")


def test_an_event_that_waits_for_what_it_is_about_does_not_count_as_broken(psp: StubPsp) -> None:
    keep_event("payment.settled", psp_ref="tr_of_nobody")
    event = PspEvent.objects.get()
    sweep_when_due(event, times=BREAKS_AT_MOST + 2)
    assert (event.status, event.tries, event.breaks) == ("WAITING", BREAKS_AT_MOST + 2, 0)


def test_the_job_runs_by_the_clock_and_leaves_its_figures(psp: StubPsp) -> None:
    make_payout()
    with clock.frozen(clock.now() + timedelta(minutes=1)):
        tasks.sweep_payments()
    run = JobRun.objects.get()
    assert (run.name, run.status, run.result["sent"]) == ("payment_sweep", "DONE", 1)


def test_a_refund_that_its_collector_does_not_confirm_is_alerted_once_a_day(psp: StubPsp) -> None:
    collector = make_user()
    refund = make_refund(f"collector:{collector.pk}")
    assert later(timedelta(days=6))["overdue_refunds"] == 0
    assert not Alert.objects.exists()

    for hours in (1, 2, 23, 26):
        assert later(timedelta(days=7, hours=hours))["overdue_refunds"] == 1

    alert = Alert.objects.get()
    assert (alert.type, alert.subject) == ("EXTERNAL_REFUND_OVERDUE", refund.reference)
    assert (alert.count, alert.payload["collector"]) == (2, collector.pk)

    confirm_external(payment_id=refund.pk, caller=make_staff_caller())
    assert later(timedelta(days=30))["overdue_refunds"] == 0


def test_the_days_of_a_collector_are_a_setting(psp: StubPsp, settings: Settings) -> None:
    settings.KOBATELA_EXTERNAL_REFUND_DAYS = 2
    make_refund(f"collector:{make_user().pk}")
    assert later(timedelta(days=1))["overdue_refunds"] == 0
    assert later(timedelta(days=3))["overdue_refunds"] == 1


def test_the_ledger_is_checked_by_the_clock(psp: StubPsp) -> None:
    make_sent(psp)
    tasks.check_ledger()
    assert JobRun.objects.get().result == {"problems": 0}
    assert not Alert.objects.exists()


def test_the_doors_take_ids_as_the_broker_brings_them(psp: StubPsp) -> None:
    payment = make_payout()
    tasks.send_payment(str(payment.pk))
    keep_event("payment.settled", psp_ref="tr_1")
    tasks.process_psp_event(str(PspEvent.objects.get().pk))
    payment.refresh_from_db()
    assert payment.status == "SETTLED"


def test_every_job_has_a_task_of_its_own() -> None:
    jobs: list[ScheduledJob] = schedule.SCHEDULE
    tasks_named = [job.task.rpartition(".")[2] for job in jobs]
    assert tasks_named == ["sweep_payments", "check_ledger", "watch_coverage", "reconcile"]
    assert all(hasattr(tasks, job.task.rpartition(".")[2]) for job in jobs)
