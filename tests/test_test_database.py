"""The ground that all tests stand on: the roles, the cleaning, the doorbells."""

import psycopg
import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.db import ProgrammingError, connection, connections, transaction

import conftest
from audit.tasks import watch_jobs


def _owner() -> "psycopg.Connection[tuple[object, ...]]":
    return conftest._owner_connection(settings.TEST_DATABASE)


@pytest.mark.django_db
def test_tests_talk_to_their_own_database_as_the_application() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, current_database()")
        assert cursor.fetchone() == ("kobatela_app", settings.TEST_DATABASE)
    assert connections["owner"].settings_dict["USER"] == "kobatela_owner"
    assert {each["NAME"] for each in connections.settings.values()} == {settings.TEST_DATABASE}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE shed (id int)",
        "DROP TABLE accounts_user",
        "TRUNCATE accounts_user",
        "ALTER TABLE audit_auditentry DISABLE TRIGGER USER",
        "UPDATE audit_auditentry SET actor = 'nobody'",
        "DELETE FROM audit_auditentry",
        "TRUNCATE audit_auditentry",
    ],
)
def test_the_application_changes_neither_structure_nor_history(statement: str) -> None:
    with (
        pytest.raises(ProgrammingError, match=r"permission denied|must be owner"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


@pytest.mark.django_db(transaction=True)
def test_cleaning_takes_what_tests_left_and_puts_back_what_migrations_made() -> None:
    made = set(Group.objects.values_list("name", flat=True))
    assert made == {"admin", "support"}
    Group.objects.filter(name="admin").delete()
    Group.objects.create(name="left over")
    conftest.restore_database()
    assert set(Group.objects.values_list("name", flat=True)) == made


@pytest.mark.django_db(transaction=True)
def test_after_cleaning_history_is_guarded_again_even_from_its_owner() -> None:
    conftest.restore_database()
    with (
        _owner() as owner,
        pytest.raises(psycopg.DatabaseError, match="TRUNCATE on audit_auditentry is refused"),
    ):
        owner.execute("TRUNCATE audit_auditentry CASCADE")


def test_tasks_are_listed_and_not_sent(doorbells: conftest.Doorbells) -> None:
    watch_jobs.delay()
    assert doorbells.rung == [("audit.tasks.watch_jobs", ())]
    assert doorbells.for_task("audit.tasks.purge_idempotency") == []


def test_counts_follow_the_scale_of_the_run(scaled: conftest.Scaled) -> None:
    assert scaled(ci=2, soak=200) == (200 if conftest.SCALE == "soak" else 2)
