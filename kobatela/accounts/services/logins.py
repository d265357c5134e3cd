"""Staff logins: each one is in the audit trail, and guessing stops after ten tries."""

import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet

from audit.actions import Action
from audit.selectors import entries
from audit.services.entries import record
from kobatela.accounts.models import User
from kobatela.kernel import clock

_TRIES = 10
_WITHIN = timedelta(minutes=15)


@transaction.atomic
def sign_in(*, username: str, address: str, check: Callable[[], User | None]) -> User | None:
    """The member of staff for whom `check` vouches; None for anyone else.

    After ten failures for one name from one address within 15 minutes `check` is not even
    asked, and nothing more is noted. Tries for one name from one address come one after the
    other, so none slips by. The audit trail gets neither name nor address, but a hash of both.
    """
    reference = _reference(username, address)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [reference])
    if _failures(reference).count() >= _TRIES:
        return None
    user = check()
    if user is None:
        record(actor=reference, action=Action.STAFF_LOGIN_REFUSED, subject=reference)
        return None
    record(actor=f"staff:{user.pk}", action=Action.STAFF_LOGGED_IN, subject=f"user:{user.pk}")
    return user


def locked_until(*, username: str, address: str) -> datetime | None:
    """When the next try for one name from one address is looked at; None when it is now.

    It is the same for names that exist and those that do not.
    """
    failures = _failures(_reference(username, address)).order_by("-at")
    moments = list(failures.values_list("at", flat=True)[:_TRIES])
    return moments[-1] + _WITHIN if len(moments) == _TRIES else None


def _reference(username: str, address: str) -> str:
    hashed = hmac.new(
        settings.API_KEY_PEPPER.encode(), f"{address}\n{username}".encode(), hashlib.sha256
    ).hexdigest()
    return f"login:{hashed[:32]}"


def _failures(reference: str) -> QuerySet[Any]:
    since = clock.now() - _WITHIN
    return entries(subject=reference, action=Action.STAFF_LOGIN_REFUSED, since=since)
