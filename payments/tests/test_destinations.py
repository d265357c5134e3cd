"""Destinations: added, replaced after the cooling-off, taken back; never shown in full."""

import json
import logging
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from pytest_django import Settings

from audit.models import Alert, AuditEntry, OutboxEvent
from kobatela.accounts.errors import UserNotFound
from kobatela.accounts.models import User
from kobatela.accounts.tests.factories import make_caller, make_staff_caller, make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller, Scope
from kobatela.kernel.errors import InvalidState
from payments import selectors
from payments.errors import DestinationExists, DestinationNotFound
from payments.models import Destination
from payments.services.destinations import (
    add_destination,
    deactivate_destination,
    verify_destination,
)
from payments.tests.accounts import IBANS, make_destination, next_number

pytestmark = pytest.mark.django_db
DAY_S = 24 * 3600


@pytest.fixture
def user() -> User:
    return make_user()


@pytest.fixture
def cooling(settings: Settings) -> None:
    """As in production: a new account is usable after a day."""
    settings.KOBATELA_DESTINATION_COOLING_S = DAY_S


def own(user: User) -> Caller:
    return make_caller(Scope.PROVIDER, user)


def usable(user: User, currency: str = "XOF") -> list[Destination]:
    """What could be paid now, the preferred one first."""
    now = clock.now()
    return [d for d in selectors.destinations_of(user.pk, currency, now) if d.usable_from <= now]


def remove(destination: Destination) -> None:
    deactivate_destination(
        caller=own(User.objects.get(pk=destination.owner_id)),
        user_id=destination.owner_id,
        destination_id=destination.pk,
    )


def test_a_destination_is_stored_whole_and_shown_masked(user: User) -> None:
    destination = make_destination(user, number="+2250701020304", operator="Orange")

    assert selectors.accounts_of([destination.pk]) == {destination.pk: "+2250701020304"}
    assert (destination.masked, destination.operator) == ("****0304", "orange")
    assert destination.holder == user.username
    assert not destination.verified
    assert "0701020304" not in str(destination)


def test_the_full_account_is_not_loaded_unless_it_is_asked_for(user: User) -> None:
    make_destination(user)
    for loaded in (
        selectors.find_destinations(user.pk).get(),
        selectors.destinations_of(user.pk, "EUR", clock.now())[0],
        Destination.objects.get(),
    ):
        assert "account" in loaded.get_deferred_fields()


def test_without_cooling_off_it_is_usable_at_once(user: User) -> None:
    destination = make_destination(user)
    assert usable(user) == [destination]


def test_with_cooling_off_it_is_usable_after_a_day(user: User, cooling: None) -> None:
    start = clock.now()
    with clock.frozen(start):
        destination = make_destination(user)
    with clock.frozen(start + timedelta(seconds=DAY_S - 1)):
        assert usable(user) == []
    with clock.frozen(start + timedelta(seconds=DAY_S)):
        assert usable(user) == [destination]


def test_the_old_account_is_paid_until_the_new_one_is_usable(user: User, cooling: None) -> None:
    start = clock.now()
    with clock.frozen(start):
        old = make_destination(user)
    with clock.frozen(start + timedelta(days=2)):
        new = make_destination(user)
        assert usable(user) == [old]
    with clock.frozen(start + timedelta(days=3, seconds=-1)):
        assert usable(user) == [old]
    with clock.frozen(start + timedelta(days=3)):
        assert usable(user) == [new]
        # A number that was given up may be somebody else's by now.
        remove(new)
        assert usable(user) == []


def test_taking_back_a_new_account_in_time_keeps_the_old_one(user: User, cooling: None) -> None:
    start = clock.now()
    with clock.frozen(start):
        old = make_destination(user)
    with clock.frozen(start + timedelta(days=2)):
        remove(make_destination(user))
    with clock.frozen(start + timedelta(days=9)):
        assert usable(user) == [old]


def test_an_account_replaced_before_it_was_usable_never_is(user: User, cooling: None) -> None:
    start = clock.now()
    with clock.frozen(start):
        old = make_destination(user)
    with clock.frozen(start + timedelta(days=2)):
        mistyped = make_destination(user)
    with clock.frozen(start + timedelta(days=2, hours=12)):
        right = make_destination(user)
    with clock.frozen(start + timedelta(days=3, hours=6)):
        assert usable(user) == [old]
    with clock.frozen(start + timedelta(days=3, hours=12)):
        assert usable(user) == [right]
    mistyped.refresh_from_db()
    assert mistyped.deactivated_at is not None


def test_kinds_and_currencies_have_accounts_of_their_own(user: User) -> None:
    anywhere = make_destination(user)
    bank = make_destination(user, "bank", currency="EUR")
    in_xof = make_destination(user, currency="XOF")

    assert usable(user, "EUR") == [bank, anywhere]
    assert usable(user, "XOF") == [in_xof, anywhere]
    assert usable(user, "GBP") == [anywhere]


def test_the_same_account_again_is_refused_and_changes_nothing(user: User) -> None:
    first = make_destination(user, number="+2250701020304", operator="orange")
    with pytest.raises(DestinationExists):
        make_destination(user, number="+225 0701020304", operator="Orange")
    assert usable(user) == [first]
    assert AuditEntry.objects.filter(action="destination.added").count() == 1
    make_destination(user, number="+2250701020304", operator="wave")


def test_one_current_account_whatever_the_code_does(user: User) -> None:
    destination = make_destination(user)
    copy = Destination.objects.get(pk=destination.pk)
    copy.pk, copy.account = None, next_number()
    with pytest.raises(IntegrityError, match="destination_one_current"), transaction.atomic():
        copy.save(force_insert=True)


def test_a_partner_adds_for_managed_users_and_nobody_for_strangers(user: User) -> None:
    managed = make_user(managed_by=user)
    make_destination(managed, caller=own(user))
    with pytest.raises(UserNotFound):
        make_destination(make_user(), caller=own(user))
    with pytest.raises(UserNotFound):
        make_destination(user, caller=own(managed))
    assert Destination.objects.count() == 1


def test_a_foreign_or_ended_destination_is_not_there(user: User) -> None:
    destination, other = make_destination(user), make_user()
    with pytest.raises(UserNotFound):
        deactivate_destination(caller=own(other), user_id=user.pk, destination_id=destination.pk)
    with pytest.raises(DestinationNotFound):
        deactivate_destination(caller=own(other), user_id=other.pk, destination_id=destination.pk)
    assert usable(user) == [destination]
    remove(destination)
    with pytest.raises(DestinationNotFound):
        remove(destination)


def test_a_change_is_told_to_the_user_and_alerts_staff(user: User) -> None:
    first = make_destination(user)
    assert Alert.objects.get().severity == "info"
    second = make_destination(user)
    remove(second)

    told = OutboxEvent.objects.order_by("pk").values_list("event", "audience")
    assert list(told) == [
        ("destination.added", [user.pk]),
        ("destination.added", [user.pk]),
        ("destination.deactivated", [user.pk]),
    ]
    alert = Alert.objects.get()
    assert (alert.type, alert.severity, alert.subject) == (
        "DESTINATION_CHANGED",
        "warning",
        f"user:{user.pk}",
    )
    assert alert.count == 3
    entries = AuditEntry.objects.filter(stream=f"user:{user.pk}", action__startswith="destination")
    assert [entry.subject for entry in entries.order_by("pk")] == [
        first.reference,
        second.reference,
        second.reference,
    ]


def test_staff_notes_once_that_an_account_is_right(user: User) -> None:
    destination, staff = make_destination(user), make_staff_caller()
    for _ in range(2):
        verify_destination(caller=staff, destination_id=destination.pk)
    destination.refresh_from_db()
    assert (destination.verified, destination.verified_by) == (True, staff.actor)
    assert AuditEntry.objects.filter(action="destination.verified").count() == 1

    with pytest.raises(DestinationNotFound):
        verify_destination(caller=own(user), destination_id=destination.pk)
    remove(destination)
    with pytest.raises(InvalidState):
        verify_destination(caller=staff, destination_id=destination.pk)


def test_no_number_is_in_the_trail_an_alert_or_a_log(
    user: User, caplog: pytest.LogCaptureFixture
) -> None:
    number = next_number()
    with caplog.at_level(logging.DEBUG):
        mobile = make_destination(user, number=number, operator="orange")
        bank = make_destination(user, "bank", iban=IBANS[1])
        remove(mobile)
        with pytest.raises(DestinationExists):
            add_destination(
                caller=own(user), user_id=user.pk, kind="bank", fields={"iban": IBANS[1]}
            )
    verify_destination(caller=make_staff_caller(), destination_id=bank.pk)

    told = [entry.body for entry in AuditEntry.objects.all()]
    told += [event.body for event in OutboxEvent.objects.all()]
    told += [json.dumps(alert.payload) + alert.message for alert in Alert.objects.all()]
    # What the database was asked at DEBUG is the developer's own choice; production logs it not.
    told += [record.getMessage() for record in caplog.records if "django.db" not in record.name]
    for canary in (number[-8:], IBANS[1][-10:]):
        assert not [text for text in told if canary in str(text)]
