"""The audit trail, alerts, jobs, switches and the outbox in the console."""

import json
from collections.abc import Sequence
from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from audit import selectors
from audit.alert_types import AlertStatus
from audit.errors import JobMustRun
from audit.models import Alert, AuditEntry, JobLock, JobRun, OutboxEvent, Switch
from audit.services.alerts import acknowledge_alert
from audit.services.exports import begin_export, export_lines
from audit.services.schedules import MUST_RUN, set_job_enabled
from audit.services.switches import set_switch
from kobatela.kernel.admin import (
    ADMIN_GROUP,
    Command,
    ConsoleAdmin,
    NoteForm,
    has_role,
    readable_amounts,
    reference_link,
)


def _pretty(text: str) -> SafeString:
    shown = json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False)
    return format_html("<pre>{}</pre>", shown)


@admin.register(AuditEntry)
class AuditEntryAdmin(ConsoleAdmin):
    """Read-only for everybody: triggers refuse any change.

    A search is for one exact subject, actor or action, so that it costs the same with millions of
    entries; an escrow's reference finds its whole stream.
    """

    list_display = ("at", "actor", "action", "subject", "stream_link", "request_id")
    list_filter = ("at",)
    search_fields = ("subject",)
    search_help_text = "Subject, actor or action, exactly: escrow:12, staff:3, proof.approved"
    ordering = ("-id",)
    list_per_page = 100
    change_list_template = "audit/entries.html"
    fields = (
        "id",
        "at",
        "actor",
        "on_behalf_of",
        "action",
        "subject",
        "stream_link",
        "stream_seq",
        "transaction_id",
        "request_id",
        "content",
    )

    def get_urls(self) -> list[URLPattern]:
        """The export, before the pages of single entries."""
        export = self.admin_site.admin_view(self.export)
        return [path("export/", export, name="audit_auditentry_export"), *super().get_urls()]

    def export(self, request: HttpRequest) -> HttpResponseBase:
        """The trail as a file, of one subject where `?subject=` names it; for admins, audited."""
        if not has_role(request, frozenset({ADMIN_GROUP})):
            raise PermissionDenied
        subject = request.GET.get("subject", "")[:80]
        filters = {"subject": subject} if subject else {}
        horizon = begin_export(actor=_actor(request), on_behalf_of=None, filters=filters)
        response = StreamingHttpResponse(
            export_lines(horizon=horizon, **filters), content_type="application/jsonl"
        )
        response.headers["Content-Disposition"] = 'attachment; filename="kobatela-audit.jsonl"'
        return response

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Entries of the subject, the actor or the action that was typed."""
        term = search_term.strip()
        return (queryset & selectors.matching_entries(term) if term else queryset), False

    @admin.display(description="stream")
    def stream_link(self, entry: AuditEntry) -> SafeString:
        """The whole stream of the entry."""
        return format_html(
            '<a href="{}?{}">{} #{}</a>',
            reverse("admin:audit_auditentry_changelist"),
            urlencode({"stream": entry.stream}),
            entry.stream,
            entry.stream_seq,
        )

    @admin.display(description="body")
    def content(self, entry: AuditEntry) -> SafeString:
        """The body, laid out."""
        return _pretty(entry.body)


@admin.register(OutboxEvent)
class OutboxEventAdmin(ConsoleAdmin):
    """What somebody must hear of, and whether it was passed on."""

    list_display = ("id", "created_at", "event", "subject", "relayed_at")
    list_filter = ("event", "created_at")
    search_fields = ("=subject",)
    search_help_text = "Subject, as in escrow:12"
    ordering = ("-id",)
    raw_id_fields = ("entry",)


class AcknowledgeForm(forms.Form):
    """What was done about it, if there is anything to say."""

    note = forms.CharField(
        max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 3, "autofocus": True})
    )


def _actor(request: HttpRequest) -> str:
    return f"staff:{request.user.pk}"


def _acknowledge(request: HttpRequest, alert: Alert, data: Any) -> str:
    acknowledge_alert(alert_id=alert.pk, actor=_actor(request), note=data["note"])
    return "The alert is acknowledged."


@admin.register(Alert)
class AlertAdmin(ConsoleAdmin):
    """What a person must look at; one by one with a note, or all that were ticked."""

    list_display = ("last_seen_at", "severity", "type", "about", "message", "count", "status")
    exclude = ("subject", "payload")
    readonly_fields = ("about", "details")
    list_filter = ("status", "severity", "type")
    search_fields = ("=subject",)
    search_help_text = "Subject, as in escrow:12"
    ordering = ("-id",)
    actions = ("acknowledge_selected",)
    commands: ClassVar[Sequence[Command]] = (
        Command(
            "acknowledge",
            "Acknowledge",
            _acknowledge,
            AcknowledgeForm,
            help_text="Say that it is dealt with. The same again opens a new alert.",
            refusal=lambda alert: (
                None
                if alert.status == AlertStatus.OPEN
                else "Somebody has acknowledged it already."
            ),
        ),
    )

    @admin.display(description="subject", ordering="subject")
    def about(self, alert: Alert) -> SafeString | str:
        """What it is about, as a link to its page."""
        return reference_link(alert.subject)

    @admin.display(description="details")
    def details(self, alert: Alert) -> str:
        """Its figures, amounts as people read them."""
        return readable_amounts(alert.payload) or "-"

    @admin.action(description="Acknowledge the selected alerts", permissions=["view"])
    def acknowledge_selected(self, request: HttpRequest, queryset: QuerySet[Alert]) -> None:
        """Acknowledge what was ticked, a page at most, each with an audit entry of its own."""
        ticked = queryset.filter(status=AlertStatus.OPEN).order_by("pk")[: self.list_per_page]
        alert_ids = list(ticked.values_list("pk", flat=True))
        for alert_id in alert_ids:
            acknowledge_alert(alert_id=alert_id, actor=_actor(request))
        self.message_user(request, f"Alerts acknowledged: {len(alert_ids)}.")


@admin.register(JobLock)
class JobLockAdmin(ConsoleAdmin):
    """Which jobs run now, and where."""

    list_display = ("name", "owner", "acquired_at", "heartbeat_at", "expires_at")
    ordering = ("name",)


@admin.register(JobRun)
class JobRunAdmin(ConsoleAdmin):
    """What jobs did."""

    list_display = ("name", "status", "started_at", "finished_at", "result", "error")
    list_filter = ("status", "name")
    search_fields = ("=name",)
    ordering = ("-id",)


def _switch_off(request: HttpRequest, job: PeriodicTask, data: Any) -> str:
    set_job_enabled(name=job.name, is_on=False, reason=data["note"], actor=_actor(request))
    return f"The job {job.name} is off; an alert stays open until it is on again."


def _switch_on(request: HttpRequest, job: PeriodicTask, data: Any) -> str:
    set_job_enabled(name=job.name, is_on=True, reason=data["note"], actor=_actor(request))
    return f"The job {job.name} is on."


def _no_switching_off(job: PeriodicTask) -> str | None:
    if job.name in MUST_RUN:
        return JobMustRun.message
    return None if job.enabled else "It is off already."


# The forms that came with the scheduler's app would change, add and delete jobs unseen.
for _model in (
    PeriodicTask,
    IntervalSchedule,
    CrontabSchedule,
    SolarSchedule,
    ClockedSchedule,
):
    admin.site.unregister(_model)


@admin.register(PeriodicTask)
class JobAdmin(ConsoleAdmin):
    """Which jobs the clock calls; kept by the code but for being on or off."""

    noun = "job"
    noun_is_searched = True
    list_display = ("name", "enabled", "interval", "last_run_at", "total_run_count")
    list_filter = ("enabled",)
    search_fields = ("name",)
    ordering = ("name",)
    list_select_related = ("interval",)
    fields = (
        "name",
        "enabled",
        "task",
        "interval",
        "last_run_at",
        "total_run_count",
        "date_changed",
        "description",
    )
    commands: ClassVar[Sequence[Command]] = (
        Command(
            "switch_off",
            "Switch off",
            _switch_off,
            NoteForm,
            help_text="What the job does is not done until it is on again; say why.",
            danger=True,
            roles=frozenset({ADMIN_GROUP}),
            refusal=_no_switching_off,
        ),
        Command(
            "switch_on",
            "Switch on",
            _switch_on,
            NoteForm,
            roles=frozenset({ADMIN_GROUP}),
            refusal=lambda job: "It is on already." if job.enabled else None,
        ),
    )


class SwitchForm(forms.Form):
    """How a switch shall stand, and why."""

    is_on = forms.TypedChoiceField(
        label="Position",
        choices=[("on", "on"), ("off", "off")],
        coerce=lambda position: position == "on",
    )
    reason = forms.CharField(max_length=2000, widget=forms.Textarea(attrs={"rows": 3}))


def _turn(request: HttpRequest, switch: Switch, data: Any) -> str:
    turned = set_switch(
        name=switch.name,
        is_on=data["is_on"],
        reason=data["reason"],
        actor=_actor(request),
    )
    return f"The switch {turned.name} is now {'on' if turned.is_on else 'off'}."


@admin.register(Switch)
class SwitchAdmin(ConsoleAdmin):
    """Decisions that hold until somebody takes another."""

    list_display = ("name", "is_on", "set_by", "updated_at", "reason")
    ordering = ("name",)
    commands: ClassVar[Sequence[Command]] = (
        Command(
            "turn",
            "Turn on or off",
            _turn,
            SwitchForm,
            help_text="Everything that reads the switch follows at its next step.",
            danger=True,
            roles=frozenset({ADMIN_GROUP}),
            initial=lambda switch: {"is_on": "off" if switch.is_on else "on"},
        ),
    )
