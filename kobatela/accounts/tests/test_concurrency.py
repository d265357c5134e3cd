"""Many at once on keys and users."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

import pytest
from django.db import transaction
from django.db.models import Sum

from audit.selectors import entries
from audit.tests.together import run_together
from kobatela.accounts import hooks
from kobatela.accounts.errors import ApprovalTooEarly, ManagerNotAllowed
from kobatela.accounts.models import ApiKey, ApiKeyUse, FreshKeySum, User
from kobatela.accounts.selectors import lock_key
from kobatela.accounts.services import key_use, keys
from kobatela.accounts.services.approvals import count_large_sum
from kobatela.accounts.services.keys import IssuedKey
from kobatela.accounts.services.users import update_user
from kobatela.accounts.tests.factories import ROOT, make_fresh_caller, make_key, make_user
from kobatela.kernel import clock
from kobatela.kernel.money import Money

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def still_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Time stands still; nobody has an open escrow."""
    monkeypatch.setattr(hooks, "_open_escrow_checks", [lambda _user_id: False])
    key_use.forget()
    with clock.frozen(AT):
        yield


def test_a_key_used_sixteen_times_at_once_is_noted_once() -> None:
    key, _ = make_key("sender")

    results = run_together([partial(key_use.note_use, key=key, address="203.0.113.7")] * 16)

    assert results == [None] * 16
    key.refresh_from_db()
    assert key.last_used_at == AT
    assert ApiKeyUse.objects.count() == 1
    assert entries(action="apikey.used").count() == 1


def test_noting_a_use_waits_for_nobody() -> None:
    key, _ = make_key("sender")

    def use_while_locked() -> None:
        key_use.note_use(key=key, address="203.0.113.7")

    with transaction.atomic():
        lock_key(key.pk)
        results = run_together([use_while_locked])

    assert results == [None]
    key.refresh_from_db()
    assert key.last_used_at is None
    assert entries(action="apikey.used").count() == 1
    use_while_locked()
    key.refresh_from_db()
    assert key.last_used_at == AT


def test_a_key_rotated_sixteen_times_at_once_has_one_successor() -> None:
    key, _ = make_key("sender")

    results = run_together([partial(keys.rotate_key, caller=ROOT, key_id=key.pk)] * 16)

    assert sum(isinstance(result, IssuedKey) for result in results) == 1
    assert ApiKey.objects.filter(rotation_of=key).count() == 1


def test_what_keys_of_a_party_move_at_once_is_added_up() -> None:
    party = make_user()
    seen = [make_fresh_caller("sender", party) for _ in range(2)]
    money = Money(100_000, "EUR")

    results = run_together(
        [
            partial(count_large_sum, caller=seen[number % 2], money=money, whole=money)
            for number in range(16)
        ]
    )

    assert results.count(None) == 10
    assert sum(isinstance(result, ApprovalTooEarly) for result in results) == 6
    moved = FreshKeySum.objects.aggregate(sum=Sum("moved_minor"))["sum"]
    assert moved == 1_000_000


def _manage(user: User, manager: User) -> User:
    return update_user(caller=ROOT, user_id=user.pk, changes={"managed_by": manager.pk})


def test_two_users_given_to_each_other_at_once_stay_one_level_deep() -> None:
    for _ in range(10):
        one, two = make_user(), make_user()

        results = run_together([partial(_manage, one, two), partial(_manage, two, one)])

        assert sorted(type(result).__name__ for result in results) == [
            "ManagerNotAllowed",
            "User",
        ]
        managed = User.objects.filter(pk__in=[one.pk, two.pk], managed_by__isnull=False)
        assert managed.count() == 1


def test_a_key_issued_while_a_manager_is_set_is_seen_or_comes_after() -> None:
    manager = make_user()
    for _ in range(10):
        user = make_user()

        managed, issued = run_together(
            [partial(_manage, user, manager), partial(make_key, "sender", user)]
        )

        # Either the key was there first and kept the manager away, or the manager was first.
        assert isinstance(issued, tuple)
        user.refresh_from_db()
        if isinstance(managed, ManagerNotAllowed):
            assert user.managed_by_id is None
        else:
            assert user.managed_by_id == manager.pk
