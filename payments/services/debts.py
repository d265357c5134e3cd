"""What payers owe after lost chargebacks, or left us to lose, and how it is made good."""

from collections.abc import Sequence
from dataclasses import dataclass

from audit.actions import Action
from audit.services import entries
from kobatela.kernel import clock
from payments import cases
from payments.ledger import chart
from payments.ledger.chart import PostingCode
from payments.ledger.services import Leg, credit, debit, post
from payments.models import Chargeback, Hold, Payment
from payments.services import books
from payments.services.kept import add_rest, hold_of_rest, keep, where_debts_stand
from payments.services.rows import put_on_hold, save, tell


@dataclass(frozen=True, slots=True)
class SetOff:
    """A part of what would have gone to a payer, kept for the debt that one case left."""

    case: Chargeback
    amount_minor: int


def recover(case: Chargeback, amount_minor: int, *, actor: str, by: str) -> None:
    """Take so much off what a locked case left missing; who asks books it in the same transaction.

    by: what made it good (`funds_move:4`, `payment:9`).
    """
    case.recovered_minor += amount_minor
    case.updated_at = clock.now()
    case.save(update_fields=["recovered_minor", "updated_at"])
    entries.record(
        actor=actor,
        action=Action.CHARGEBACK_RECOVERED,
        subject=case.reference,
        stream=f"escrow:{case.escrow_id}",
        body={
            "by": by,
            "amount_minor": amount_minor,
            "currency": case.currency,
            "owed_minor": case.owed_minor,
            "recovered_minor": case.recovered_minor,
            "is_written_off": case.written_off_at is not None,
        },
    )


def credits_of(parts: Sequence[SetOff]) -> list[Leg]:
    """What books that the parts are made good: the payers' debts fall, or our loss of them."""
    sums = where_debts_stand((part.case, part.amount_minor) for part in parts)
    return [credit(account, amount_minor) for account, amount_minor in sums.items()]


def recover_all(parts: Sequence[SetOff], *, actor: str, by: str) -> None:
    """`recover` for each part."""
    for part in parts:
        recover(part.case, part.amount_minor, actor=actor, by=by)


def set_off_refund(payment: Payment, *, actor: str) -> None:
    """Keep a refund that is on the sender's own account again for what its payer owes.

    The payer has that money from their bank already: sent once more, they would have it twice, also
    where two people wrote the debt off; then it makes our loss good. What is above that is theirs,
    and waits, because it would go where it came back from. The escrow and the payment must be
    locked.
    """
    if payment.payee_id is None:
        return
    parts: list[SetOff] = []
    left_minor = payment.amount_minor
    for case in cases.lock_debts(payment.escrow_id, payment.payee_id, payment.currency):
        part_minor = min(left_minor, case.missing_minor)
        if part_minor:
            parts.append(SetOff(case, part_minor))
            left_minor -= part_minor
    if not parts:
        return
    kept_minor = payment.amount_minor - left_minor
    post(
        business_key=(
            f"{payment.reference}:{payment.attempt}:{books.next_step(payment, 'set_off')}"
        ),
        code=PostingCode.DEBT_SET_OFF,
        currency=payment.currency,
        legs=[debit(chart.user_funds(payment.payee_id), kept_minor), *credits_of(parts)],
    )
    recover_all(parts, actor=actor, by=payment.reference)
    for part in parts:
        keep(payment, part.case, part.amount_minor, paid_a_debt=True)
    hold = hold_of_rest(payment)
    put_on_hold(payment, Hold.CHARGED_BACK)
    save(payment, "hold_reason", "reason")
    told = {"hold": str(Hold.CHARGED_BACK), "set_off_minor": kept_minor}
    tell(payment, Action.PAYMENT_HELD, actor, body=told)
    if left_minor:
        add_rest(payment, left_minor, hold=hold, actor=actor)
