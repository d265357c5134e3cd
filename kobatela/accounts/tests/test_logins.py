"""Staff logins: audited, throttled, for staff only."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import authenticate
from django.test import Client

from audit.selectors import entries
from audit.tests.together import run_together
from kobatela.accounts.models import User
from kobatela.accounts.services.logins import sign_in
from kobatela.accounts.tests.factories import make_staff
from kobatela.kernel import clock

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def still_clock() -> Iterator[None]:
    """Time stands still."""
    with clock.frozen(AT):
        yield


def _login(client: Client, username: str, password: str, address: str = "203.0.113.7") -> bool:
    answer = client.post(
        "/admin/login/",
        {"username": username, "password": password, "next": "/admin/"},
        REMOTE_ADDR=address,
    )
    return answer.status_code == 302


@pytest.mark.django_db
def test_a_login_is_in_the_trail() -> None:
    user = make_staff("support")

    assert _login(Client(), user.username, "password")

    entry = entries(action="staff.logged_in").get()
    assert (entry.actor, entry.subject) == (f"staff:{user.pk}", f"user:{user.pk}")


@pytest.mark.django_db
def test_a_refused_login_is_in_the_trail_without_name_or_address() -> None:
    user = make_staff("support")

    assert not _login(Client(), user.username, "wrong")

    entry = entries(action="staff.login_refused").get()
    whole = f"{entry.actor} {entry.subject} {entry.body}"
    assert user.username not in whole
    assert "203.0.113" not in whole
    assert not entries(action="staff.logged_in").exists()


@pytest.mark.django_db
def test_parties_and_former_staff_do_not_sign_in() -> None:
    party = User.objects.create_user("party", "party@example.org", "password")
    former = make_staff("admin")
    User.objects.filter(pk=former.pk).update(is_active=False)

    assert not _login(Client(), party.username, "password")
    assert not _login(Client(), former.username, "password")


@pytest.mark.django_db
def test_a_deactivated_users_session_ends_at_once() -> None:
    user = make_staff("support")
    client = Client()
    _login(client, user.username, "password")
    assert client.get("/admin/audit/alert/").status_code == 200

    User.objects.filter(pk=user.pk).update(is_active=False)

    assert client.get("/admin/audit/alert/").status_code == 302


@pytest.mark.django_db
def test_ten_wrong_passwords_stop_even_the_right_one_for_fifteen_minutes() -> None:
    user = make_staff("support")
    client = Client()
    for _ in range(9):
        _login(client, user.username, "wrong")
    assert _login(client, user.username, "password")
    _login(client, user.username, "wrong")

    assert not _login(client, user.username, "password")
    told = client.post(
        "/admin/login/",
        {"username": user.username, "password": "password"},
        REMOTE_ADDR="203.0.113.7",
    )
    assert "is not looked at before 12:16 UTC" in told.content.decode()
    # Another address is another guesser: nobody can lock a member of staff out from afar.
    assert _login(client, user.username, "password", address="198.51.100.1")

    clock.advance(timedelta(minutes=15, seconds=1))
    assert _login(client, user.username, "password")


@pytest.mark.django_db
def test_a_forged_forwarding_header_is_no_new_address() -> None:
    user = make_staff("support")
    client = Client()
    for number in range(10):
        client.post(
            "/admin/login/",
            {"username": user.username, "password": "wrong"},
            headers={"X-Forwarded-For": f"10.0.0.{number}"},
        )

    assert not _login(client, user.username, "password", address="127.0.0.1")


@pytest.mark.django_db
def test_an_empty_form_is_no_try() -> None:
    assert authenticate(None, username="", password="x") is None
    assert authenticate(None, username="x", password=None) is None

    assert not entries().exists()


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_of_many_guesses_at_once_ten_are_looked_at() -> None:
    looked_at: list[int] = []

    def guess() -> object:
        return sign_in(username="admin", address="203.0.113.7", check=lambda: looked_at.append(1))

    results = run_together([guess] * 16)

    assert results == [None] * 16
    assert len(looked_at) == 10
    assert entries(action="staff.login_refused").count() == 10
