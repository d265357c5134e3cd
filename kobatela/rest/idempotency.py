"""One key, one effect: the answer to a request is stored in the transaction that did the work."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import connection
from rest_framework.request import Request

from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.rest.errors import (
    IdempotencyKeyInvalid,
    IdempotencyKeyRequired,
    IdempotencyKeyReused,
    RequestInProgress,
)
from kobatela.rest.models import IdempotencyRecord

KEPT_FOR = timedelta(days=30)
_KEY = re.compile(r"[A-Za-z0-9_\-:.]{1,255}")
_PURGE_BATCH_ROWS = 5_000

_CLAIM = "SELECT granted, fingerprint, status, body FROM rest_claim_idempotency_key(%s, %s, %s)"
_FIND = """
    SELECT fingerprint, status, body FROM kobatela_rest_idempotencyrecord
    WHERE scope = %s AND key = %s AND expires_at > %s
"""
# An expired row under the same key is the only one that may be in the way, and gives way.
_KEEP = """
    INSERT INTO kobatela_rest_idempotencyrecord
        (scope, key, fingerprint, status, body, created_at, expires_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (scope, key) DO UPDATE SET fingerprint = EXCLUDED.fingerprint,
        status = EXCLUDED.status, body = EXCLUDED.body, created_at = EXCLUDED.created_at,
        expires_at = EXCLUDED.expires_at
    WHERE kobatela_rest_idempotencyrecord.expires_at <= EXCLUDED.created_at
"""


class Idempotency(StrEnum):
    """Whether an action takes an Idempotency-Key."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer as it goes over the wire."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """A key of a caller, and what the caller asks with it."""

    scope: str
    key: str
    fingerprint: bytes


def claim_of(request: Request, caller: Caller, mode: Idempotency) -> Claim | None:
    """What `request` claims, or None when it carries no key or the action takes none.

    Parses the body. Raises IdempotencyKeyRequired and IdempotencyKeyInvalid, and what the
    parsers raise.
    """
    if mode is Idempotency.NONE:
        return None
    raw = request.META.get("HTTP_IDEMPOTENCY_KEY")
    key = read_key(raw, mode)
    if key is None:
        return None
    scope = f"user:{caller.user_id}" if caller.user_id is not None else f"key:{caller.key_id}"
    return Claim(scope, key, fingerprint(request))


def read_key(raw: str | None, mode: Idempotency) -> str | None:
    """The key in a header's value: bare, or a structured-field string in quotes."""
    key = (raw or "").strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not key and mode is Idempotency.REQUIRED:
        raise IdempotencyKeyRequired
    if raw is None:
        return None
    if not _KEY.fullmatch(key):
        raise IdempotencyKeyInvalid
    return key


def fingerprint(request: Request) -> bytes:
    """The SHA-256 of what `request` asks.

    Method, path, query, X-On-Behalf-Of and the body: JSON by meaning (the order of keys and
    spaces do not count, numbers compare by value, a number is not its text), forms by their
    fields and the SHA-256 of each file.
    """
    meta = request.META
    head = [
        request.method,
        request.path,
        meta.get("QUERY_STRING", ""),
        meta.get("HTTP_X_ON_BEHALF_OF", "").strip(),
    ]
    digest = hashlib.sha256(json.dumps(head).encode())
    digest.update(json.dumps(_body_of(request), sort_keys=True, default=_by_value).encode())
    return digest.digest()


def find(claim: Claim) -> StoredAnswer | None:
    """The stored answer, if there is one already. Takes no lock.

    Raises IdempotencyKeyReused when the key belongs to another request.
    """
    with connection.cursor() as cursor:
        cursor.execute(_FIND, [claim.scope, claim.key, clock.now()])
        row = cursor.fetchone()
    return None if row is None else _stored(claim, *row)


def take(claim: Claim) -> StoredAnswer | None:
    """Hold the key until the transaction ends; the stored answer if the work is done already.

    Must be the first statement of the command's transaction. Raises RequestInProgress while
    another transaction holds the key and IdempotencyKeyReused when it belongs to another request.
    """
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, [claim.scope, claim.key, clock.now()])
        granted, stored_fingerprint, status, body = cursor.fetchone()
    if not granted:
        raise RequestInProgress
    return None if status is None else _stored(claim, stored_fingerprint, status, body)


def keep(claim: Claim, answer: StoredAnswer) -> None:
    """Store the answer; commits with the effects or not at all.

    Raises RequestInProgress when an answer is there already: `take` makes that impossible, and
    the unique key holds even if it did not.
    """
    now = clock.now()
    with connection.cursor() as cursor:
        cursor.execute(
            _KEEP,
            [
                claim.scope,
                claim.key,
                claim.fingerprint,
                answer.status,
                answer.body,
                now,
                now + KEPT_FOR,
            ],
        )
        if cursor.rowcount != 1:
            raise RequestInProgress


def purge_expired(now: datetime, *, beat: Callable[[], None]) -> int:
    """Delete the answers that expired by `now`, a batch at a time; how many there were.

    `beat` is called before each batch; what it raises ends the purge.
    """
    purged = 0
    while True:
        beat()
        expired = IdempotencyRecord.objects.filter(expires_at__lte=now).values("pk")
        count, _ = IdempotencyRecord.objects.filter(pk__in=expired[:_PURGE_BATCH_ROWS]).delete()
        purged += count
        if count < _PURGE_BATCH_ROWS:
            return purged


def _stored(claim: Claim, stored_fingerprint: bytes, status: int, body: bytes) -> StoredAnswer:
    if bytes(stored_fingerprint) != claim.fingerprint:
        raise IdempotencyKeyReused
    return StoredAnswer(status, bytes(body))


def _body_of(request: Request) -> Any:
    data = request.data
    if not hasattr(data, "lists"):
        return data
    return [[name, [_part(value) for value in values]] for name, values in sorted(data.lists())]


def _part(value: Any) -> Any:
    if not isinstance(value, UploadedFile):
        return value
    # A pair, so that no text field can pass for a file.
    return {"file": getattr(value, "sha256", None) or _sha256_of(value)}


def _sha256_of(file: UploadedFile) -> str:  # type: ignore[type-arg]  # generic in the stubs only
    """For files whose receiver has not hashed them as they came in."""
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    file.seek(0)
    return digest.hexdigest()


def _by_value(value: Any) -> Any:
    """Numbers by value: 100, 100.0 and 1e2 are the same; the parser bounds their length."""
    assert isinstance(value, Decimal), f"JSON has no {type(value).__name__}"
    # The tag's key holds a character that no parsed text can hold.
    return int(value) if value == value.to_integral_value() else {"\x00": str(value.normalize())}
