"""What PSPs charge us, posted as expense beside the movement that it was charged for."""

from contextlib import suppress

from audit.actions import Action
from audit.services import entries
from audit.services.alerts import AlertType, Severity, raise_alert
from kobatela.kernel.money import Money
from payments.ledger import chart
from payments.ledger.chart import PostingCode
from payments.ledger.errors import AlreadyPosted
from payments.ledger.services import credit, debit, post


def book_fee(
    *, subject: str, escrow_id: int, psp: str, fee: Money, charged_for: Money, actor: str
) -> bool:
    """Book a fee in the caller's transaction; told again, it has no effect. Whether it was taken.

    subject: what it was charged for (`payment:7:1`, `funding:3`), which was of `charged_for`.
    """
    if not is_credible(fee, charged_for, subject=subject):
        return False
    with suppress(AlreadyPosted):
        post(
            business_key=f"{subject}:fee",
            code=PostingCode.PSP_FEE,
            currency=fee.currency,
            legs=[
                debit(chart.psp_fee(), fee.amount_minor),
                credit(chart.psp(psp), fee.amount_minor),
            ],
        )
        entries.record(
            actor=actor,
            action=Action.PSP_FEE_BOOKED,
            subject=subject,
            stream=f"escrow:{escrow_id}",
            body={"psp": psp, "fee_minor": fee.amount_minor, "currency": fee.currency},
        )
    return True


def is_credible(fee: Money, charged_for: Money, *, subject: str) -> bool:
    """Whether a fee is no more than what it was charged for. Staff is alerted to one that is: it
    would take from our books what no PSP takes."""
    if fee.currency != charged_for.currency or fee.amount_minor <= charged_for.amount_minor:
        return True
    raise_alert(
        type=AlertType.RECONCILIATION_MISMATCH,
        severity=Severity.CRITICAL,
        subject=subject,
        message="The PSP reports a fee above the amount it is charged for; it is not booked.",
        payload={
            "fee_minor": fee.amount_minor,
            "amount_minor": charged_for.amount_minor,
            "currency": fee.currency,
        },
    )
    return False
