"""What PSPs charge us, posted as expense beside the movement that it was charged for."""

from contextlib import suppress

from audit.actions import Action
from audit.services import entries
from kobatela.kernel.money import Money
from payments.ledger import chart
from payments.ledger.chart import PostingCode
from payments.ledger.errors import AlreadyPosted
from payments.ledger.services import credit, debit, post


def book_fee(*, subject: str, escrow_id: int, psp: str, fee: Money, actor: str) -> None:
    """Book a fee in the caller's transaction; told again, it has no effect.

    subject: what it was charged for (`payment:7:1`, `funding:3`).
    """
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
