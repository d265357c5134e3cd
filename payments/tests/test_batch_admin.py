"""Batches and destinations in the console."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from audit.models import AuditEntry
from kobatela.accounts.tests.factories import make_user
from payments.models import Batch, Destination
from payments.tests.accounts import make_destination
from payments.tests.batches import lines, make_batch, make_waiting, read_file, statement_of
from payments.tests.books import assert_in_order
from payments.tests.test_chargeback_admin import shown, signed_in

pytestmark = [pytest.mark.console, pytest.mark.django_db]


def press(client: Client, command: str, *arguments: object, **data: Any) -> str:
    """Send a command's form; the text of the page that follows."""
    path = reverse(f"admin:payments_batch_{command}", args=arguments)
    response = client.post(path, data, follow=True)
    assert response.status_code == 200
    return str(response.content.decode())


def get_file(client: Client, batch: Batch) -> Any:
    return client.get(reverse("admin:payments_batch_file", args=[batch.pk]))


def told(batch: Batch, *outcomes: str) -> SimpleUploadedFile:
    return SimpleUploadedFile("statement.csv", statement_of(batch, *outcomes))


def test_a_batch_of_mobile_money_is_paid_in_the_console_from_waiting_to_settled() -> None:
    payments = [make_waiting(amount_minor) for amount_minor in (5_000, 7_000)]
    first, second = signed_in(), signed_in("admin")

    text = press(first, "collect", currency="XOF", kind="mobile_money")
    batch = Batch.objects.get()
    assert "Payments: 2, 12000 XOF in all" in text
    assert "It is noted. Another person must approve it too." in press(first, "approve", batch.pk)
    assert "It is noted." in press(first, "approve", batch.pk)
    assert "1 of 2" in shown(second, "payments_batch_change", batch.pk)
    assert "Two people must approve it first." in press(first, "release", batch.pk)
    assert {payment.status for payment in now(payments)} == {"PENDING"}

    assert "its file can be released" in press(second, "approve", batch.pk)
    assert "payments are in transit" in press(first, "release", batch.pk)
    file = get_file(first, batch)
    assert file["Content-Disposition"] == f'attachment; filename="kobatela-batch-{batch.pk}.csv"'
    rows = read_file(file.content)
    assert [row["amount"] for row in rows] == ["5000", "7000"]
    assert {payment.status for payment in now(payments)} == {"SENT"}

    text = press(first, "statement", batch.pk, file=told(batch, "settled", "failed"))

    assert "1 settled, 1 failed, 0 returned, 0 unchanged" in text
    assert [payment.status for payment in now(payments)] == ["SETTLED", "ERROR"]
    batch.refresh_from_db()
    assert batch.status == "CLOSED"
    page = shown(second, "payments_batch_change", batch.pk)
    for line, row in zip(lines(batch), rows, strict=True):
        assert line.code in page
        assert line.destination.masked in page
        assert row["account"] not in page
    assert_in_order()


def now(payments: list[Any]) -> list[Any]:
    for payment in payments:
        payment.refresh_from_db()
    return payments


def test_looking_for_a_file_releases_none_and_each_copy_is_in_the_trail() -> None:
    batch, client = make_batch("APPROVED"), signed_in()

    assert get_file(client, batch).status_code == 404
    batch.refresh_from_db()
    assert batch.status == "APPROVED"

    press(client, "release", batch.pk)
    copies = [get_file(client, batch).content for _ in range(2)]
    assert copies[0] == copies[1]
    assert AuditEntry.objects.filter(action="batch.exported").count() == 1
    assert AuditEntry.objects.filter(action="batch_file.read").count() == 2


def test_what_is_wrong_with_a_statement_is_said_and_changes_nothing() -> None:
    batch, client = make_batch("EXPORTED"), signed_in()

    unreadable = SimpleUploadedFile("statement.csv", b"who knows")
    assert "STATEMENT_INVALID" in press(client, "statement", batch.pk, file=unreadable)
    content = statement_of(batch, "settled").replace(b"5000", b"4999")
    text = press(client, "statement", batch.pk, file=SimpleUploadedFile("statement.csv", content))

    assert "rows not taken: 1" in text
    assert f"2: AMOUNT_DIFFERS {lines(batch)[0].code}" in text
    assert {line.status for line in lines(batch)} == {"OPEN"}
    batch.refresh_from_db()
    assert batch.status == "EXPORTED"


def test_a_batch_is_cancelled_with_a_note_until_its_file_is_out() -> None:
    batch, client = make_batch("APPROVED"), signed_in()
    press(client, "cancel", batch.pk)
    batch.refresh_from_db()
    assert batch.status == "APPROVED"

    assert "wait for another batch" in press(client, "cancel", batch.pk, note="Wrong day.")

    batch.refresh_from_db()
    assert (batch.status, batch.note) == ("CANCELLED", "Wrong day.")
    out = make_batch("EXPORTED")
    assert "It is EXPORTED." in press(client, "cancel", out.pk, note="Too late.")
    out.refresh_from_db()
    assert out.status == "EXPORTED"


def test_with_nothing_to_collect_the_form_says_so() -> None:
    text = press(signed_in(), "collect", currency="XOF", kind="bank")
    assert "NOTHING_TO_COLLECT" in text
    assert not Batch.objects.exists()


def test_batches_are_found_by_state_and_by_what_a_bank_names() -> None:
    draft, out = make_batch(), make_batch("EXPORTED")
    client = signed_in()
    name = "payments_batch_changelist"
    for query, found in (
        ("?status__in=DRAFT,APPROVED", draft),
        (f"?q={lines(out)[1].code}", out),
        (f"?q={out.file_sha256}", out),
    ):
        text = shown(client, name, query=query)
        for batch in (draft, out):
            link = reverse("admin:payments_batch_change", args=[batch.pk])
            assert (link in text) == (batch == found), query


def test_the_desk_counts_the_batches_that_wait_for_people() -> None:
    make_batch()
    assert "Batches to pay" in shown(signed_in(), "index")


def test_staff_sees_accounts_masked_and_notes_whose_they_are() -> None:
    user, client = make_user(), signed_in()
    destination = make_destination(user)
    account = Destination.objects.values_list("account", flat=True).get(pk=destination.pk)
    pages = [
        shown(client, "payments_destination_changelist", query=f"?q={user.username}"),
        shown(client, "payments_destination_change", destination.pk),
    ]
    for text in pages:
        assert destination.masked in text
        assert account not in text

    path = reverse("admin:payments_destination_verify", args=[destination.pk])
    text = client.post(path, follow=True).content.decode()
    assert "It is noted that the account is theirs." in text
    destination.refresh_from_db()
    assert destination.verified
    assert "It was noted before." in client.post(path, follow=True).content.decode()
