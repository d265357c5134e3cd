"""A statement settles, fails or returns each line; what does not fit changes nothing."""

from itertools import product

import pytest

from audit.models import Alert, AuditEntry
from kobatela.accounts.tests.factories import make_caller, make_staff_caller
from kobatela.kernel.caller import Scope
from kobatela.kernel.errors import InvalidState
from payments.errors import BatchNotFound, StatementInvalid
from payments.models import (
    Batch,
    BatchLine,
    BatchLineStatus,
    BatchStatement,
    BatchStatus,
    Payment,
)
from payments.services import statements
from payments.services.batch_files import release_file
from payments.services.batches import approve_batch, collect_batch
from payments.services.payouts import execute_payment
from payments.services.statements import import_statement
from payments.tests.batches import (
    TODAY,
    lines,
    make_batch,
    statement,
    statement_of,
    take,
    tell_outcomes,
)
from payments.tests.books import assert_in_order, at_psp, payable
from payments.tests.stub_psp import StubPsp

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch(psp: StubPsp) -> Batch:
    """A batch of 5,000 and 7,000 XOF whose file is out."""
    return make_batch("EXPORTED")


def statuses(batch: Batch) -> list[tuple[str, str]]:
    """Of each line and its payment."""
    return [(line.status, line.payment.status) for line in lines(batch)]


def trail(batch: Batch) -> list[str]:
    """What happened to the batch since its file went out."""
    entries = AuditEntry.objects.filter(stream=batch.reference).order_by("pk")
    actions = [entry.action for entry in entries]
    return actions[actions.index("batch.exported") + 1 :]


def mismatches() -> list[Alert]:
    return list(Alert.objects.filter(type="RECONCILIATION_MISMATCH"))


def everything() -> list[object]:
    """All that a statement could change."""
    tables = (Payment, Batch, BatchLine, BatchStatement, AuditEntry, Alert)
    return [list(table.objects.order_by("pk").values_list()) for table in tables]


def test_lines_settle_and_fail_one_by_one(batch: Batch) -> None:
    settled, failed = lines(batch)

    result = tell_outcomes(batch, "settled", "failed")

    assert (result.settled, result.failed, result.problems) == (1, 1, [])
    assert statuses(batch) == [("SETTLED", "SETTLED"), ("FAILED", "ERROR")]
    assert (payable(settled.payment), payable(failed.payment)) == (0, 7_000)
    assert at_psp("XOF", "manual") == -5_000
    settled.refresh_from_db()
    assert (settled.bank_reference, str(settled.reported_on)) == ("TX-1", TODAY)
    assert batch.status == "CLOSED"
    assert trail(batch) == ["batch.imported", "batch.closed", "batch.statement_taken"]
    assert mismatches() == []
    assert_in_order()


def test_a_batch_takes_its_statements_in_parts(batch: Batch) -> None:
    first, second = lines(batch)
    tell_outcomes(batch, "settled")
    assert (batch.status, batch.closed_at) == ("IMPORTED", None)
    assert statuses(batch)[1] == ("OPEN", "SENT")

    take(batch, statement((second.code, "settled", "7000", "TX-9", TODAY)))

    assert batch.status == "CLOSED"
    assert statuses(batch) == [("SETTLED", "SETTLED")] * 2
    assert BatchStatement.objects.count() == 2
    assert first.code != second.code


def test_the_same_statement_again_changes_nothing_at_all(batch: Batch) -> None:
    content = statement_of(batch, "settled", "failed") + b"KB0-1-NOBODY,settled,1,x,2026-01-31\n"
    take(batch, content)
    before = everything()

    again = take(batch, content)

    assert everything() == before
    assert (again.settled, again.failed, again.unchanged) == (0, 0, 2)
    assert [problem.code for problem in again.problems] == ["UNKNOWN_LINE"]


def test_a_line_that_is_told_again_in_another_file_is_unchanged(batch: Batch) -> None:
    tell_outcomes(batch, "settled")
    result = tell_outcomes(batch, "settled", "settled")
    assert (result.settled, result.unchanged, result.problems) == (1, 1, [])
    assert at_psp("XOF", "manual") == -12_000
    assert_in_order()


@pytest.mark.parametrize("first", ["settled", None])
def test_money_that_comes_back_is_the_payees_again_and_waits_for_a_person(
    batch: Batch, first: str | None
) -> None:
    if first:
        tell_outcomes(batch, "settled", "settled")
    result = tell_outcomes(batch, "returned")

    line = lines(batch)[0]
    assert (result.returned, line.status, line.payment.status) == (1, "RETURNED", "REFUNDED")
    successor = Payment.objects.get(business_key=f"{line.payment.reference}:again")
    assert (successor.status, successor.hold_reason, successor.psp) == (
        "PENDING",
        "returned",
        "manual",
    )
    assert payable(line.payment) == 5_000
    # That it had arrived is no news by then.
    late = take(batch, statement((line.code, "settled", "5000", "TX-1", TODAY)))
    assert (late.unchanged, late.problems) == (1, [])
    assert_in_order()


def test_a_failed_payment_goes_into_another_batch_under_another_line(batch: Batch) -> None:
    tell_outcomes(batch, "failed", "settled")
    (failed, _) = lines(batch)
    execute_payment(payment_id=failed.payment_id, caller=make_staff_caller())

    again = collect_batch(caller=make_staff_caller(), currency="XOF", kind="mobile_money")
    for _ in range(2):
        approve_batch(caller=make_staff_caller(), batch_id=again.pk)
    release_file(caller=make_staff_caller(), batch_id=again.pk)
    tell_outcomes(again, "settled")

    (line,) = lines(again)
    assert line.payment_id == failed.payment_id
    assert line.code != failed.code
    assert (line.payment.status, line.payment.attempt, line.payment.psp_ref) == (
        "SETTLED",
        2,
        line.code,
    )
    assert_in_order()


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (("KB0-0-000000", "settled", "5000", "TX", TODAY), "UNKNOWN_LINE"),
        (("", "settled", "5000", "TX", TODAY), "UNKNOWN_LINE"),
        (("{code}", "settled", "5001", "TX", TODAY), "AMOUNT_DIFFERS"),
        (("{code}", "failed", "0", "TX", TODAY), "AMOUNT_DIFFERS"),
        (("{code}", "settled", "-5000", "TX", TODAY), "AMOUNT_DIFFERS"),
        (("{code}", "perhaps", "5000", "TX", TODAY), "OUTCOME_UNKNOWN"),
    ],
)
def test_a_row_that_does_not_fit_changes_nothing_and_is_told(
    batch: Batch, row: tuple[str, ...], code: str
) -> None:
    line = lines(batch)[0]
    filled = [cell.format(code=line.code) for cell in row]

    result = take(batch, statement(filled))

    assert [(problem.row, problem.code) for problem in result.problems] == [(2, code)]
    assert statuses(batch) == [("OPEN", "SENT")] * 2
    assert batch.status == "EXPORTED"
    (alert,) = mismatches()
    assert (alert.subject, alert.payload["codes"]) == (batch.reference, {code: 1})
    assert_in_order()


def test_rows_that_fit_count_beside_rows_that_do_not(batch: Batch) -> None:
    content = statement_of(batch, "settled") + b"KB0-1-NOBODY,settled,1,x,2026-01-31\nbroken\n"
    result = take(batch, content)
    assert (result.settled, [problem.row for problem in result.problems]) == (1, [3, 4])
    stored = BatchStatement.objects.get()
    assert (stored.settled, stored.problems[0]) == (
        1,
        {"row": 3, "code": "UNKNOWN_LINE", "line": ""},
    )


def test_no_word_of_a_row_that_was_not_understood_is_kept(batch: Batch) -> None:
    take(batch, statement(("Awa +2250701020304", "settled", "5000", "Awa", TODAY)))
    assert "0701020304" not in str(everything())
    assert "Awa" not in str(everything())


def test_a_line_of_another_batch_and_one_left_out_are_not_moved(batch: Batch) -> None:
    other = make_batch("EXPORTED", amounts=[5_000])
    dropped = make_batch("CANCELLED", amounts=[5_000])
    rows = [(lines(b)[0].code, "settled", "5000", "TX", TODAY) for b in (other, dropped)]

    result = take(batch, statement(*rows))

    assert [problem.code for problem in result.problems] == ["OTHER_BATCH", "OTHER_BATCH"]
    assert statuses(other) == [("OPEN", "SENT")]
    BatchLine.objects.filter(batch=dropped).update(batch=batch, number=9)
    (problem,) = take(batch, statement(rows[1], rows[1])).problems[:1]
    assert problem.code == "NOT_IN_FILE"


@pytest.mark.parametrize(("known", "told"), [("settled", "failed"), ("failed", "settled")])
def test_what_cannot_be_true_beside_what_is_known_is_held_for_a_person(
    batch: Batch, known: str, told: str
) -> None:
    tell_outcomes(batch, known)
    before = statuses(batch)

    result = tell_outcomes(batch, told)
    again = take(batch, statement_of(batch, told))

    assert [problem.code for problem in result.problems] == ["CONTRADICTS"]
    assert [problem.code for problem in again.problems] == ["CONTRADICTS"]
    assert statuses(batch) == before
    alert = Alert.objects.get(type="PSP_EVENT_CONTRADICTS")
    assert (alert.severity, alert.count) == ("critical", 1)
    payment = lines(batch)[0].payment
    assert payment.hold_reason == ("contradiction" if known == "failed" else "")
    assert_in_order()


@pytest.mark.parametrize("status", ["DRAFT", "APPROVED", "CANCELLED"])
def test_no_statement_is_taken_before_the_file_is_out(psp: StubPsp, status: str) -> None:
    batch = make_batch(status)
    before = everything()
    with pytest.raises(InvalidState):
        tell_outcomes(batch, "settled")
    assert everything() == before


def test_a_file_that_is_no_statement_changes_nothing(batch: Batch) -> None:
    before = everything()
    with pytest.raises(StatementInvalid):
        take(batch, b"\x89PNG")
    assert everything() == before


def test_a_party_cannot_send_a_statement(batch: Batch) -> None:
    payee = make_caller(Scope.PROVIDER, lines(batch)[0].payment.payee)
    with pytest.raises(BatchNotFound):
        import_statement(caller=payee, batch_id=batch.pk, content=statement_of(batch, "settled"))
    assert statuses(batch)[0] == ("OPEN", "SENT")


def test_an_import_that_was_broken_off_is_finished_by_sending_it_again(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = statement_of(batch, "settled", "settled")
    take_row = statements._take

    def crash_at_second(*arguments: object, **named: object) -> object:
        if arguments[1].row == 3:  # type: ignore[attr-defined]  # a row
            raise RuntimeError("the machine stopped")
        return take_row(*arguments, **named)  # type: ignore[arg-type]  # as it was called

    with monkeypatch.context() as patch:
        patch.setattr(statements, "_take", crash_at_second)
        with pytest.raises(RuntimeError):
            take(batch, content)
    assert statuses(batch) == [("SETTLED", "SETTLED"), ("OPEN", "SENT")]
    assert not BatchStatement.objects.exists()

    result = take(batch, content)

    assert (result.settled, result.unchanged, batch.status) == (1, 1, "CLOSED")
    assert_in_order()


@pytest.mark.parametrize(("current", "target"), list(product(BatchStatus, BatchStatus)))
def test_a_batch_moves_only_where_its_table_says(current: BatchStatus, target: BatchStatus) -> None:
    allowed = {
        ("DRAFT", "APPROVED"),
        ("DRAFT", "CANCELLED"),
        ("APPROVED", "EXPORTED"),
        ("APPROVED", "CANCELLED"),
        ("EXPORTED", "IMPORTED"),
        ("EXPORTED", "CLOSED"),
        ("IMPORTED", "CLOSED"),
    }
    batch = Batch(status=current)
    if (current, target) in allowed:
        batch.transition_to(target)
        assert batch.status == target
    else:
        with pytest.raises(InvalidState):
            batch.transition_to(target)
        assert batch.status == current


@pytest.mark.parametrize(("current", "target"), list(product(BatchLineStatus, BatchLineStatus)))
def test_a_line_moves_only_where_its_table_says(
    current: BatchLineStatus, target: BatchLineStatus
) -> None:
    allowed = {("OPEN", end) for end in ("SETTLED", "FAILED", "RETURNED", "DROPPED")}
    line = BatchLine(status=current)
    if (current, target) in allowed | {("SETTLED", "RETURNED"), ("FAILED", "SETTLED")}:
        line.transition_to(target)
        assert line.status == target
    else:
        with pytest.raises(InvalidState):
            line.transition_to(target)
        assert line.status == current


def test_every_status_has_a_row_in_its_table() -> None:
    assert set(Batch.TRANSITIONS) == set(BatchStatus)
    assert set(BatchLine.TRANSITIONS) == set(BatchLineStatus)
