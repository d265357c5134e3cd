"""How the health pages look, for the description of the API."""

from typing import Any

from rest_framework import serializers

_ANSWERS = ["ok", "error"]


class LiveOut(serializers.Serializer[Any]):
    """The short pages."""

    status = serializers.ChoiceField(choices=["ok"])


class AdvisorMetricsOut(serializers.Serializer[Any]):
    """The advisor's counters since the beginning, and its breaker."""

    calls = serializers.IntegerField()
    errors = serializers.IntegerField()  # type: ignore[assignment]  # DRF takes it out
    skipped = serializers.IntegerField()
    latency_ms_total = serializers.IntegerField()
    prompt_tokens = serializers.IntegerField()
    completion_tokens = serializers.IntegerField()
    breaker = serializers.ChoiceField(choices=["closed", "open", "half_open"])
    breaker_failures = serializers.IntegerField()
    breaker_opened_at = serializers.DateTimeField(allow_null=True)


class HealthOut(serializers.Serializer[Any]):
    """GET /health. The last seven are told to staff keys only."""

    status = serializers.ChoiceField(choices=["ok", "degraded"])
    db_status = serializers.ChoiceField(choices=_ANSWERS)
    migrations_status = serializers.ChoiceField(choices=["up_to_date", "out_of_date", "unknown"])
    redis_status = serializers.ChoiceField(choices=_ANSWERS)
    psp_webhook_secret_status = serializers.ChoiceField(choices=["missing", "partial", "ok"])
    stripe = serializers.DictField(child=serializers.BooleanField())
    ai_proof_enabled = serializers.BooleanField()
    ocr_enabled = serializers.BooleanField()
    ai_metrics = AdvisorMetricsOut(allow_null=True)
    ocr_metrics = serializers.DictField(child=serializers.IntegerField(), allow_null=True)
    scheduler_config_enabled = serializers.BooleanField()
    scheduler_running = serializers.BooleanField(allow_null=True)
    scheduler_lock = serializers.DictField(child=serializers.CharField())
    psp_webhook_secret_fingerprints = serializers.DictField(
        child=serializers.CharField(), required=False
    )
    stripe_webhook_secret_fingerprints = serializers.DictField(
        child=serializers.CharField(), required=False
    )
    job_locks = serializers.DictField(child=serializers.DictField(), required=False)
    jobs = serializers.DictField(child=serializers.DictField(), required=False)
    jobs_off = serializers.ListField(child=serializers.CharField(), required=False)
    coverage = serializers.DictField(child=serializers.DictField(), required=False)
    queue_depth = serializers.IntegerField(allow_null=True, required=False)
    outbox_age_s = serializers.IntegerField(required=False)
