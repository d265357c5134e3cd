"""From the key in the header to the caller."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from audit.selectors import entries
from kobatela.accounts.authentication import ApiKeyAuthentication
from kobatela.accounts.errors import ApiKeyNotLive, LegacyKeyForbidden, NoApiKey, Unauthorized
from kobatela.accounts.key_format import LIVE_PREFIX, TEST_PREFIX, _checksum
from kobatela.accounts.key_format import make_key as random_key
from kobatela.accounts.models import ApiKeyUse, User
from kobatela.accounts.selectors import nobody_else
from kobatela.accounts.services import key_use, keys, users
from kobatela.accounts.services.staff import set_staff_role
from kobatela.accounts.tasks import purge_key_uses
from kobatela.accounts.tests.factories import ROOT, make_key, make_staff, make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller, Scope
from kobatela.kernel.errors import DomainError, ValidationFailed
from kobatela.rest.errors import InsufficientScope

AT = datetime(2026, 1, 31, 12, 30, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def still_clock() -> Iterator[None]:
    """Time stands still, and this process remembers no use of a key."""
    key_use.forget()
    with clock.frozen(AT):
        yield


def _authenticate(
    headers: Mapping[str, str], address: str = "203.0.113.7", path: str = "/escrows"
) -> tuple[User | None, Caller]:
    request = APIRequestFactory().get(path, headers=headers, REMOTE_ADDR=address)
    return ApiKeyAuthentication().authenticate(Request(request))


def _caller(key: str, **options: Any) -> Caller:
    return _authenticate({"Authorization": f"Bearer {key}"}, **options)[1]


def _refuses(key: str, error: type[DomainError] = Unauthorized, **options: Any) -> None:
    with pytest.raises(error):
        _caller(key, **options)


def test_a_partys_key_is_its_user() -> None:
    user = make_user(public_tag="ONG")
    key, secret = make_key("sender", user, may_confirm_deposits=True)

    found, caller = _authenticate({"Authorization": f"Bearer {secret}"})

    assert found == user
    assert caller.scope is Scope.SENDER
    assert caller.actor == f"apikey:{key.public_id}"
    assert (caller.user_id, caller.key_id, caller.party_id) == (user.pk, key.pk, user.pk)
    assert caller.public_tag == "ONG"
    assert caller.may_confirm_deposits
    assert not caller.is_staff


def test_an_unbound_key_is_nobody() -> None:
    key, secret = make_key("support")

    found, caller = _authenticate({"Authorization": f"Bearer {secret}"})

    assert found is None
    assert (caller.user_id, caller.key_id, caller.party_id) == (None, key.pk, None)
    assert caller.is_staff
    assert not caller.may_act_for(1)


def test_a_key_acts_for_its_user_and_whom_that_manages() -> None:
    manager = make_user()
    managed, stranger = make_user(managed_by=manager), make_user()
    _, secret = make_key("sender", manager)
    caller = _caller(secret)

    acting = [caller.may_act_for(user.pk) for user in (manager, managed, stranger)]

    assert acting == [True, True, False]
    managed_caller = _caller(make_key("sender", managed)[1])
    assert managed_caller.acts_for is nobody_else
    assert [managed_caller.may_act_for(user.pk) for user in (manager, managed)] == [False, True]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", " Bearer  "])
def test_the_scheme_is_case_insensitive(scheme: str) -> None:
    _, secret = make_key("sender")

    assert _authenticate({"Authorization": f"{scheme} {secret}"})[1].scope is Scope.SENDER


def test_the_other_header_works_alone_and_both_when_equal() -> None:
    _, secret = make_key("sender")

    assert _authenticate({"X-API-Key": f" {secret} "})[0] is not None
    both = {"X-API-Key": secret, "Authorization": f"Bearer {secret}"}
    assert _authenticate(both)[0] is not None


def test_two_headers_that_differ_are_refused() -> None:
    _, secret = make_key("sender")
    _, other = make_key("sender")

    for one, two in ((secret, other), (secret, "junk"), ("junk", secret)):
        with pytest.raises(Unauthorized):
            _authenticate({"Authorization": f"Bearer {one}", "X-API-Key": two})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic dXNlcjpwYXNz"},
        {"X-API-Key": "  "},
    ],
)
def test_a_request_without_a_key_is_told_so(headers: Mapping[str, str]) -> None:
    with pytest.raises(NoApiKey):
        _authenticate(headers)


@pytest.mark.parametrize(
    ("header", "key"),
    [
        *(("X-API-Key", key) for key in ("", "é", "\udce9")),
        *(("Authorization", key) for key in ("", "Bearer é", "Bearer \udce9")),
    ],
)
def test_a_key_that_is_not_ascii_is_none_also_as_the_gateway_hands_it_on(
    header: str, key: str
) -> None:
    other = {"X-API-Key": "Authorization", "Authorization": "X-API-Key"}[header]
    secret = make_key("sender")[1]
    for more in ({}, {other: f"Bearer {secret}" if other == "Authorization" else secret}):
        with pytest.raises(Unauthorized):
            _authenticate({header: key, **more})


def test_a_key_in_the_address_is_not_looked_at() -> None:
    _, secret = make_key("sender")

    with pytest.raises(NoApiKey):
        _authenticate({}, path=f"/escrows?api_key={secret}&X-API-Key={secret}")


@pytest.mark.parametrize(
    "key",
    ["junk", "koba_test_", "é\x00", "a b", pytest.param(random_key(LIVE_PREFIX), id="live")],
)
def test_junk_and_other_installations_keys_never_reach_the_database(key: str) -> None:
    with CaptureQueriesContext(connection) as queries:
        _refuses(key)

    assert len(queries) == 0


def test_a_broken_checksum_never_reaches_the_database() -> None:
    _, secret = make_key("sender")
    broken = secret[:-1] + ("0" if secret[-1] != "0" else "1")

    with CaptureQueriesContext(connection) as queries:
        _refuses(broken)

    assert len(queries) == 0


def test_an_unknown_key_costs_one_question_and_leaves_nothing() -> None:
    with CaptureQueriesContext(connection) as queries:
        _refuses(random_key(TEST_PREFIX))

    assert len(queries) == 1
    assert not entries().exists()


def test_the_right_public_id_with_another_secret_is_refused() -> None:
    key, _ = make_key("sender")
    body = f"koba_test_{key.public_id}_{random_key(TEST_PREFIX)[19:51]}"

    _refuses(body + _checksum(body))

    key.refresh_from_db()
    assert key.last_used_at is None


def test_another_pepper_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    _, secret = make_key("sender")
    monkeypatch.setattr(settings, "API_KEY_PEPPER", "another")

    _refuses(secret)


def test_another_secret_key_of_django_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    _, secret = make_key("sender")
    monkeypatch.setattr(settings, "SECRET_KEY", "another")

    assert _caller(secret).scope is Scope.SENDER


def test_a_revoked_key_stops_at_once_and_staff_learn_why() -> None:
    key, secret = make_key("sender")
    _caller(secret)

    keys.revoke_key(caller=ROOT, key_id=key.pk)

    _refuses(secret)
    _refuses(secret)
    key_use.forget()
    _refuses(secret)
    refused = entries(action="apikey.refused").get()
    assert refused.subject == f"apikey:{key.public_id}"
    assert '"outcome":"revoked"' in refused.body
    assert "203.0.113" not in refused.body


def test_an_expired_key_is_refused_from_its_moment_on() -> None:
    _, secret = make_key("sender", days_valid=1)
    clock.advance(timedelta(days=1) - timedelta(seconds=1))
    _caller(secret)

    clock.advance(timedelta(seconds=1))

    _refuses(secret)


def test_d07_a_deactivated_users_keys_stop_at_once() -> None:
    user = make_user()
    _, secret = make_key("sender", user)
    users.update_user(caller=ROOT, user_id=user.pk, changes={"is_active": False})

    _refuses(secret)

    users.update_user(caller=ROOT, user_id=user.pk, changes={"is_active": True})
    assert _caller(secret).user_id == user.pk


def test_both_keys_of_a_rotation_work() -> None:
    key, secret = make_key("sender")
    new = keys.rotate_key(caller=ROOT, key_id=key.pk).secret

    assert _caller(secret).user_id == _caller(new).user_id == key.user_id


def test_a_key_works_from_its_allowed_addresses_only() -> None:
    _, secret = make_key("sender", allowed_ips=["203.0.113.0/29", "2001:db8::/32"])

    for address in ("203.0.113.7", "2001:db8::1", "::ffff:203.0.113.1"):
        assert _caller(secret, address=address).scope is Scope.SENDER
    for address in ("203.0.113.8", "2001:db9::1", "", "unknown"):
        _refuses(secret, address=address)
    assert entries(action="apikey.refused").count() == 4


def test_d04_no_key_is_known_from_the_source() -> None:
    assert settings.DEV_API_KEY == ""
    for key in ("dev-secret-key", "", "change-me"):
        with pytest.raises((Unauthorized, NoApiKey)):
            _caller(key)


@pytest.mark.parametrize("environment", ["production", "test"])
def test_d04_the_development_key_is_refused_by_name_elsewhere(
    monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    monkeypatch.setattr(settings, "DEV_API_KEY", "only-for-me")
    monkeypatch.setattr(settings, "KOBATELA_ENV", environment)

    _refuses("only-for-me", LegacyKeyForbidden)
    _refuses("only-for-you", Unauthorized)
    assert not entries().exists()


def test_d04_in_development_it_is_an_admin_and_each_use_is_audited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(settings, "DEV_API_KEY", "only-for-me")
    monkeypatch.setattr(settings, "KOBATELA_ENV", "dev")

    callers = [_caller("only-for-me"), _caller("only-for-me")]

    assert {(caller.scope, caller.actor, caller.user_id) for caller in callers} == {
        (Scope.ADMIN, "apikey:legacy", None)
    }
    assert entries(action="apikey.legacy_used").count() == 2


def test_a_request_in_the_same_minute_costs_one_query() -> None:
    _, secret = make_key("sender")
    _caller(secret)
    clock.advance(timedelta(seconds=59))

    with CaptureQueriesContext(connection) as queries:
        _caller(secret)

    assert len(queries) == 1


def test_the_time_of_use_is_kept_once_a_minute() -> None:
    key, secret = make_key("sender")
    seen = []
    for seconds in (0, 59, 1, 30):
        clock.advance(timedelta(seconds=seconds))
        _caller(secret)
        key.refresh_from_db()
        assert key.last_used_at is not None
        seen.append((key.last_used_at - AT).total_seconds())

    assert seen == [0, 0, 60, 60]


def test_the_first_use_per_key_address_and_hour_is_audited() -> None:
    key, secret = make_key("sender")
    for address, minutes in (("203.0.113.7", 0), ("203.0.113.7", 29), ("203.0.113.8", 0)):
        clock.advance(timedelta(minutes=minutes))
        _caller(secret, address=address)
    used = entries(action="apikey.used")
    assert used.count() == 2

    clock.advance(timedelta(minutes=1))
    _caller(secret)

    assert used.count() == 3
    first = used.order_by("pk")[0]
    assert (first.actor, first.subject) == (f"apikey:{key.public_id}",) * 2
    assert "203.0.113" not in first.body


def test_another_process_does_not_audit_the_same_use_again() -> None:
    _, secret = make_key("sender")
    _caller(secret)
    key_use.forget()

    _caller(secret)

    assert entries(action="apikey.used").count() == 1
    assert ApiKeyUse.objects.count() == 1


def test_old_uses_are_forgotten() -> None:
    _, secret = make_key("sender", days_valid=None)
    _caller(secret)
    clock.advance(timedelta(hours=47))
    purge_key_uses()
    assert ApiKeyUse.objects.count() == 1

    clock.advance(timedelta(hours=1))
    purge_key_uses()

    assert not ApiKeyUse.objects.exists()


def _on_behalf(secret: str, value: str) -> Caller:
    headers = {"Authorization": f"Bearer {secret}", "X-On-Behalf-Of": value}
    return _authenticate(headers)[1]


def test_an_admin_key_stands_in_for_a_party() -> None:
    staff, party = make_user(), make_user(public_tag="GOV")
    managed, stranger = make_user(managed_by=party), make_user()
    key, secret = make_key("admin", staff)

    caller = _on_behalf(secret, f" {party.pk} ")

    assert (caller.scope, caller.actor) == (Scope.ADMIN, f"apikey:{key.public_id}")
    assert (caller.user_id, caller.on_behalf_of, caller.party_id) == (
        staff.pk,
        party.pk,
        party.pk,
    )
    assert caller.public_tag == "GOV"
    assert not caller.is_staff
    acting = [caller.may_act_for(user.pk) for user in (party, managed, stranger, staff)]
    assert acting == [True, True, False, False]


@pytest.mark.parametrize("scope", [Scope.SENDER, Scope.PROVIDER, Scope.SUPPORT])
def test_only_an_admin_key_stands_in_for_anyone(scope: Scope) -> None:
    user = make_user()
    _, secret = make_key(scope, user)

    with pytest.raises(InsufficientScope):
        _on_behalf(secret, str(user.pk))


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("", "invalid"),
        ("abc", "invalid"),
        ("-1", "invalid"),
        ("0", "invalid"),
        ("1.0", "invalid"),
        ("1, 2", "invalid"),
        ("\u0661", "invalid"),
        ("9" * 30, "invalid"),
        (str(2**63), "invalid"),
        (str(2**63 - 1), "unknown"),
    ],
)
def test_a_header_that_names_nobody_is_refused(value: str, code: str) -> None:
    _, secret = make_key("admin")

    with pytest.raises(ValidationFailed) as refusal:
        _on_behalf(secret, value)

    (problem,) = refusal.value.details["fields"]
    assert (problem["field"], problem["code"]) == ("X-On-Behalf-Of", code)


def test_an_inactive_party_is_not_stood_in_for() -> None:
    _, secret = make_key("admin")

    with pytest.raises(ValidationFailed):
        _on_behalf(secret, str(make_user(is_active=False).pk))


def test_a_staff_key_ends_with_the_role_that_it_was_for() -> None:
    admin = make_staff("admin")
    (high, high_key), (_, low_key) = make_key("admin", admin), make_key("support", admin)
    _, own_key = make_key("sender", admin)

    set_staff_role(caller=ROOT, user_id=admin.pk, role="support")
    _refuses(high_key)
    assert _caller(low_key).is_staff
    assert entries(action="apikey.revoked").get().subject == f"apikey:{high.public_id}"

    set_staff_role(caller=ROOT, user_id=admin.pk, role=None)
    _refuses(low_key)
    assert entries(action="apikey.revoked").count() == 2
    assert _caller(own_key).user_id == admin.pk


def test_a_staff_key_opens_nothing_beyond_its_owners_role() -> None:
    user = make_staff("admin")
    key, secret = make_key("admin", user)
    # As somebody would who edits the groups and knows nothing of keys.
    user.groups.set(Group.objects.filter(name="support"))

    _refuses(secret)

    assert "beyond_role" in entries(action="apikey.refused").get().body
    with pytest.raises(ApiKeyNotLive):
        keys.rotate_key(caller=ROOT, key_id=key.pk)
    user.groups.clear()
    User.objects.filter(pk=user.pk).update(is_superuser=True)
    assert _caller(secret).is_staff


def test_a_staff_key_opens_nothing_for_who_is_no_longer_staff() -> None:
    user = make_staff()
    _, secret = make_key("support", user)
    _, own_key = make_key("sender", user)
    User.objects.filter(pk=user.pk).update(is_staff=False)
    _refuses(secret)
    assert "not_staff" in entries(action="apikey.refused").get().body
    assert _caller(own_key).user_id == user.pk
