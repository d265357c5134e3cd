"""What the health page says."""

from collections.abc import Collection
from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from itertools import chain
from typing import Any

from django.apps import apps
from django.conf import settings

from audit import selectors as audit_selectors
from audit.schedule import ScheduledJob
from audit.services.counters import counted
from audit.services.switches import SwitchName, is_on
from kobatela.api.health.probes import Seen, look, migrations_status
from kobatela.kernel import clock
from kobatela.kernel.money import format_minor
from payments.services.coverage import JOB as COVERAGE_JOB
from payments.webhooks.secrets import Door, secret_fingerprints, secret_status
from proofs.selectors import advisor_metrics

_PERIODS_UNTIL_LATE = 2


def examine() -> Seen:
    """Look at everything, within DEADLINE_S, whatever is down."""
    return look(_read_database)


def public_report(seen: Seen) -> dict[str, Any]:
    """What anyone may know."""
    database = seen.database or {}
    is_well = bool(database) and database["migrations_status"] == "up_to_date"
    return {
        "status": "ok" if is_well and seen.redis is not None else "degraded",
        "db_status": "ok" if database else "error",
        "migrations_status": database.get("migrations_status", "unknown"),
        "redis_status": "ok" if seen.redis is not None else "error",
        "psp_webhook_secret_status": secret_status(),
        "stripe": {
            "enabled": settings.STRIPE_ENABLED,
            "connect_enabled": settings.STRIPE_ENABLED and settings.STRIPE_CONNECT_ENABLED,
            "webhook_configured": secret_status(Door.STRIPE) != "missing",
            "api_key_configured": bool(settings.STRIPE_SECRET_KEY),
        },
        "ai_proof_enabled": settings.AI_PROOF_ADVISOR_ENABLED and database.get(SwitchName.AI, True),
        "ocr_enabled": settings.INVOICE_OCR_ENABLED
        and settings.INVOICE_OCR_PROVIDER != "none"
        and database.get(SwitchName.OCR, True),
        "ai_metrics": database.get("ai_metrics"),
        "ocr_metrics": database.get("ocr_metrics"),
        "scheduler_config_enabled": settings.KOBATELA_SCHEDULER_ENABLED,
        "scheduler_running": database.get("scheduler_running"),
        "scheduler_lock": database.get("scheduler_lock", {"status": "unknown"}),
    }


def staff_report(seen: Seen) -> dict[str, Any]:
    """What staff may know besides. Raises the database's errors."""
    now = clock.now()
    late = {job.name for job in audit_selectors.late_jobs()}
    oldest = audit_selectors.waiting_events().first()
    off = frozenset(audit_selectors.jobs_off())
    return {
        "jobs": {job.name: _job_facts(job, now, late, off) for job in scheduled_jobs()},
        "jobs_off": sorted(off),
        "job_locks": {lock.name: _lock_facts(lock, now) for lock in _held_locks()},
        "psp_webhook_secret_fingerprints": secret_fingerprints(),
        "stripe_webhook_secret_fingerprints": secret_fingerprints(Door.STRIPE),
        "coverage": _coverage(),
        "queue_depth": seen.redis and seen.redis.queue_depth,
        "outbox_age_s": int((now - oldest.created_at).total_seconds()) if oldest else 0,
    }


def _coverage() -> dict[str, Any]:
    """What the last look came to. Summing up here would cost more with every escrow."""
    run = audit_selectors.latest_result(COVERAGE_JOB)
    if run is None:
        return {}
    return {
        currency: {
            "owed": format_minor(figures["owed_minor"], currency),
            "at_psps": format_minor(sum(figures["at_psps"].values()), currency),
            "at_collectors": format_minor(figures["at_collectors_minor"], currency),
            "shortfall": format_minor(figures["shortfall_minor"], currency),
            "covered": not figures["shortfall_minor"]
            and not figures["short_at"]
            # Runs of before this was counted do not tell of it.
            and not figures.get("advanced_by"),
        }
        for currency, figures in run.result.items()
    }


def scheduled_jobs() -> list[ScheduledJob]:
    """The periodic jobs of every app."""
    modules = (
        import_module(f"{config.name}.schedule")
        for config in apps.get_app_configs()
        if find_spec(f"{config.name}.schedule") is not None
    )
    return list(chain.from_iterable(getattr(module, "SCHEDULE", ()) for module in modules))


def _read_database() -> dict[str, Any]:
    return {
        "migrations_status": migrations_status(),
        SwitchName.AI: is_on(SwitchName.AI),
        SwitchName.OCR: is_on(SwitchName.OCR),
        "ai_metrics": advisor_metrics(),
        "ocr_metrics": counted("ocr", "calls", "errors"),
        "scheduler_running": _is_scheduler_running(),
        "scheduler_lock": {"status": _lock_status()},
    }


def _is_scheduler_running() -> bool:
    """Whether one of the most frequent of the jobs that are on ran within two of its periods."""
    off = frozenset(audit_selectors.jobs_off())
    jobs = [job for job in scheduled_jobs() if job.name not in off]
    period_s = min((job.every_s for job in jobs), default=0)
    ages = [_age_s(job, clock.now()) for job in jobs if job.every_s == period_s]
    return any(age is not None and age < _PERIODS_UNTIL_LATE * period_s for age in ages)


def _lock_status() -> str:
    held = _held_locks()
    if not held:
        return "none"
    now = clock.now()
    return "stale" if any(lock.expires_at and lock.expires_at < now for lock in held) else "held"


def _held_locks() -> list[Any]:
    return [lock for lock in audit_selectors.job_locks() if lock.owner]


def _lock_facts(lock: Any, now: datetime) -> dict[str, Any]:
    return {
        "owner": lock.owner,
        "heartbeat_age_s": int((now - lock.heartbeat_at).total_seconds()),
        "expires_in_s": int((lock.expires_at - now).total_seconds()),
    }


def _age_s(job: ScheduledJob, now: datetime) -> int | None:
    run = audit_selectors.latest_run(job.name)
    return None if run is None else int((now - run.started_at).total_seconds())


def _job_facts(
    job: ScheduledJob, now: datetime, late: Collection[str], off: Collection[str]
) -> dict[str, Any]:
    """`late`: as the scheduler's own table has it, which knows when one that never began is due.
    One that is switched off is neither late nor in time."""
    age_s = _age_s(job, now)
    is_overdue = age_s is not None and age_s > _PERIODS_UNTIL_LATE * job.every_s
    is_late = is_overdue or (age_s is None and job.name in late)
    is_off = job.name in off
    return {
        "every_s": job.every_s,
        "age_s": age_s,
        "enabled": not is_off,
        "late": None if is_off else is_late,
    }
