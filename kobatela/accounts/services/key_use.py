"""What the use of a key leaves behind: the time, and an audit entry for its first use anywhere."""

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q

from audit.actions import Action
from audit.services.entries import record
from audit.services.jobs import Heartbeat
from kobatela.accounts.models import ApiKey, ApiKeyUse
from kobatela.kernel import clock

_NOTED_EVERY = timedelta(minutes=1)
_KEPT_FOR = timedelta(days=2)
_PURGE_BATCH_ROWS = 5_000
_MAX_REMEMBERED = 20_000
_USED = "used"

# What this process has noted: (key, outcome, address, hour). It only spares questions; the table
# decides.
_remembered: set[tuple[int, str, str, datetime]] = set()


def note_use(*, key: ApiKey, address: str) -> None:
    """Keep when `key` was last used, once a minute, and audit its first use per address and hour.

    Asks the database nothing most of the time, and waits for nobody: while another transaction
    holds the key's row the minute is skipped. The audit trail gets a hash of the address.
    """
    now = clock.now()
    if key.last_used_at is None or now - key.last_used_at >= _NOTED_EVERY:
        _touch(key, now)
    _note_once(key, Action.APIKEY_USED, _USED, address, now)


def note_refusal(*, key: ApiKey, address: str, reason: str) -> None:
    """Audit that a genuine key was refused, the first time per reason, address and hour."""
    _note_once(key, Action.APIKEY_REFUSED, reason, address, clock.now())


def forget() -> None:
    """Drop what this process remembers. For tests."""
    _remembered.clear()


def purge_uses(heartbeat: Heartbeat) -> dict[str, Any]:
    """Forget uses that no hour will ask for again; how many there were."""
    purged = 0
    old = ApiKeyUse.objects.filter(hour__lt=clock.now() - _KEPT_FOR)
    while True:
        heartbeat.beat()
        count, _ = ApiKeyUse.objects.filter(pk__in=old.values("pk")[:_PURGE_BATCH_ROWS]).delete()
        purged += count
        if count < _PURGE_BATCH_ROWS:
            return {"purged": purged}


@transaction.atomic
def _touch(key: ApiKey, now: datetime) -> None:
    stale = Q(last_used_at=None) | Q(last_used_at__lte=now - _NOTED_EVERY)
    free = ApiKey.objects.select_for_update(skip_locked=True, no_key=True).filter(stale, pk=key.pk)
    ApiKey.objects.filter(pk__in=free.values("pk")).update(last_used_at=now)


def _note_once(key: ApiKey, action: Action, outcome: str, address: str, now: datetime) -> None:
    hashed = hmac.new(settings.API_KEY_PEPPER.encode(), address.encode(), hashlib.sha256)
    hour = now.replace(minute=0, second=0, microsecond=0)
    noted = (key.pk, outcome, hashed.hexdigest(), hour)
    if noted in _remembered:
        return
    with transaction.atomic():
        if _is_first(*noted):
            reference = f"apikey:{key.public_id}"
            record(
                actor=reference,
                action=action,
                subject=reference,
                body={"outcome": outcome, "address_sha256": hashed.hexdigest()},
            )
    if len(_remembered) >= _MAX_REMEMBERED:
        _remembered.clear()
    _remembered.add(noted)


def _is_first(key_id: int, outcome: str, address_sha256: str, hour: datetime) -> bool:
    """Whether nobody noted this before, decided by the unique constraint."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO accounts_apikeyuse (api_key_id, outcome, address_sha256, hour)"
            " VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [key_id, outcome, address_sha256, hour],
        )
        return bool(cursor.rowcount == 1)
