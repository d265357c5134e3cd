"""Batches: collected, approved by two people, released as a file, cancelled."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from audit.models import Alert, AuditEntry
from audit.services.switches import SwitchName, set_switch
from kobatela.accounts.errors import ApprovalNeedsUser
from kobatela.accounts.models import Approval, User
from kobatela.accounts.services.callers import staff_caller
from kobatela.accounts.tests.factories import make_caller, make_staff, make_staff_caller, make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.kernel.errors import InvalidState
from payments.batches import visible_batches
from payments.errors import (
    BatchFileChanged,
    BatchNotFound,
    NothingToCollect,
    NothingToExport,
    OwnBatchForbidden,
    PayoutsPaused,
)
from payments.models import Attempt, Batch, BatchLine, Destination, Payment
from payments.services.batch_files import BatchFile, release_file
from payments.services.batches import approve_batch, cancel_batch, collect_batch
from payments.services.destinations import deactivate_destination
from payments.services.holds import hold_payment, lift_hold
from payments.services.payouts import execute_payment
from payments.services.sending import send_payment
from payments.services.statements import import_statement
from payments.services.sweeps import sweep
from payments.tests.accounts import IBANS, make_destination
from payments.tests.batches import (
    lines,
    make_batch,
    make_waiting,
    payee_of,
    read_file,
    statement_of,
    tell_outcomes,
)
from payments.tests.books import assert_in_order, at_psp, payable
from payments.tests.factories import funded_escrow, make_payout, make_refund
from payments.tests.stub_psp import StubPsp

pytestmark = pytest.mark.django_db


def collect(currency: str = "XOF", kind: str = "mobile_money") -> Batch:
    return collect_batch(caller=make_staff_caller(), currency=currency, kind=kind)


def approve(batch: Batch, person: User | None = None) -> int:
    """How many have approved after somebody did."""
    caller = staff_caller(person or make_staff())
    return approve_batch(caller=caller, batch_id=batch.pk).approvals.given


def approved(batch: Batch) -> Batch:
    """The batch after two people have agreed."""
    approve(batch)
    approve(batch)
    return batch


def release(batch: Batch) -> BatchFile:
    released = release_file(caller=make_staff_caller(), batch_id=batch.pk)
    batch.refresh_from_db()
    return released


def cancel(batch: Batch) -> Batch:
    return cancel_batch(caller=make_staff_caller(), batch_id=batch.pk, note="wrong day")


def take_back(destination: Destination) -> None:
    deactivate_destination(
        caller=make_caller(Scope.PROVIDER, destination.user),
        user_id=destination.owner_id,
        destination_id=destination.pk,
    )


def stand(payment: Payment) -> tuple[str, str]:
    """Status and reason of a payment."""
    payment.refresh_from_db()
    return payment.status, payment.reason


def test_a_batch_takes_what_fits_it_oldest_first(psp: StubPsp) -> None:
    first = make_waiting(5_000)
    make_waiting(5_000, currency="XAF")
    make_waiting(5_000, kind="bank")
    second = make_waiting(7_000)
    hold_payment(payment_id=make_waiting().pk, caller=make_staff_caller())

    batch = collect()

    assert [line.payment_id for line in lines(batch)] == [first.pk, second.pk]
    assert (batch.status, batch.line_count, batch.total_minor) == ("DRAFT", 2, 12_000)
    assert stand(first) == ("PENDING", "FOUR_EYES")
    assert payable(first) == 5_000
    entry = AuditEntry.objects.get(action="batch.collected")
    assert entry.subject == batch.reference
    assert collect(kind="bank").line_count == 1
    assert collect("XAF").line_count == 1
    assert_in_order()


def test_refunds_go_into_batches_too(psp: StubPsp) -> None:
    client = make_user()
    make_destination(client, "bank")
    refund = make_refund("psp:manual", client=client)
    batch = collect("EUR", "bank")
    assert [line.payment_id for line in lines(batch)] == [refund.pk]


def test_who_has_accounts_of_both_kinds_is_paid_to_the_newer_one(psp: StubPsp) -> None:
    payment = make_waiting()
    make_destination(payment.payee, "bank")
    with pytest.raises(NothingToCollect):
        collect()
    assert lines(collect(kind="bank"))[0].payment_id == payment.pk


def test_nothing_to_collect_makes_no_batch(psp: StubPsp) -> None:
    make_waiting(currency="XAF")
    with pytest.raises(NothingToCollect):
        collect()
    assert not Batch.objects.exists()


def test_a_payment_is_in_one_batch_at_a_time(psp: StubPsp) -> None:
    batch = make_batch()
    with pytest.raises(NothingToCollect):
        collect()
    cancel(batch)
    again = collect()
    assert [line.payment_id for line in lines(again)] == [line.payment_id for line in lines(batch)]


def test_a_batch_has_a_bounded_number_of_lines(
    psp: StubPsp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("payments.services.batches.LINES_AT_MOST", 2)
    for _ in range(3):
        make_waiting()
    assert [collect().line_count, collect().line_count] == [2, 1]


def test_neither_a_worker_nor_a_retry_touches_what_is_in_a_batch(psp: StubPsp) -> None:
    batch = make_batch()
    payment = lines(batch)[0].payment
    take_back(lines(batch)[0].destination)

    sweep()
    execute_payment(payment_id=payment.pk, caller=make_staff_caller())
    send_payment(payment_id=payment.pk)

    assert stand(payment) == ("PENDING", "FOUR_EYES")
    assert psp.sent == []


def test_two_different_people_approve_whatever_the_amount(psp: StubPsp) -> None:
    batch = make_batch(amounts=[1])
    person = make_staff()

    assert approve(batch, person) == 1
    assert approve(batch, person) == 1
    batch.refresh_from_db()
    assert batch.status == "DRAFT"
    with pytest.raises(InvalidState):
        release(batch)

    assert approve(batch) == 2
    batch.refresh_from_db()
    assert (batch.status, stand(lines(batch)[0].payment)) == ("APPROVED", ("PENDING", ""))
    assert approve(batch, person) == 2
    assert AuditEntry.objects.filter(action="batch.approved").count() == 1
    trail = AuditEntry.objects.filter(stream=batch.reference).order_by("pk")
    assert [entry.action for entry in trail] == [
        "batch.collected",
        "approval.given",
        "approval.granted",
        "batch.approved",
    ]


def test_a_key_that_belongs_to_nobody_cannot_approve(psp: StubPsp) -> None:
    batch = make_batch()
    with pytest.raises(ApprovalNeedsUser):
        approve_batch(caller=make_caller(Scope.SUPPORT), batch_id=batch.pk)
    assert not Approval.objects.exists()


def test_nobody_with_a_stake_approves_a_batch_or_tells_how_it_ended(psp: StubPsp) -> None:
    manager = make_user()
    provider = make_user(managed_by=manager)
    make_destination(provider)
    payment = make_payout(funded_escrow(5_000, "XOF", provider=provider), 5_000)
    batch = make_batch()
    assert batch.line_count == 3

    for user in (provider, manager, make_user(managed_by=manager), payment.payer):
        support = make_caller(Scope.SUPPORT, user)
        with pytest.raises(OwnBatchForbidden):
            approve_batch(caller=support, batch_id=batch.pk)
    assert not Approval.objects.exists()

    release(approved(batch))
    with pytest.raises(OwnBatchForbidden):
        import_statement(
            caller=make_caller(Scope.SUPPORT, provider),
            batch_id=batch.pk,
            content=statement_of(batch, "failed"),
        )
    assert {line.status for line in lines(batch)} == {"OPEN"}


@pytest.mark.parametrize("scope", [Scope.SENDER, Scope.PROVIDER])
def test_parties_do_not_know_of_batches(psp: StubPsp, scope: Scope) -> None:
    batch = make_batch()
    party = make_caller(scope, payee_of(lines(batch)[0]))
    admin_for_party = make_caller(Scope.ADMIN, make_user(), on_behalf_of=party.user_id)
    for caller in (party, admin_for_party):
        assert not visible_batches(caller).exists()
        for command in (
            lambda who: approve_batch(caller=who, batch_id=batch.pk),
            lambda who: cancel_batch(caller=who, batch_id=batch.pk, note="no"),
            lambda who: release_file(caller=who, batch_id=batch.pk),
        ):
            with pytest.raises(BatchNotFound):
                command(caller)


def test_cancelling_withdraws_what_one_person_approved(psp: StubPsp) -> None:
    batch = make_batch()
    approve(batch)

    cancel(batch)
    cancel(batch)

    batch.refresh_from_db()
    assert (batch.status, batch.note) == ("CANCELLED", "wrong day")
    assert Approval.objects.get().status == "WITHDRAWN"
    assert {line.status for line in lines(batch)} == {"DROPPED"}
    assert stand(lines(batch)[0].payment) == ("PENDING", "")
    assert AuditEntry.objects.filter(action="batch.cancelled").count() == 1
    with pytest.raises(InvalidState):
        approve(batch)
    with pytest.raises(InvalidState):
        release(batch)


def test_an_approved_batch_can_be_cancelled_and_a_released_one_not(psp: StubPsp) -> None:
    approved = make_batch("APPROVED")
    cancel(approved)
    released = make_batch("EXPORTED")
    with pytest.raises(InvalidState):
        cancel(released)
    assert {line.status for line in lines(released)} == {"OPEN"}


def test_the_first_release_sends_the_payments_under_their_lines(psp: StubPsp) -> None:
    batch = make_batch("APPROVED")
    before = lines(batch)
    assert payable(before[0].payment) == 5_000

    released = release(batch)

    assert (batch.status, batch.file_sha256) == ("EXPORTED", released.sha256)
    for line in lines(batch):
        payment = line.payment
        assert (payment.status, payment.reason, payment.lease_until) == ("SENT", "", None)
        assert payment.psp_key == payment.psp_ref == line.code
        assert payment.destination == line.destination.reference
        attempt = Attempt.objects.get(payment=payment)
        assert (attempt.pk, attempt.psp, attempt.psp_key) == (line.attempt_id, "manual", line.code)
        assert payable(payment) == 0
    entry = AuditEntry.objects.get(action="batch.exported")
    assert released.sha256 in str(entry.body)
    assert at_psp("XOF", "manual") == 0
    assert_in_order()


def test_the_file_names_each_account_once_and_nothing_else_does(psp: StubPsp) -> None:
    provider = make_user()
    make_destination(provider, number="+2250701020304", operator="Orange", holder="Awa Koné")
    payment = make_payout(funded_escrow(5_000, "XOF", provider=provider), 5_000)
    batch = approved(collect())

    released = release(batch)

    (line,) = lines(batch)
    assert (
        released.content
        == (
            "line,kind,operator,account,bank_code,name,amount,currency\r\n"
            f"{line.code},mobile_money,orange,2250701020304,,Awa Koné,5000,XOF\r\n"
        ).encode()
    )
    stored = [*Payment.objects.values_list(), *Attempt.objects.values_list(), released]
    assert "0701020304" not in str(stored)
    assert line.payment_id == payment.pk


def test_bank_accounts_are_written_with_their_banks(psp: StubPsp) -> None:
    for fields in ({"iban": IBANS[3]}, {"account_number": "0123456789", "bank_code": "CI008"}):
        provider = make_user()
        make_destination(provider, "bank", **fields)
        make_payout(funded_escrow(5_000, "XOF", provider=provider), 5_000)
    batch = approved(collect(kind="bank"))

    rows = read_file(release(batch).content)

    assert [(row["account"], row["bank_code"]) for row in rows] == [
        (IBANS[3], ""),
        ("0123456789", "CI008"),
    ]


def test_every_copy_of_the_file_is_the_same_and_audited(psp: StubPsp) -> None:
    batch = make_batch("EXPORTED")
    payee = payee_of(lines(batch)[0])
    User.objects.filter(pk=payee.pk).update(username="renamed")
    make_destination(payee)

    copies = {release(batch).content for _ in range(2)}

    assert len(copies) == 1
    assert release(batch).sha256 == batch.file_sha256
    assert AuditEntry.objects.filter(action="batch.exported").count() == 1
    assert AuditEntry.objects.filter(action="batch_file.read").count() == 3
    assert Attempt.objects.count() == 2


def test_a_file_that_would_differ_is_not_handed_out(psp: StubPsp) -> None:
    batch = make_batch("EXPORTED")
    Destination.objects.filter(pk=lines(batch)[0].destination_id).update(account="+2250000000000")

    with pytest.raises(BatchFileChanged):
        release(batch)

    alert = Alert.objects.get(type="BATCH_FILE_CHANGED")
    assert (alert.subject, alert.severity) == (batch.reference, "critical")
    assert not AuditEntry.objects.filter(action="batch_file.read").exists()


def test_what_may_not_be_sent_any_more_is_left_out(psp: StubPsp) -> None:
    batch = make_batch("APPROVED", amounts=[1_000, 2_000, 3_000])
    held, moved, sent = lines(batch)
    hold_payment(payment_id=held.payment_id, caller=make_staff_caller())
    take_back(moved.destination)

    rows = read_file(release(batch).content)

    assert [row["line"] for row in rows] == [sent.code]
    assert [line.status for line in lines(batch)] == ["DROPPED", "DROPPED", "OPEN"]
    assert (batch.line_count, batch.total_minor) == (1, 3_000)
    assert stand(held.payment) == ("PENDING", "ON_HOLD")
    assert stand(moved.payment) == ("PENDING", "")
    assert_in_order()

    # They go on as if they had never been in a batch.
    lift_hold(payment_id=held.payment_id, caller=make_staff_caller())
    make_destination(payee_of(moved))
    assert [line.payment_id for line in lines(collect())] == [held.payment_id, moved.payment_id]


def test_a_batch_of_which_nothing_is_left_is_not_released(psp: StubPsp) -> None:
    batch = make_batch("APPROVED")
    for line in lines(batch):
        take_back(line.destination)
    with pytest.raises(NothingToExport):
        release(batch)
    batch.refresh_from_db()
    assert batch.status == "APPROVED"
    assert {line.status for line in lines(batch)} == {"OPEN"}


def test_paused_payouts_are_not_released(psp: StubPsp) -> None:
    batch = make_batch("APPROVED")
    set_switch(name=SwitchName.PAYOUTS_PAUSED, is_on=True, reason="a drill", actor="staff:1")
    with pytest.raises(PayoutsPaused):
        release(batch)
    assert stand(lines(batch)[0].payment) == ("PENDING", "")


def test_sent_payments_of_people_are_not_looked_up_and_not_unknown(psp: StubPsp) -> None:
    batch = make_batch("EXPORTED")
    with clock.frozen(clock.now() + timedelta(hours=2)):
        done = sweep()
    assert (done["looked_up"], done["unknown"], done["overdue"]) == (0, 0, 0)
    assert psp.looked_up == []
    assert stand(lines(batch)[0].payment)[0] == "SENT"


def test_a_batch_of_which_nobody_reports_is_shown_to_staff(psp: StubPsp) -> None:
    batch = make_batch("IMPORTED")
    with clock.frozen(clock.now() + timedelta(days=2, hours=23)):
        assert sweep()["overdue"] == 0
    with clock.frozen(clock.now() + timedelta(days=3, minutes=1)):
        assert sweep()["overdue"] == 1
    assert Alert.objects.get(type="BATCH_OVERDUE").subject == batch.reference

    tell_outcomes(batch, "settled", "failed")
    with clock.frozen(clock.now() + timedelta(days=9)):
        assert sweep()["overdue"] == 0


def test_a_payment_is_in_one_live_batch_whatever_the_code_does(psp: StubPsp) -> None:
    (line, other) = lines(make_batch())
    copy = BatchLine.objects.get(pk=line.pk)
    copy.pk, copy.number, copy.code = None, 9, "KB9-9-ABCDEF"
    with pytest.raises(IntegrityError, match="batch_line_one_live"), transaction.atomic():
        copy.save(force_insert=True)
    other.status = "SETTLED"
    with pytest.raises(IntegrityError, match="batch_line_ended_was_sent"), transaction.atomic():
        other.save()
