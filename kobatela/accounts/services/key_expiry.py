"""A warning before a client system stops working because nobody rotated its key."""

from datetime import timedelta
from typing import Any

from audit.alert_types import AlertType, Severity
from audit.services.alerts import raise_alert
from audit.services.jobs import Heartbeat
from kobatela.accounts.models import ApiKey
from kobatela.accounts.selectors import keys_expiring_before
from kobatela.kernel import clock

_BEFORE = timedelta(days=14)


def warn_of_expiry(heartbeat: Heartbeat) -> dict[str, Any]:
    """Raise KEY_EXPIRING for each live key that was ever used and expires within 14 days."""
    warned = 0
    for key in keys_expiring_before(clock.now() + _BEFORE):
        heartbeat.beat()
        _warn(key)
        warned += 1
    return {"warned": warned}


def _warn(key: ApiKey) -> None:
    raise_alert(
        type=AlertType.KEY_EXPIRING,
        severity=Severity.INFO,
        subject=f"apikey:{key.public_id}",
        message=f"The key {key.public_id} expires on {key.expires_at:%Y-%m-%d}; rotate it.",
        payload={"key": key.pk, "user": key.user_id},
    )
