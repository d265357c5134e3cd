"""Whom a caller may act for, and what the database does to find out."""

import json
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet

from kobatela.accounts import selectors
from kobatela.accounts.errors import UserNotFound
from kobatela.accounts.models import ApiKey, Approval, User
from kobatela.accounts.selectors import (
    are_related,
    get_user,
    parties_of,
    party_or_refuse,
    require_active_user,
    visible_users,
)
from kobatela.accounts.tests.factories import (
    make_caller,
    make_key,
    make_staff_caller,
    make_user,
)
from kobatela.accounts.visible import visible_to
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller, Scope
from kobatela.kernel.errors import ValidationFailed

pytestmark = pytest.mark.django_db


def _approval(first: User, second: User | None = None) -> Approval:
    """A row that names two users, as an escrow names its client and its provider."""
    now = clock.now()
    return Approval.objects.create(
        command="x",
        subject=f"x:{Approval.objects.count()}",
        escrow_id=1,
        amount_minor=1,
        currency="EUR",
        figures="{}",
        needed=1,
        status="GRANTED",
        first_user=first,
        second_user=second,
        created_at=now,
        updated_at=now,
    )


def _seen(caller: Caller) -> list[Approval]:
    rows = Approval.objects.filter(visible_to(caller, "first_user", "second_user"))
    return list(rows.order_by("pk"))


def test_d03_a_party_sees_its_own_rows_on_either_side_and_no_others() -> None:
    me, other, third = make_user(), make_user(), make_user()
    mine = [_approval(me), _approval(other, me)]
    _approval(other, third)

    assert _seen(make_caller("sender", me)) == mine


def test_a_manager_sees_the_rows_of_whom_it_manages_and_not_the_reverse() -> None:
    manager = make_user()
    managed, sibling = make_user(managed_by=manager), make_user(managed_by=manager)
    rows = [_approval(manager), _approval(managed), _approval(make_user(), sibling)]

    assert _seen(make_caller("sender", manager)) == rows
    assert _seen(make_caller("sender", managed)) == [rows[1]]


def test_staff_see_everything_unless_they_stand_in_for_a_party() -> None:
    party, other = make_user(), make_user()
    theirs, _ = _approval(party), _approval(other)

    assert len(_seen(make_staff_caller("support"))) == 2
    assert len(_seen(make_caller("admin"))) == 2
    assert _seen(make_caller("admin", on_behalf_of=party.pk)) == [theirs]


def test_a_party_without_a_user_sees_nothing_at_all() -> None:
    _approval(make_user())
    caller = make_caller("sender")

    assert _seen(caller) == []
    assert not parties_of(caller).exists()
    assert not visible_users(caller).exists()


def test_a_path_may_lead_over_another_row() -> None:
    me = make_user()
    key, _ = make_key("sender", me)
    make_key("sender")

    keys = ApiKey.objects.filter(visible_to(make_caller("sender", me), "user__managed_by"))
    assert not keys.exists()
    make_user(managed_by=me)
    mine = User.objects.filter(visible_to(make_caller("sender", me), "managed_by"))
    assert mine.count() == 1
    assert list(ApiKey.objects.filter(visible_to(make_caller("sender", me), "user"))) == [key]


def test_users_are_seen_by_themselves_their_manager_and_staff() -> None:
    manager = make_user()
    managed, stranger = make_user(managed_by=manager), make_user(is_active=False)

    def seen(caller: Caller) -> set[User]:
        return set(visible_users(caller))

    assert seen(make_caller("provider", manager)) == {manager, managed}
    assert seen(make_caller("provider", managed)) == {managed}
    assert seen(make_caller("admin")) == {manager, managed, stranger}
    assert get_user(make_caller("sender", manager), managed.pk) == managed
    with pytest.raises(UserNotFound):
        get_user(make_caller("sender", managed), manager.pk)


def test_the_other_side_may_be_any_active_user() -> None:
    user, gone = make_user(), make_user(is_active=False)

    assert require_active_user(user.pk, field="provider_id") == user
    for user_id in (gone.pk, 10**12):
        with pytest.raises(ValidationFailed) as refusal:
            require_active_user(user_id, field="provider_id")
        assert refusal.value.details["fields"][0]["field"] == "provider_id"


def test_a_foreign_party_is_refused_like_one_that_does_not_exist() -> None:
    me = make_user()
    managed, foreign = make_user(managed_by=me), make_user()
    caller = make_caller("sender", me)

    assert party_or_refuse(caller, me.pk, "client_id") == me
    assert party_or_refuse(caller, managed.pk, "client_id") == managed
    told: list[dict[str, Any]] = []
    for user_id in (foreign.pk, 10**12):
        with pytest.raises(ValidationFailed) as refusal:
            party_or_refuse(caller, user_id, "client_id")
        told.append(refusal.value.details)
    assert told[0] == told[1]


def test_staff_are_no_party_of_anyones_escrow() -> None:
    user = make_user()

    with pytest.raises(ValidationFailed):
        party_or_refuse(make_caller("admin"), user.pk, "client_id")
    assert party_or_refuse(make_caller("admin", on_behalf_of=user.pk), user.pk, "x") == user


def test_related_are_manager_and_managed_and_two_of_one_manager() -> None:
    manager, stranger = make_user(), make_user()
    one, two = make_user(managed_by=manager), make_user(managed_by=manager)
    far = make_user(managed_by=stranger)

    pairs = [(manager, one), (one, two), (one, far), (one, stranger), (manager, stranger)]
    related = [are_related(a.pk, b.pk) for a, b in pairs]

    assert related == [are_related(b.pk, a.pk) for a, b in pairs]
    assert related == [True, True, False, False, False]


def test_a_party_that_manages_nobody_is_asked_for_by_its_id_alone() -> None:
    me, other = make_user(), make_user()
    mine = [_approval(me), _approval(other, me)]
    _approval(other)
    caller = make_caller("sender", me, acts_for=selectors.nobody_else)

    assert _seen(caller) == mine
    rows = Approval.objects.filter(visible_to(caller, "first_user", "second_user"))
    assert "SELECT" not in str(rows.query).removeprefix("SELECT")
    assert not caller.may_act_for(other.pk)
    assert caller.may_act_for(me.pk)


def _plan(rows: "QuerySet[Any]") -> str:
    sql, parameters = rows.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", parameters)
        return json.dumps(cursor.fetchone()[0])


def test_both_sides_are_looked_up_in_their_indexes() -> None:
    caller = make_caller("sender", make_user())
    rows = Approval.objects.filter(visible_to(caller, "first_user", "second_user"))

    plan = _plan(rows)

    assert "BitmapOr" in plan
    assert "Seq Scan" not in plan
    # Made once for the whole question, not looked at for every row.
    assert '"Parent Relationship": "InitPlan"' in plan
    assert "SubPlan" not in plan.replace("InitPlan", "")


def test_no_list_of_ids_leaves_the_database() -> None:
    manager = make_user()
    for _ in range(5):
        make_user(managed_by=manager)
    caller = make_caller("sender", manager)

    sql = str(Approval.objects.filter(visible_to(caller, "first_user")).query)

    assert sql.count(str(manager.pk)) == 2
    assert selectors.parties_of(caller).count() == 6
    assert Scope.SENDER is caller.scope
