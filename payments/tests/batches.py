"""Batches in any state for tests, made through the services."""

import csv
import io
from collections.abc import Sequence

from kobatela.accounts.models import User
from kobatela.accounts.tests.factories import make_staff_caller, make_user
from kobatela.kernel.money import format_minor
from payments.models import Batch, BatchLine, BatchStatus, Payment
from payments.psp.manual import STATEMENT_COLUMNS
from payments.services.batch_files import release_file
from payments.services.batches import approve_batch, cancel_batch, collect_batch
from payments.services.statements import StatementResult, import_statement
from payments.tests.accounts import make_destination
from payments.tests.factories import funded_escrow, make_payout

TODAY = "2026-01-31"


def make_waiting(
    amount_minor: int = 5_000, *, currency: str = "XOF", kind: str = "mobile_money"
) -> Payment:
    """A payout that people have to make."""
    provider = make_user()
    make_destination(provider, kind)
    return make_payout(funded_escrow(amount_minor, currency, provider=provider), amount_minor)


def make_batch(
    status: BatchStatus | str = BatchStatus.DRAFT, amounts: Sequence[int] = (5_000, 7_000)
) -> Batch:
    """A batch of mobile money in XOF, brought to `status`."""
    status = BatchStatus(status)
    for amount_minor in amounts:
        make_waiting(amount_minor)
    staff = make_staff_caller()
    batch = collect_batch(caller=staff, currency="XOF", kind="mobile_money")
    if status == BatchStatus.CANCELLED:
        cancel_batch(caller=staff, batch_id=batch.pk, note="wrong day")
    elif status != BatchStatus.DRAFT:
        for _ in range(2):
            approve_batch(caller=make_staff_caller(), batch_id=batch.pk)
        if status != BatchStatus.APPROVED:
            release_file(caller=staff, batch_id=batch.pk)
        if status == BatchStatus.IMPORTED:
            tell_outcomes(batch, "settled")
        elif status == BatchStatus.CLOSED:
            tell_outcomes(batch, *["settled"] * len(amounts))
    batch.refresh_from_db()
    assert batch.status == status, f"the batch came out as {batch.status}"
    return batch


def lines(batch: Batch) -> list[BatchLine]:
    """The lines as they are stored now, in order."""
    return list(BatchLine.objects.filter(batch=batch).order_by("number"))


def statement(*rows: Sequence[object], header: Sequence[str] = STATEMENT_COLUMNS) -> bytes:
    """A statement with these rows: line, outcome, amount, reference, date."""
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    return text.getvalue().encode()


def statement_of(batch: Batch, *outcomes: str) -> bytes:
    """A statement that tells of the first lines of a batch, one outcome each."""
    return statement(
        *(
            (
                line.code,
                outcome,
                format_minor(line.amount_minor, batch.currency),
                f"TX-{line.number}",
                TODAY,
            )
            for line, outcome in zip(lines(batch), outcomes, strict=False)
        )
    )


def take(batch: Batch, content: bytes) -> StatementResult:
    """Let support import a statement."""
    result = import_statement(caller=make_staff_caller(), batch_id=batch.pk, content=content)
    batch.refresh_from_db()
    return result


def tell_outcomes(batch: Batch, *outcomes: str) -> StatementResult:
    """Import a statement about the first lines of a batch."""
    return take(batch, statement_of(batch, *outcomes))


def read_file(content: bytes) -> list[dict[str, str]]:
    """The rows of a batch file."""
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def payee_of(line: BatchLine) -> User:
    """Who is paid by a line."""
    payee = line.payment.payee
    assert payee is not None
    return payee
