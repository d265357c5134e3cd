"""The database keeps the books right, whatever the code does."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, ProgrammingError, connection, connections, transaction
from django.db.utils import DatabaseError

from payments.ledger import selectors
from payments.ledger.chart import escrow_held, user_payable
from payments.ledger.tests.helpers import give, move

TABLES = ["ledger_account", "ledger_balance", "ledger_transfer", "ledger_entry"]


def _run(statement: str, alias: str = "default") -> None:
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        cursor.execute(statement)


@contextmanager
def _without_guards() -> Iterator[None]:
    """The owner with triggers off: the only one who could tamper with the books."""
    _run("ALTER TABLE ledger_balance DROP CONSTRAINT ledger_guarded_not_negative", "owner")
    with connections["owner"].cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
    try:
        yield
    finally:
        with connections["owner"].cursor() as cursor:
            cursor.execute("SET session_replication_role = origin")
        # The tampered rows go first, so that the constraint can come back for the next test.
        with connections["owner"].cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            cursor.execute("UPDATE ledger_balance SET balance_minor = 0")
            cursor.execute("SET session_replication_role = origin")
        _run(
            "ALTER TABLE ledger_balance ADD CONSTRAINT ledger_guarded_not_negative"
            " CHECK (NOT is_guarded OR balance_minor >= 0)",
            "owner",
        )


@pytest.mark.django_db
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM {}",
        "TRUNCATE {} CASCADE",
        "UPDATE {} SET {column} = {column}",
        "INSERT INTO {} SELECT * FROM {}",
    ],
)
def test_the_application_role_cannot_write_the_books(table: str, statement: str) -> None:
    column = {"ledger_balance": "balance_minor", "ledger_entry": "amount_minor"}.get(table, "code")
    give(1, 100)

    with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
        _run(statement.format(table, table, column=column))

    assert selectors.balance_minor(escrow_held(1), "EUR") == 100


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
@pytest.mark.parametrize("table", ["ledger_account", "ledger_transfer", "ledger_entry"])
@pytest.mark.parametrize(
    "statement", ["DELETE FROM {}", "TRUNCATE {} CASCADE", "UPDATE {} SET {column} = {column}"]
)
def test_not_even_the_owner_changes_what_was_booked(table: str, statement: str) -> None:
    give(1, 100)
    column = "amount_minor" if table == "ledger_entry" else "code"

    with pytest.raises(DatabaseError, match="only added to"):
        _run(statement.format(table, column=column), "owner")

    assert selectors.balance_minor(escrow_held(1), "EUR") == 100


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
@pytest.mark.parametrize("entries", [[100, -99], [100], [100, 100]])
def test_entries_that_do_not_sum_to_zero_never_reach_the_commit(entries: list[int]) -> None:
    give(1, 100)
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM ledger_account ORDER BY id")
        accounts = [row[0] for row in cursor.fetchall()]
    values = ", ".join(
        f"((SELECT id FROM made), {account}, {amount})"
        for account, amount in zip(accounts, entries, strict=False)
    )

    with pytest.raises(IntegrityError, match="sum to"):
        _run(
            "WITH made AS (INSERT INTO ledger_transfer (business_key, code, currency, created_at)"
            " VALUES ('forged', 'deposit', 'EUR', now()) RETURNING id)"
            f" INSERT INTO ledger_entry (transfer_id, account_id, amount_minor) VALUES {values}",
            "owner",
        )

    assert selectors.check() == []


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
def test_a_guarded_balance_below_zero_is_refused_for_the_owner_too() -> None:
    give(1, 100)
    with pytest.raises(IntegrityError, match="ledger_guarded_not_negative"):
        _run("UPDATE ledger_balance SET balance_minor = -1 WHERE is_guarded", "owner")


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
def test_the_check_finds_every_kind_of_tampering(capsys: pytest.CaptureFixture[str]) -> None:
    give(1, 100)
    give(2, 5_000, currency="XOF")
    move("release", escrow_held(1), user_payable(7), 40)

    with _without_guards():
        _run(
            "UPDATE ledger_balance SET balance_minor = -5 FROM ledger_account account"
            " WHERE account.id = account_id AND account.code = 'escrow:1:held'",
            "owner",
        )
        found = {(problem.currency, problem.what, problem.subject) for problem in selectors.check()}
        assert found == {
            ("EUR", "a balance is not the sum of its entries", "escrow:1:held"),
            ("EUR", "a guarded balance is negative", "escrow:1:held"),
        }
        _run(
            "UPDATE ledger_entry SET amount_minor = amount_minor + 1 WHERE amount_minor = 40",
            "owner",
        )
        found = {(problem.currency, problem.what, problem.subject) for problem in selectors.check()}
        assert ("EUR", "the entries of a transfer do not sum to zero") in {
            (currency, what) for currency, what, _ in found
        }
        with pytest.raises(CommandError):
            call_command("ledger_check")
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].startswith("EUR WRONG: 3 accounts, 2 transfers, 4 entries; 3 problems: ")
        assert lines[1].startswith("XOF ok: 2 accounts, 1 transfers, 2 entries; ")


@pytest.mark.django_db
def test_the_check_says_so_in_one_line_per_currency(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("ledger_check")
    assert capsys.readouterr().out == "ok: nothing is booked yet\n"

    give(1, 100)
    give(2, 5_000, currency="XOF")
    call_command("ledger_check")
    lines = capsys.readouterr().out.splitlines()
    assert [line[:6] for line in lines] == ["EUR ok", "XOF ok"]
