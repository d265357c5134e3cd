"""Defects of the prototype's trail and operation (D-41 to D-44); none may come back."""

import pytest
from django.db import DatabaseError, connection, transaction

from audit.models import AuditEntry
from kobatela.accounts.models import ApiKey
from kobatela.accounts.tests.factories import make_key
from kobatela.kernel.caller import Scope
from kobatela.rest.tests.client import Api

pytestmark = pytest.mark.django_db


def test_d41_what_is_done_with_keys_names_who_did_it() -> None:
    admin, secret = make_key(Scope.ADMIN)
    api = Api(secret)

    issued = api.post("/apikeys", json={"name": "desk", "scope": "support"}).json
    api.post(f"/apikeys/{issued['id']}/rotate", json={})
    api.delete(f"/apikeys/{issued['id']}")

    done = AuditEntry.objects.filter(action__in=["apikey.issued", "apikey.rotated",
                                                 "apikey.revoked"])  # fmt: skip
    by = done.exclude(actor="system:tests").values_list("action", "actor")
    actor = f"apikey:{admin.public_id}"
    assert {action for action, _ in by} == {"apikey.issued", "apikey.rotated", "apikey.revoked"}
    assert {who for _, who in by} == {actor}


def test_d41_the_trail_can_be_read_over_the_api_and_not_rewritten() -> None:
    _, secret = make_key(Scope.ADMIN)
    api = Api(secret)
    api.post("/users", json={"username": "awa", "email": "awa@example.org"})

    (entry,) = api.get("/audit/events?action=user.created").json["items"][:1]

    assert entry["subject"].startswith("user:")
    for statement in (
        "UPDATE audit_auditentry SET actor = 'nobody'",
        "DELETE FROM audit_auditentry",
    ):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    assert api.get("/audit/events?action=user.created").json["items"][0] == entry


def test_d44_a_key_that_is_used_often_leaves_one_entry_an_hour() -> None:
    key, secret = make_key(Scope.SUPPORT)
    api = Api(secret)

    for _ in range(12):
        assert api.get("/alerts").status == 200

    used = AuditEntry.objects.filter(action="apikey.used", actor=f"apikey:{key.public_id}")
    assert used.count() == 1


def test_d44_a_read_writes_nothing_once_its_key_is_known() -> None:
    key, secret = make_key(Scope.SUPPORT)
    api = Api(secret)
    api.get("/alerts")
    entries, seen = AuditEntry.objects.count(), ApiKey.objects.get(pk=key.pk).last_used_at

    api.get("/alerts")

    assert AuditEntry.objects.count() == entries
    assert ApiKey.objects.get(pk=key.pk).last_used_at == seen
