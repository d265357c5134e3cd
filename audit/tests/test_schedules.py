"""The schedule: kept by the code, switched off by admins, watched."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from celery import current_app
from django.core.management import call_command
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from audit.errors import JobMustRun, JobNotFound
from audit.models import Alert, AuditEntry, JobRun
from audit.schedule import ScheduledJob
from audit.services.alerts import acknowledge_alert
from audit.services.schedules import ensure_schedule, set_job_enabled
from audit.tasks import purge_idempotency, purge_job_runs, watch_jobs
from kobatela.kernel import clock
from kobatela.rest.models import IdempotencyRecord

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
SWEEP = ScheduledJob("sweep", "payments.tasks.sweep", every_s=60)
COUNT = ScheduledJob("count", "payments.tasks.count", every_s=3600)


@pytest.fixture(autouse=True)
def still_clock() -> Iterator[None]:
    """Time stands still."""
    with clock.frozen(AT):
        yield


def _rows() -> list[tuple[str, str, int, bool]]:
    rows = PeriodicTask.objects.select_related("interval").order_by("name")
    return [(row.name, row.task, row.interval.every, row.enabled) for row in rows]


@pytest.mark.django_db
def test_every_job_gets_its_periodic_task_and_the_second_start_changes_nothing() -> None:
    assert ensure_schedule([SWEEP, COUNT]) == 2
    assert ensure_schedule([SWEEP, COUNT]) == 0

    assert _rows() == [
        ("count", "payments.tasks.count", 3600, True),
        ("sweep", "payments.tasks.sweep", 60, True),
    ]


@pytest.mark.django_db
def test_a_job_that_staff_disabled_stays_disabled() -> None:
    ensure_schedule([SWEEP])
    PeriodicTask.objects.update(enabled=False)

    ensure_schedule([ScheduledJob("sweep", "payments.tasks.sweep_better", every_s=30)])

    assert _rows() == [("sweep", "payments.tasks.sweep_better", 30, False)]


@pytest.mark.django_db
def test_a_job_that_is_gone_goes_and_the_tasks_of_others_stay() -> None:
    ensure_schedule([SWEEP, COUNT])
    interval = IntervalSchedule.objects.create(every=5, period=IntervalSchedule.DAYS)
    PeriodicTask.objects.create(name="ours", task="x.y", interval=interval, enabled=False)

    ensure_schedule([COUNT])

    assert [row[0] for row in _rows()] == ["count", "ours"]


@pytest.mark.django_db
def test_the_command_collects_the_jobs_of_every_app_and_each_names_a_task() -> None:
    said = StringIO()
    call_command("ensure_schedule", stdout=said)

    names = {row[0] for row in _rows()}
    assert {"idempotency_purge", "job_run_purge", "job_watch"} <= names
    assert {"key_expiry_warning", "key_use_purge"} <= names
    current_app.loader.import_default_modules()
    assert [row[1] for row in _rows() if row[1] not in current_app.tasks] == []
    assert f"{len(names)} scheduled jobs" in said.getvalue()


def _switch(name: str, *, is_on: bool, reason: str) -> None:
    set_job_enabled(name=name, is_on=is_on, reason=reason, actor="staff:3")


def _ran(name: str, ago_s: int) -> None:
    JobRun.objects.create(
        name=name, owner="x:1", status="DONE", started_at=AT - timedelta(seconds=ago_s)
    )


@pytest.mark.django_db
def test_a_job_that_missed_two_periods_is_late() -> None:
    ensure_schedule([SWEEP, COUNT])
    _ran("sweep", ago_s=500)
    _ran("sweep", ago_s=121)
    _ran("count", ago_s=7200)

    watch_jobs()

    alert = Alert.objects.get()
    assert (alert.type, alert.subject) == ("JOB_LATE", "job:sweep")
    assert alert.payload == {"every_s": 60, "late_s": 61}
    assert JobRun.objects.get(name="job_watch").result == {"late": ["sweep"], "off": []}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("watched_ago_s", "subjects"), [(450, ["job:count", "job:sweep"]), (451, ["jobs"])]
)
def test_after_a_pause_one_alert_speaks_for_all_jobs(
    watched_ago_s: int, subjects: list[str]
) -> None:
    ensure_schedule([SWEEP, COUNT])
    _ran("sweep", ago_s=9000)
    _ran("count", ago_s=9000)
    _ran("job_watch", ago_s=watched_ago_s)

    watch_jobs()

    assert sorted(Alert.objects.values_list("subject", flat=True)) == subjects
    assert set(Alert.objects.values_list("type", flat=True)) == {"JOB_LATE"}
    told = Alert.objects.latest("pk")
    if subjects == ["jobs"]:
        since = (AT - timedelta(seconds=watched_ago_s)).isoformat()
        assert told.payload == {"since": since, "jobs": ["count", "sweep"]}
    _ran("count", ago_s=0)
    clock.advance(timedelta(seconds=300))

    watch_jobs()

    # What has not run since is late for a reason of its own.
    assert Alert.objects.filter(subject="job:sweep").exists()
    assert Alert.objects.filter(subject="jobs").count() == (subjects == ["jobs"])


@pytest.mark.django_db
def test_a_job_that_is_off_is_not_late_and_its_alert_stays_until_it_is_on() -> None:
    ensure_schedule([SWEEP])
    _ran("sweep", ago_s=9999)
    _switch("sweep", is_on=False, reason="The PSP is being moved.")
    _switch("sweep", is_on=False, reason="Again.")

    watch_jobs()

    assert _rows() == [("sweep", "payments.tasks.sweep", 60, False)]
    alert = Alert.objects.get()
    assert (alert.type, alert.subject, alert.count) == ("JOB_SWITCHED_OFF", "job:sweep", 1)
    assert alert.payload == {"by": "staff:3", "reason": "The PSP is being moved."}
    assert JobRun.objects.get(name="job_watch").result == {"late": [], "off": ["sweep"]}

    _switch("sweep", is_on=True, reason="It is moved.")

    alert.refresh_from_db()
    assert (alert.status, alert.acknowledged_by) == ("ACKNOWLEDGED", "staff:3")
    switched = AuditEntry.objects.filter(action__startswith="job.switched").order_by("pk")
    assert list(switched.values_list("actor", "action", "subject")) == [
        ("staff:3", "job.switched_off", "job:sweep"),
        ("staff:3", "job.switched_on", "job:sweep"),
    ]
    assert _rows()[0][3] is True


@pytest.mark.django_db
def test_somebody_who_has_seen_that_a_job_is_off_is_reminded_after_a_day() -> None:
    ensure_schedule([SWEEP])
    _switch("sweep", is_on=False, reason="Why not.")
    acknowledge_alert(alert_id=Alert.objects.get().pk, actor="staff:4", note="I know.")

    clock.advance(timedelta(days=1) - timedelta(seconds=1))
    watch_jobs()
    assert Alert.objects.filter(type="JOB_SWITCHED_OFF").count() == 1
    clock.advance(timedelta(seconds=1))
    watch_jobs()

    again = Alert.objects.filter(type="JOB_SWITCHED_OFF").latest("pk")
    assert (again.status, again.payload) == ("OPEN", {"by": "staff:3", "reason": "Why not."})


@pytest.mark.django_db
def test_the_job_that_watches_the_others_is_never_switched_off() -> None:
    ensure_schedule([ScheduledJob("job_watch", "audit.tasks.watch_jobs", every_s=300)])
    with pytest.raises(JobMustRun):
        _switch("job_watch", is_on=False, reason="Quiet, please.")
    with pytest.raises(JobNotFound):
        _switch("nothing", is_on=False, reason="")
    assert _rows()[0][3] is True
    assert not AuditEntry.objects.exists()


@pytest.mark.django_db
def test_a_job_that_never_began_is_late_once_it_was_called_three_times() -> None:
    ensure_schedule([SWEEP, COUNT])
    PeriodicTask.objects.filter(name="sweep").update(total_run_count=3)
    PeriodicTask.objects.filter(name="count").update(total_run_count=2)

    watch_jobs()

    assert Alert.objects.get().subject == "job:sweep"


@pytest.mark.django_db
def test_old_runs_are_forgotten_after_thirty_days() -> None:
    _ran("old", ago_s=30 * 86400 + 1)
    _ran("young", ago_s=30 * 86400)

    purge_job_runs()

    names = set(JobRun.objects.values_list("name", flat=True))
    assert names == {"young", "job_run_purge"}
    assert JobRun.objects.get(name="job_run_purge").result == {"purged": 1}


@pytest.mark.django_db
def test_expired_answers_are_forgotten() -> None:
    for key, expires_at in (("old", AT), ("young", AT + timedelta(seconds=1))):
        IdempotencyRecord.objects.create(
            scope="user:1",
            key=key,
            fingerprint=b"x" * 32,
            status=200,
            body=b"{}",
            created_at=AT,
            expires_at=expires_at,
        )

    purge_idempotency()

    assert IdempotencyRecord.objects.get().key == "young"
    assert JobRun.objects.get().result == {"purged": 1}
