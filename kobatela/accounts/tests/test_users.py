"""Creating users and changing them; who may manage whom."""

from typing import Any

import pytest
from django.db import DatabaseError, transaction

from audit.selectors import alerts, entries
from kobatela.accounts import hooks
from kobatela.accounts.errors import ManagerNotAllowed, UserCreateFailed, UserNotFound
from kobatela.accounts.models import User
from kobatela.accounts.services import keys, users
from kobatela.accounts.tests.factories import (
    ROOT,
    make_caller,
    make_key,
    make_staff_caller,
    make_user,
)
from kobatela.kernel.errors import ValidationFailed
from kobatela.rest.errors import InsufficientScope

pytestmark = pytest.mark.django_db
in_business: set[int] = set()


@pytest.fixture(autouse=True)
def open_escrows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The users of `in_business` have an open escrow, nobody else."""
    in_business.clear()
    monkeypatch.setattr(hooks, "_open_escrow_checks", [in_business.__contains__])


def _update(user: User, **changes: Any) -> User:
    return users.update_user(caller=ROOT, user_id=user.pk, changes=changes)


def test_a_user_is_created_active_without_a_password() -> None:
    user = users.create_user(
        caller=ROOT, username=" Moussa Traoré ", email=" Moussa@Example.ORG ", phone="+22370000000"
    )

    user.refresh_from_db()
    assert (user.username, user.email) == ("Moussa Traoré", "moussa@example.org")
    assert (user.phone, user.language, user.public_tag) == ("+22370000000", "fr", "private")
    assert user.is_active
    assert [user.is_staff, user.is_superuser] == [False, False]
    assert not user.has_usable_password()
    entry = entries(action="user.created").get()
    assert (entry.actor, entry.subject) == ("system:tests", f"user:{user.pk}")
    assert "moussa" not in entry.body.lower()
    assert not alerts().exists()


@pytest.mark.parametrize(
    "values",
    [
        {"username": "taken", "email": "new@example.org"},
        {"username": "new", "email": "taken@example.org"},
        {"username": "new", "email": "TAKEN@example.org"},
    ],
)
def test_a_name_or_address_in_use_is_refused(values: dict[str, Any]) -> None:
    make_user(username="taken", email="taken@example.org")
    before = entries().count()

    with pytest.raises(UserCreateFailed):
        users.create_user(caller=ROOT, **values)

    assert User.objects.count() == 1
    assert entries().count() == before


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"username": ""}, "username"),
        ({"username": "x" * 101}, "username"),
        ({"username": "a\x00b"}, "username"),
        ({"username": "a\nb"}, "username"),
        ({"email": "nobody"}, "email"),
        ({"language": "de"}, "language"),
        ({"public_tag": "gov"}, "public_tag"),
        ({"phone": "1" * 31}, "phone"),
    ],
)
def test_what_is_not_valid_names_its_field(values: dict[str, Any], field: str) -> None:
    good = {"username": "new", "email": "new@example.org"}

    with pytest.raises(ValidationFailed) as refusal:
        users.create_user(caller=ROOT, **(good | values))

    assert {problem["field"] for problem in refusal.value.details["fields"]} == {field}
    assert not User.objects.exists()


def test_support_creates_private_users_only() -> None:
    support = make_staff_caller("support")
    manager = make_user()
    users.create_user(caller=support, username="new", email="new@example.org")

    for extra in ({"public_tag": "GOV"}, {"managed_by": manager.pk}):
        with pytest.raises(InsufficientScope):
            users.create_user(caller=support, username="x", email="x@example.org", **extra)
    with pytest.raises(InsufficientScope):
        users.update_user(caller=support, user_id=manager.pk, changes={"phone": "1"})
    assert not User.objects.filter(username="x").exists()


def test_a_party_creates_and_changes_nobody() -> None:
    user = make_user()
    caller = make_caller("sender", user)

    with pytest.raises(InsufficientScope):
        users.create_user(caller=caller, username="x", email="x@example.org")
    with pytest.raises(InsufficientScope):
        users.update_user(caller=caller, user_id=user.pk, changes={"phone": "1"})


def test_a_change_is_told_without_personal_data() -> None:
    user = make_user()

    _update(user, email="New@example.org", phone=" 123 ", public_tag="ONG")

    user.refresh_from_db()
    assert (user.email, user.phone, user.public_tag) == ("new@example.org", "123", "ONG")
    entry = entries(action="user.updated").get()
    assert entry.body == (
        '{"changes":{"public_tag":["private","ONG"]},"fields":["email","phone","public_tag"]}'
    )


def test_a_change_to_what_is_changes_nothing() -> None:
    user = make_user(phone="1")
    before = User.objects.values().get(pk=user.pk)

    _update(user, phone=" 1 ", is_active=True, managed_by=None)

    assert User.objects.values().get(pk=user.pk) == before
    assert not entries(action="user.updated").exists()


def test_a_taken_address_stops_the_whole_change() -> None:
    make_user(email="taken@example.org")
    user = make_user()

    with pytest.raises(UserCreateFailed):
        _update(user, phone="1", email="taken@example.org")

    user.refresh_from_db()
    assert user.phone == ""


def test_d07_deactivation_and_its_end_are_audited() -> None:
    user = make_user()

    _update(user, is_active=False)
    _update(user, is_active=True)

    told = [entry.action for entry in entries(subject=f"user:{user.pk}").order_by("pk")]
    assert told == [
        "user.created",
        "user.updated",
        "user.deactivated",
        "user.updated",
        "user.reactivated",
    ]


def test_an_unknown_user_is_not_found() -> None:
    with pytest.raises(UserNotFound):
        users.update_user(caller=ROOT, user_id=10**9, changes={"phone": "1"})


def test_d41_reading_a_user_is_kept() -> None:
    user = make_user()

    users.read_user(caller=make_staff_caller("support"), user_id=user.pk)

    assert entries(action="user.read").get().subject == f"user:{user.pk}"


def test_a_manager_is_set_with_an_alert() -> None:
    user, manager = make_user(), make_user()

    _update(user, managed_by=manager.pk)

    user.refresh_from_db()
    assert user.managed_by == manager
    assert entries(action="user.manager_set").get().body == f'{{"managed_by":{manager.pk}}}'
    alert = alerts().get()
    assert (alert.type, alert.subject) == ("MANAGER_SET", f"user:{user.pk}")

    _update(user, managed_by=None)
    assert User.objects.get(pk=user.pk).managed_by_id is None
    assert alerts().get().count == 2


def test_a_user_born_with_a_manager_raises_the_alert_too() -> None:
    manager = make_user()

    user = make_user(managed_by=manager)

    assert user.managed_by == manager
    assert alerts().get().subject == f"user:{user.pk}"


def _stays_unmanaged(user: User, manager_id: int) -> None:
    before = entries().count()
    with pytest.raises(ManagerNotAllowed):
        _update(user, managed_by=manager_id)
    user.refresh_from_db()
    assert user.managed_by_id is None
    assert entries().count() == before
    assert not alerts(type="MANAGER_SET").filter(subject=f"user:{user.pk}").exists()


def test_managing_is_one_level_deep() -> None:
    top = make_user()
    middle = make_user(managed_by=top)

    _stays_unmanaged(make_user(), middle.pk)
    _stays_unmanaged(top, make_user().pk)
    with pytest.raises(ManagerNotAllowed):
        make_user(managed_by=middle)


def test_the_database_itself_keeps_it_one_level_deep() -> None:
    top, other = make_user(), make_user()
    middle = make_user(managed_by=top)

    for user, manager in ((other, middle), (top, other)):
        with pytest.raises(DatabaseError, match="one level"), transaction.atomic():
            User.objects.filter(pk=user.pk).update(managed_by=manager)


def test_nobody_manages_themselves() -> None:
    user = make_user()

    _stays_unmanaged(user, user.pk)
    with pytest.raises(DatabaseError), transaction.atomic():
        User.objects.filter(pk=user.pk).update(managed_by=user)


def test_a_user_with_a_live_key_keeps_their_manager() -> None:
    key, _ = make_key("sender")
    assert key.user is not None
    manager = make_user()
    _stays_unmanaged(key.user, manager.pk)

    keys.revoke_key(caller=ROOT, key_id=key.pk)

    assert _update(key.user, managed_by=manager.pk).managed_by_id == manager.pk


def test_a_user_with_an_open_escrow_keeps_their_manager() -> None:
    user, manager = make_user(), make_user()
    in_business.add(user.pk)
    _stays_unmanaged(user, manager.pk)

    in_business.clear()
    assert _update(user, managed_by=manager.pk).managed_by_id == manager.pk
    in_business.add(user.pk)
    with pytest.raises(ManagerNotAllowed):
        _update(user, managed_by=None)


def test_an_unknown_or_inactive_manager_is_named() -> None:
    for manager_id in (10**9, make_user(is_active=False).pk):
        with pytest.raises(ValidationFailed) as refusal:
            _update(make_user(), managed_by=manager_id)
        assert refusal.value.details["fields"][0]["field"] == "managed_by"


def test_only_one_answer_about_open_escrows_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "_open_escrow_checks", [])

    def check(user_id: int) -> bool:
        return user_id == 1

    hooks.register_open_escrow_check(check)
    hooks.register_open_escrow_check(check)
    with pytest.raises(RuntimeError):
        hooks.register_open_escrow_check(lambda _user_id: False)
    assert [hooks.has_open_escrow(1), hooks.has_open_escrow(2)] == [True, False]
