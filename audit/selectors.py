"""Reading the audit trail, alerts and jobs."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django_celery_beat.models import PeriodicTask

from audit.actions import Action
from audit.alert_types import AlertStatus, Severity
from audit.errors import AlertNotFound
from audit.models import Alert, AuditEntry, JobLock, JobRun, JobRunStatus, OutboxEvent, Switch
from kobatela.kernel import clock

_APART_PREFIX = "apart:"
_ACTOR_KINDS = frozenset({"apikey", "staff", "prooflink", "system", "psp", "login"})

# Marks the periodic tasks that come from the code; others are of other programs and left alone.
KEPT_BY_THE_CODE = (
    "Kept by the code: task and interval are set at every start; only `enabled` is yours."
)

_BROKEN_STREAMS = """
SELECT coalesce(counter.stream, found.stream)
  FROM audit_auditstream AS counter
  FULL JOIN (SELECT stream, count(*) AS entries, min(stream_seq) AS first, max(stream_seq) AS last
               FROM audit_auditentry GROUP BY stream) AS found
    ON found.stream = counter.stream
 WHERE counter.last_seq IS DISTINCT FROM found.entries
    OR found.first IS DISTINCT FROM 1
    OR found.last IS DISTINCT FROM found.entries
 ORDER BY 1
"""


_HORIZON = """
SELECT pg_snapshot_xmin(seen)::text::bigint, pg_snapshot_xmax(seen)::text::bigint,
       (SELECT coalesce(max(id), 0) FROM audit_auditentry)
  FROM pg_current_snapshot() AS seen
"""


@dataclass(frozen=True, slots=True)
class Horizon:
    """Behind it no entry is missing, and none will come.

    oldest_running: the number of the oldest transaction that still runs.
    next_number, last_entry: the number that no transaction had yet, and the last entry, when this
    was asked. An entry that was there and has such a number came with a restored dump, whose
    transactions another database counted; it is complete, too.
    """

    oldest_running: int
    next_number: int
    last_entry: int

    def behind(self) -> Q:
        """The condition on entries."""
        restored = Q(transaction_id__gte=self.next_number, pk__lte=self.last_entry)
        return Q(transaction_id__lt=self.oldest_running) | restored


def apart_stream(subject: str) -> str:
    """The stream of what was written apart about `subject`.

    It differs from the subject's own: the transaction that is about to roll back may hold the
    counter of that one, and waiting for it from another connection would be a deadlock.
    """
    return f"{_APART_PREFIX}{subject}"


def entries(
    *,
    subject: str | None = None,
    actor: str | None = None,
    action: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> QuerySet[AuditEntry]:
    """Entries by the filters of `GET /audit/events`; an escrow finds its whole stream."""
    found = AuditEntry.objects.all()
    if subject is not None:
        found = (
            found.filter(stream__in=[subject, apart_stream(subject)])
            if subject.startswith("escrow:")
            else found.filter(subject=subject)
        )
    if actor is not None:
        found = found.filter(actor=actor)
    if action is not None:
        found = found.filter(action=action)
    if since is not None:
        found = found.filter(at__gte=since)
    if until is not None:
        found = found.filter(at__lt=until)
    return found


def transaction_horizon() -> Horizon:
    """Where the entries begin that may not be all there yet. Ids tell nothing of the kind: one that
    was given out early may be committed late."""
    with connection.cursor() as cursor:
        cursor.execute(_HORIZON)
        oldest_running, next_number, last_entry = cursor.fetchone()
    return Horizon(int(oldest_running), int(next_number), int(last_entry))


def matching_entries(term: str) -> QuerySet[AuditEntry]:
    """Entries by what a person typed: an action, an actor, or else a subject, each exactly.

    One column each, so that its index answers; a condition over several columns would walk
    through all entries.
    """
    if term in set(Action):
        return entries(action=term)
    if term.partition(":")[0] in _ACTOR_KINDS:
        return entries(actor=term)
    return entries(subject=term)


def timeline(stream: str, actions: Collection[Action]) -> QuerySet[AuditEntry]:
    """What happened in one stream, of the named actions only, in its order."""
    return AuditEntry.objects.filter(stream=stream, action__in=list(actions)).order_by("stream_seq")


def entries_apart(stream: str) -> QuerySet[AuditEntry]:
    """What was written apart about a stream: attempts that were refused."""
    return AuditEntry.objects.filter(stream=apart_stream(stream))


def evidence_hashes(streams: Collection[str]) -> dict[int, list[str]]:
    """The SHA-256 of every file that was sent as a proof, by milestone, oldest first.

    Taken from the trail of the escrows `streams`, which nobody can rewrite; a proof without a
    file has no hash here.
    """
    found: dict[int, list[str]] = {}
    sent = AuditEntry.objects.filter(stream__in=streams, action=Action.PROOF_SUBMITTED)
    for text in sent.order_by("pk").values_list("body", flat=True):
        body = json.loads(text)
        if body["file_sha256"]:
            found.setdefault(body["milestone_id"], []).append(body["file_sha256"])
    return found


def stream_gaps() -> list[str]:
    """The streams whose numbers do not run unbroken from 1 to their counter."""
    with connection.cursor() as cursor:
        cursor.execute(_BROKEN_STREAMS)
        return [stream for (stream,) in cursor.fetchall()]


def alerts(
    *,
    type: str | None = None,  # noqa: A002 - the words of the API
    status: str | None = None,
    severity: str | None = None,
) -> QuerySet[Alert]:
    """Alerts by the filters of `GET /alerts`."""
    wanted = {"type": type, "status": status, "severity": severity}
    return Alert.objects.filter(**{name: value for name, value in wanted.items() if value})


def alerted_since(type_: str, subjects: Collection[str], since: datetime) -> set[str]:
    """Which of these subjects had an alert of a type after `since`, open or not."""
    seen = Alert.objects.filter(type=type_, subject__in=list(subjects), last_seen_at__gt=since)
    return set(seen.values_list("subject", flat=True))


def lock_alert(alert_id: int) -> Alert:
    """One alert, locked until the transaction ends. Raises AlertNotFound."""
    alert = Alert.objects.select_for_update().filter(pk=alert_id).first()
    if alert is None:
        raise AlertNotFound
    return alert


def latest_alert(type: str, subject: str) -> Alert | None:  # noqa: A002 - the word of the API
    """The latest alert of a type about a subject."""
    return Alert.objects.filter(type=type, subject=subject).order_by("-pk").first()


def open_alerts_by_severity() -> dict[str, int]:
    """How many alerts nobody has acknowledged, by severity; 0 where there are none."""
    waiting = Alert.objects.filter(status=AlertStatus.OPEN).order_by()
    counted = dict(waiting.values_list("severity").annotate(Count("pk")))
    return {severity.value: counted.get(severity, 0) for severity in Severity}


@dataclass(frozen=True, slots=True)
class JobAge:
    """An enabled job of the schedule that began `age_s` seconds ago.

    One that never began: how long its calls were in vain, as the scheduler counts them.
    """

    name: str
    every_s: int
    age_s: int

    @property
    def late_s(self) -> int:
        """How many seconds ago it should have begun again."""
        return self.age_s - self.every_s


def job_ages() -> list[JobAge]:
    """Every enabled job of the schedule, by name.

    For one that never began its own row says when it was last called, not since when it waits: so
    its calls are counted.
    """
    latest = JobRun.objects.filter(name=OuterRef("name")).order_by("-started_at")
    scheduled = (
        PeriodicTask.objects.filter(enabled=True, description=KEPT_BY_THE_CODE)
        .exclude(interval=None)
        .select_related("interval")
        .annotate(began_at=Subquery(latest.values("started_at")[:1]))
        .order_by("name")
    )
    found = []
    for job in scheduled:
        every = job.interval.schedule.run_every
        age = every * job.total_run_count if job.began_at is None else clock.now() - job.began_at
        found.append(JobAge(job.name, int(every.total_seconds()), int(age.total_seconds())))
    return found


def jobs_off() -> list[str]:
    """The jobs of the schedule that are switched off, by name."""
    off = PeriodicTask.objects.filter(enabled=False, description=KEPT_BY_THE_CODE)
    return list(off.order_by("name").values_list("name", flat=True))


def late_jobs() -> list[JobAge]:
    """The enabled jobs of the schedule that did not begin within two of their periods."""
    return [job for job in job_ages() if job.late_s > job.every_s]


def latest_run(name: str) -> JobRun | None:
    """The latest run of a job."""
    return JobRun.objects.filter(name=name).order_by("-started_at", "-pk").first()


def run_before_latest(name: str) -> JobRun | None:
    """The run of a job before its latest one, which asks this of itself while it runs."""
    return JobRun.objects.filter(name=name).order_by("-started_at", "-pk")[1:2].first()


def latest_ended_run(name: str) -> JobRun | None:
    """The latest run of a job that came to an end."""
    ended = JobRun.objects.filter(name=name).exclude(status=JobRunStatus.RUNNING)
    return ended.order_by("-started_at", "-pk").first()


def latest_result(name: str) -> JobRun | None:
    """The latest run of a job that came to its end, with what it gave."""
    runs = JobRun.objects.filter(name=name, status=JobRunStatus.DONE)
    return runs.order_by("-started_at", "-pk").first()


def job_locks() -> QuerySet[JobLock]:
    """Who runs which job now."""
    return JobLock.objects.order_by("name")


def switches() -> QuerySet[Switch]:
    """Every switch that has been set."""
    return Switch.objects.order_by("name")


def waiting_events() -> QuerySet[OutboxEvent]:
    """Outbox rows that nobody has been told of yet, oldest first."""
    return OutboxEvent.objects.filter(relayed_at=None).order_by("pk")
