"""Nobody is two people: who was given access by somebody else approves nothing for a day."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from audit.models import OutboxEvent
from audit.selectors import alerts, entries
from kobatela.accounts.authentication import ApiKeyAuthentication
from kobatela.accounts.errors import ApprovalTooEarly
from kobatela.accounts.models import User
from kobatela.accounts.services.approvals import (
    ApprovalState,
    count_large_sum,
    require_approval,
)
from kobatela.accounts.services.callers import staff_caller
from kobatela.accounts.services.keys import issue_key, rotate_key
from kobatela.accounts.services.staff import set_password, set_staff_role
from kobatela.accounts.tests.factories import make_fresh_caller, make_key, make_staff, make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller, Scope
from kobatela.kernel.money import Money

pytestmark = pytest.mark.django_db
AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
DAY = timedelta(days=1)
PASSWORD = "a long and quiet afternoon"


@pytest.fixture(autouse=True)
def as_in_production(settings: Any) -> Iterator[None]:
    """A day of waiting, and time stands still."""
    settings.KOBATELA_STAFF_ACCESS_COOLING_S = DAY.total_seconds()
    with clock.frozen(AT):
        yield


def approve(caller: Caller, amount_minor: int = 1_000_001, subject: str = "proof:1") -> Any:
    return require_approval(
        caller=caller,
        command="approve_proof",
        subject=subject,
        escrow_id=1,
        money=Money(amount_minor, "EUR"),
        figures={},
    )


def _password(admin: Caller, user: User) -> None:
    set_password(caller=admin, user_id=user.pk, password=PASSWORD)


def _role(admin: Caller, user: User) -> None:
    set_staff_role(caller=admin, user_id=user.pk, role="admin")


def _key(admin: Caller, user: User) -> None:
    issue_key(caller=admin, name="theirs", scope=Scope.SUPPORT, user_id=user.pk)


def _rotation(admin: Caller, user: User) -> None:
    rotate_key(caller=admin, key_id=make_key(Scope.SUPPORT, user=user)[0].pk)


@pytest.mark.parametrize(
    ("give", "alert"),
    [
        (_password, "STAFF_PASSWORD_SET"),
        (_role, "STAFF_ROLE_GIVEN"),
        (_key, "STAFF_KEY_ISSUED"),
        (_rotation, "STAFF_KEY_ISSUED"),
    ],
)
def test_whoever_gave_a_colleague_access_cannot_be_the_second_person_for_a_day(
    give: Callable[[Caller, User], None], alert: str
) -> None:
    admin, colleague = staff_caller(make_staff("admin")), make_staff("support")
    give(admin, colleague)
    first, second = admin, staff_caller(colleague)

    assert approve(first) == ApprovalState(given=1, needed=2, granted=False)
    with pytest.raises(ApprovalTooEarly) as refusal:
        approve(second)
    with pytest.raises(ApprovalTooEarly):
        approve(second, subject="proof:2")
    assert refusal.value.details == {"approves_from": (AT + DAY).isoformat()}
    assert approve(second, 1_000, "proof:3").granted

    found = alerts().get()
    assert (found.type, found.payload["by"], found.actor_user_id) == (
        alert,
        admin.actor,
        admin.user_id,
    )
    entry = entries(action="staff.access_given").get()
    told = OutboxEvent.objects.get(entry=entry)
    assert told.audience == sorted([colleague.pk, admin.user_id or 0])

    clock.advance(DAY)
    assert approve(second) == ApprovalState(given=2, needed=2, granted=True)


def test_what_people_do_about_their_own_access_and_for_parties_is_no_alert() -> None:
    admin = make_staff("admin")
    set_password(caller=staff_caller(admin), user_id=admin.pk, password=PASSWORD)
    _key(staff_caller(admin), admin)
    issue_key(caller=staff_caller(admin), name="x", scope=Scope.SENDER, user_id=make_user().pk)
    assert not alerts().exists()
    assert approve(staff_caller(admin)).given == 1


def test_a_staff_key_of_nobody_is_an_alert() -> None:
    issue_key(caller=staff_caller(make_staff("admin")), name="x", scope=Scope.SUPPORT, user_id=None)
    assert alerts().get().type == "STAFF_KEY_ISSUED"


def test_a_partys_key_that_an_admin_has_seen_moves_no_large_sums_for_a_day() -> None:
    admin, party = staff_caller(make_staff("admin")), make_user()
    own, own_secret = make_key(Scope.SENDER, party)
    issued = issue_key(caller=admin, name="x", scope=Scope.SENDER, user_id=party.pk)
    large, figure = Money(1_000_001, "EUR"), Money(1_000_000, "EUR")
    part = Money(1, "EUR")

    with pytest.raises(ApprovalTooEarly) as refusal:
        count_large_sum(caller=by_key(issued.secret), money=part, whole=large)
    assert refusal.value.details == {"approves_from": (AT + DAY).isoformat()}
    count_large_sum(caller=by_key(issued.secret), money=part, whole=figure)
    count_large_sum(caller=by_key(own_secret), money=part, whole=large)
    assert alerts().get().type == "PARTY_KEY_ISSUED"
    told = OutboxEvent.objects.get(entry=entries(action="party.access_given").get())
    assert told.audience == [party.pk]

    rotated = rotate_key(caller=admin, key_id=own.pk)
    with pytest.raises(ApprovalTooEarly):
        count_large_sum(caller=by_key(rotated.secret), money=part, whole=large)
    clock.advance(DAY)
    count_large_sum(caller=by_key(issued.secret), money=part, whole=large)
    count_large_sum(caller=by_key(rotated.secret), money=part, whole=large)


@pytest.mark.parametrize("above_minor", [-1, 0, 1])
def test_many_small_sums_of_keys_that_somebody_has_seen_are_as_one(above_minor: int) -> None:
    party = make_user()
    seen = [make_fresh_caller(Scope.SENDER, party) for _ in range(2)]
    for number in range(9):
        move(seen[number % 2], 100_000)
    # Neither another party nor another currency has to do with it.
    move(make_fresh_caller(Scope.SENDER, make_user()), 1_000_000)
    move(seen[0], 1_000_000, "USD")

    if above_minor > 0:
        with pytest.raises(ApprovalTooEarly), transaction.atomic():
            move(seen[0], 100_000 + above_minor)
        # What was refused does not count.
        move(seen[0], 100_000)
    else:
        move(seen[0], 100_000 + above_minor)
    with pytest.raises(ApprovalTooEarly):
        move(seen[1], 1 - min(above_minor, 0))
    clock.advance(DAY)
    move(seen[1], 1_000_000)


def move(caller: Caller, amount_minor: int, currency: str = "EUR") -> None:
    """Move all of an escrow."""
    money = Money(amount_minor, currency)
    count_large_sum(caller=caller, money=money, whole=money)


@pytest.mark.parametrize("has_key_of", ["a partner", "nobody, for long"])
def test_the_first_key_of_who_may_have_escrows_already_waits_too(has_key_of: str) -> None:
    party = make_user(managed_by=make_user() if has_key_of == "a partner" else None)
    clock.advance(timedelta(0) if has_key_of == "a partner" else DAY)
    admin = staff_caller(make_staff("admin"))
    issued = issue_key(caller=admin, name="x", scope=Scope.SENDER, user_id=party.pk)
    assert issued.api_key.large_sums_from == clock.now() + DAY


def by_key(secret: str) -> Caller:
    request = APIRequestFactory().get("/escrows", headers={"X-API-Key": secret})
    return ApiKeyAuthentication().authenticate(Request(request))[1]
