"""What goes in and out of /audit and /alerts."""

import json
from typing import Any

from rest_framework import serializers

from audit.alert_types import AlertStatus, AlertType, Severity
from audit.models import Alert, AuditEntry
from kobatela.rest.fields import AwareDateTimeField, FilterSerializer, StrictSerializer


class EntryFilter(FilterSerializer):
    """The filters of GET /audit/events; `subject=escrow:12` finds the whole stream."""

    subject = serializers.CharField(required=False, max_length=80)
    actor = serializers.CharField(required=False, max_length=80)
    action = serializers.CharField(required=False, max_length=60)
    since = AwareDateTimeField(required=False)


class ExportFilter(EntryFilter):
    """The filters of GET /audit/export: those of the list, and an end."""

    until = AwareDateTimeField(required=False)


class EntryOut(serializers.ModelSerializer[AuditEntry]):
    """One audit entry. `body` is the object that the stored canonical text says."""

    body = serializers.SerializerMethodField()
    sealed = serializers.SerializerMethodField()

    class Meta:
        model = AuditEntry
        fields = (
            "id",
            "at",
            "actor",
            "on_behalf_of",
            "action",
            "subject",
            "stream",
            "stream_seq",
            "request_id",
            "body",
            "sealed",
        )
        read_only_fields = fields

    def get_body(self, entry: AuditEntry) -> dict[str, Any]:
        """The body as an object."""
        body: dict[str, Any] = json.loads(entry.body)
        return body

    def get_sealed(self, entry: AuditEntry) -> bool:
        """Whether a signed checkpoint covers the entry; nothing is sealed yet."""
        return False


class AlertFilter(FilterSerializer):
    """The filters of GET /alerts."""

    type = serializers.ChoiceField(choices=list(AlertType), required=False)
    status = serializers.ChoiceField(choices=list(AlertStatus), required=False)
    severity = serializers.ChoiceField(choices=list(Severity), required=False)


class AcknowledgeIn(StrictSerializer):
    """POST /alerts/{id}/acknowledge."""

    note = serializers.CharField(required=False, allow_blank=True, max_length=2000)


class AlertOut(serializers.ModelSerializer[Alert]):
    """One alert; `count` says how often it was raised while it was open."""

    acknowledged_by = serializers.SerializerMethodField()

    class Meta:
        model = Alert
        fields = (
            "id",
            "type",
            "severity",
            "subject",
            "message",
            "actor_user_id",
            "payload",
            "status",
            "count",
            "acknowledged_by",
            "acknowledged_at",
            "created_at",
            "last_seen_at",
        )
        read_only_fields = fields

    def get_acknowledged_by(self, alert: Alert) -> str | None:
        """The actor who acknowledged it; null while nobody has."""
        return alert.acknowledged_by or None
