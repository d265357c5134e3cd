"""Issuing, rotating and revoking keys."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from audit.selectors import alerts, entries
from kobatela.accounts.errors import ApiKeyNotFound, ApiKeyNotLive, RotationOpen
from kobatela.accounts.models import ApiKey
from kobatela.accounts.services import keys
from kobatela.accounts.tests.factories import (
    ROOT,
    make_caller,
    make_key,
    make_staff,
    make_user,
)
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.kernel.errors import ValidationFailed
from kobatela.rest.errors import InsufficientScope

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def still_clock() -> Iterator[None]:
    """Time stands still."""
    with clock.frozen(AT):
        yield


def _refused(**values: Any) -> tuple[str, str]:
    """The field and code of the refusal to issue such a key."""
    wanted: dict[str, Any] = {"name": "shop", "scope": "sender", "user_id": make_user().pk}
    before = entries().count()
    with pytest.raises(ValidationFailed) as refusal:
        keys.issue_key(caller=ROOT, **(wanted | values))
    assert not ApiKey.objects.exists()
    assert entries().count() == before
    (problem,) = refusal.value.details["fields"]
    return problem["field"], problem["code"]


def test_a_key_is_stored_without_its_secret() -> None:
    user = make_user()

    issued = keys.issue_key(caller=ROOT, name="  shop ", scope="sender", user_id=user.pk)

    key = ApiKey.objects.get()
    assert issued.secret.startswith(f"koba_test_{key.public_id}_")
    assert (key.name, key.scope, key.user_id) == ("shop", "sender", user.pk)
    assert (key.created_at, key.expires_at) == (AT, AT + timedelta(days=90))
    assert (key.may_confirm_deposits, key.confirm_limit, key.allowed_ips) == (False, None, [])
    stored = " ".join(str(value) for value in ApiKey.objects.values().get().values())
    assert issued.secret[19:] not in stored
    entry = entries(action="apikey.issued").get()
    assert entry.subject == f"apikey:{key.public_id}"
    assert entry.body == f'{{"key":{key.pk},"scope":"sender","user":{user.pk}}}'
    assert issued.secret[19:] not in entry.body


def test_d28_a_key_may_expire_never() -> None:
    key, _ = make_key("admin", days_valid=None)

    assert key.expires_at is None
    assert key.is_live(AT + timedelta(days=36500))


def test_a_key_is_live_until_the_moment_it_expires() -> None:
    key, _ = make_key("admin", days_valid=1)

    assert key.is_live(AT + timedelta(days=1) - timedelta(microseconds=1))
    assert not key.is_live(AT + timedelta(days=1))


@pytest.mark.parametrize("days", [0, -1, 3651])
def test_a_life_that_makes_no_sense_is_refused(days: int) -> None:
    assert _refused(days_valid=days) == ("days_valid", "invalid")


def test_a_partys_key_needs_a_user() -> None:
    assert _refused(user_id=None) == ("user_id", "required")
    assert _refused(user_id=None, scope="provider") == ("user_id", "required")


def test_an_unknown_or_inactive_user_gets_no_key() -> None:
    assert _refused(user_id=10**9) == ("user_id", "unknown")
    assert _refused(user_id=make_user(is_active=False).pk) == ("user_id", "unknown")


@pytest.mark.parametrize("name", ["", "   ", "x" * 101])
def test_a_key_needs_a_name(name: str) -> None:
    assert _refused(name=name) == ("name", "invalid")


@pytest.mark.parametrize("scope", [Scope.SENDER, Scope.PROVIDER, Scope.SUPPORT])
def test_only_an_admin_handles_keys(scope: Scope) -> None:
    key, _ = make_key("sender")
    caller = make_caller(scope, make_user())

    with pytest.raises(InsufficientScope):
        keys.issue_key(caller=caller, name="x", scope="admin", user_id=None)
    with pytest.raises(InsufficientScope):
        keys.rotate_key(caller=caller, key_id=key.pk)
    with pytest.raises(InsufficientScope):
        keys.revoke_key(caller=caller, key_id=key.pk)

    assert ApiKey.objects.get().revoked_at is None


def test_a_key_that_may_confirm_deposits_is_explained_and_alerted() -> None:
    user = make_user()

    key, _ = make_key(
        "sender",
        user,
        may_confirm_deposits=True,
        confirm_limit={"EUR": "500.00", "XOF": 100000},
        reason=" It collects cash. ",
    )

    key.refresh_from_db()
    assert key.may_confirm_deposits
    assert key.confirm_limit == {"EUR": 50000, "XOF": 100000}
    assert key.confirm_reason == "It collects cash."
    alert = alerts().get()
    assert (alert.type, alert.subject) == ("KEY_MAY_CONFIRM_DEPOSITS", f"apikey:{key.public_id}")
    assert alert.payload == {
        "key": key.pk,
        "user": user.pk,
        "limits_minor": {"EUR": 50000, "XOF": 100000},
    }


def test_an_ordinary_key_alerts_nobody() -> None:
    make_key("sender", reason="ignored")

    assert not alerts().exists()
    assert ApiKey.objects.get().confirm_reason == ""


def test_confirming_deposits_needs_a_reason_and_a_user() -> None:
    assert _refused(may_confirm_deposits=True) == ("reason", "required")
    assert _refused(may_confirm_deposits=True, reason="  ") == ("reason", "required")
    assert _refused(may_confirm_deposits=True, reason="why", scope="admin", user_id=None) == (
        "user_id",
        "required",
    )


@pytest.mark.parametrize(
    ("limit", "problem"),
    [
        ({"CHF": "1.00"}, ("confirm_limit.CHF", "unknown")),
        ({"EUR": "1.001"}, ("confirm_limit.EUR", "amount_precision")),
        ({"XOF": "1.5"}, ("confirm_limit.XOF", "amount_precision")),
        ({"EUR": "many"}, ("confirm_limit.EUR", "amount_not_valid")),
        ({"EUR": "-1.00"}, ("confirm_limit.EUR", "invalid")),
    ],
)
def test_a_limit_is_an_amount_of_a_currency_in_use(
    limit: dict[str, str], problem: tuple[str, str]
) -> None:
    assert _refused(may_confirm_deposits=True, reason="why", confirm_limit=limit) == problem


def test_allowed_addresses_are_kept_as_networks() -> None:
    key, _ = make_key("sender", allowed_ips=[" 203.0.113.7", "198.51.100.9/24", "2001:db8::/32"])

    assert key.allowed_ips == ["203.0.113.7/32", "198.51.100.0/24", "2001:db8::/32"]


def test_an_address_that_is_none_is_refused() -> None:
    assert _refused(allowed_ips=["10.0.0.1", "localhost"]) == ("allowed_ips.1", "invalid")


def test_a_rotated_key_has_a_successor_alike_in_everything() -> None:
    old, old_secret = make_key(
        "sender",
        days_valid=30,
        may_confirm_deposits=True,
        confirm_limit={"EUR": "5.00"},
        allowed_ips=["203.0.113.7"],
    )
    clock.advance(timedelta(days=20))

    issued = keys.rotate_key(caller=ROOT, key_id=old.pk)

    new = ApiKey.objects.get(pk=issued.api_key.pk)
    for field in ("name", "scope", "user_id", "may_confirm_deposits", "confirm_limit"):
        assert getattr(new, field) == getattr(old, field)
    assert (new.allowed_ips, new.confirm_reason) == (old.allowed_ips, old.confirm_reason)
    assert issued.secret != old_secret
    assert new.public_id != old.public_id
    assert new.expires_at == clock.now() + timedelta(days=30)
    old.refresh_from_db()
    assert old.is_live(clock.now())
    assert new.is_live(clock.now())
    entry = entries(action="apikey.rotated").get()
    assert old.public_id in entry.body


def test_at_most_two_keys_of_one_rotation_are_live() -> None:
    first, _ = make_key("sender")
    second = keys.rotate_key(caller=ROOT, key_id=first.pk).api_key

    for key in (first, second):
        with pytest.raises(RotationOpen):
            keys.rotate_key(caller=ROOT, key_id=key.pk)
    assert ApiKey.objects.count() == 2

    keys.revoke_key(caller=ROOT, key_id=first.pk)
    third = keys.rotate_key(caller=ROOT, key_id=second.pk).api_key
    assert third.rotation_of_id == first.pk
    with pytest.raises(RotationOpen):
        keys.rotate_key(caller=ROOT, key_id=third.pk)


def test_a_lost_successor_can_be_made_again() -> None:
    first, _ = make_key("sender")
    lost = keys.rotate_key(caller=ROOT, key_id=first.pk).api_key
    keys.revoke_key(caller=ROOT, key_id=lost.pk)

    assert keys.rotate_key(caller=ROOT, key_id=first.pk).api_key.is_live(AT)


def test_a_dead_key_has_no_successor() -> None:
    revoked, _ = make_key("sender")
    keys.revoke_key(caller=ROOT, key_id=revoked.pk)
    expired, _ = make_key("sender", days_valid=1)
    clock.advance(timedelta(days=1))

    for key in (revoked, expired):
        with pytest.raises(ApiKeyNotLive):
            keys.rotate_key(caller=ROOT, key_id=key.pk)
    assert ApiKey.objects.count() == 2


def test_revoking_twice_is_revoking_once() -> None:
    key, _ = make_key("sender")
    keys.revoke_key(caller=ROOT, key_id=key.pk)
    clock.advance(timedelta(hours=1))

    keys.revoke_key(caller=ROOT, key_id=key.pk)

    key.refresh_from_db()
    assert key.revoked_at == AT
    assert entries(action="apikey.revoked").count() == 1


def test_an_unknown_key_is_not_found() -> None:
    with pytest.raises(ApiKeyNotFound):
        keys.rotate_key(caller=ROOT, key_id=10**9)
    with pytest.raises(ApiKeyNotFound):
        keys.revoke_key(caller=ROOT, key_id=10**9)


@pytest.mark.parametrize("scope", [Scope.SUPPORT, Scope.ADMIN])
def test_a_staff_key_is_not_made_for_somebody_who_is_no_staff(scope: Scope) -> None:
    # One admin with such a key would be two of the people who must agree.
    with pytest.raises(ValidationFailed) as refusal:
        keys.issue_key(caller=ROOT, name="second hand", scope=scope, user_id=make_user().pk)
    assert refusal.value.details["fields"][0]["field"] == "user_id"
    assert not ApiKey.objects.exists()
    staff = make_staff(scope.value)
    issued = keys.issue_key(caller=ROOT, name="desk", scope=scope, user_id=staff.pk)
    assert issued.api_key.user_id == staff.pk


def test_a_key_of_support_carries_no_more_than_their_role() -> None:
    staff = make_staff("support")
    with pytest.raises(ValidationFailed) as refusal:
        keys.issue_key(caller=ROOT, name="wide", scope=Scope.ADMIN, user_id=staff.pk)
    problem = refusal.value.details["fields"][0]
    assert (problem["field"], problem["code"]) == ("scope", "beyond_role")
    assert not ApiKey.objects.exists()
    # An admin's may carry less.
    keys.issue_key(caller=ROOT, name="desk", scope=Scope.SUPPORT, user_id=make_staff("admin").pk)
