"""The secrets that are active now, read where they are used so that a rotation needs no restart."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from django.conf import settings

from kobatela.kernel import clock
from payments.webhooks.verify import Secret

_MAX_FILE_BYTES = 65_536


class Door(StrEnum):
    """Who may come in by a webhook; the word with which the settings of its secrets begin."""

    PSP = "PSP"
    STRIPE = "STRIPE"


def active_secrets(door: Door = Door.PSP) -> list[Secret]:
    """All secrets that may sign a webhook now: those of the file if one is named, else the two
    variables. A file that cannot be read gives none: nothing is accepted rather than anything."""
    file_name: str = getattr(settings, f"{door}_WEBHOOK_SECRETS_FILE")
    if file_name:
        try:
            return _from_file(Path(file_name))
        except (OSError, ValueError, RecursionError):
            return []
    variables = {
        "primary": getattr(settings, f"{door}_WEBHOOK_SECRET"),
        "next": getattr(settings, f"{door}_WEBHOOK_SECRET_NEXT"),
    }
    return [Secret(name, value.encode()) for name, value in variables.items() if value]


def secret_status(door: Door = Door.PSP) -> str:
    """`missing`, `partial` (one secret: a rotation is not prepared) or `ok`, for health."""
    return ("missing", "partial", "ok")[min(len(active_secrets(door)), 2)]


def secret_fingerprints(door: Door = Door.PSP) -> Mapping[str, str]:
    """The first 8 hex digits of each active secret's SHA-256, by its id, for staff."""
    return {
        secret.id: hashlib.sha256(secret.value).hexdigest()[:8] for secret in active_secrets(door)
    }


def _from_file(path: Path) -> list[Secret]:
    with path.open("rb") as file:
        listed = json.loads(file.read(_MAX_FILE_BYTES))
    if not isinstance(listed, list):
        raise ValueError("A list of secrets is needed.")  # noqa: TRY004 - a bad value of a file
    now = clock.now()
    return [_secret(item) for item in listed if _is_active(item, now)]


def _is_active(item: Any, now: datetime) -> bool:
    not_after = item.get("not_after") if isinstance(item, dict) else None
    if not_after is None:
        return True
    until = datetime.fromisoformat(str(not_after))
    if until.tzinfo is None:
        raise ValueError("not_after needs an offset.")
    return now <= until


def _secret(item: Any) -> Secret:
    name, value = (item.get("id"), item.get("secret")) if isinstance(item, dict) else (None, None)
    if not (isinstance(name, str) and isinstance(value, str) and name and value):
        raise ValueError("A secret has an id and a secret.")
    return Secret(name[:40], value.encode())
