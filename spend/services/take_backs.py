"""Taking back a payment to a payee that was not paid: its money returns, and room in the limits."""

from django.db import transaction

from audit.actions import Action
from escrow import selectors as escrow_selectors
from escrow.services import spends
from escrow.services.journal import Acting
from kobatela.accounts.services.approvals import ApprovalState, require_approval
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.kernel.errors import ValidationFailed
from kobatela.kernel.money import Money
from payments.errors import PaymentNotGivenBack
from payments.recipients import payment_of_origin
from spend import selectors
from spend.errors import SpendingPaid, SpendingTakenBack
from spend.models import Spending
from spend.services.independence import require_no_stake
from spend.services.spendings import SpendingResult, tell

COMMAND = "spending_take_back"


@transaction.atomic(savepoint=False)
def take_back_spending(*, caller: Caller, payment_id: int, note: str = "") -> SpendingResult:
    """Cancel an order that was not sent, or that the PSP refused.

    Its money goes to the escrow's free money, or to the sender once the escrow has ended, and
    counts for the payee's limits no more. Staff must say why, and above a figure two people must.

    Raises SpendingNotFound, OwnSpendForbidden, SpendingTakenBack, SpendingPaid for money that has
    arrived, PaymentInTransit while the outcome is open, PaymentOnHold, InvalidState while the
    escrow is disputed, and ValidationFailed.
    """
    seen = selectors.get_spending(caller, payment_id)
    if caller.is_staff and not note:
        raise ValidationFailed.of("note", "required", "Staff must say why.")
    escrow = escrow_selectors.lock_escrow(seen.escrow_id)
    spending = selectors.lock_spending(seen.pk)
    require_no_stake(caller, escrow.client_id, escrow.provider_id, spending.payee.payee_id)
    if spending.taken_back_at is not None:
        raise SpendingTakenBack
    money = Money(spending.amount_minor, spending.currency)
    missing = _missing_approval(caller, spending, money, note)
    if missing is not None:
        return SpendingResult(
            escrow.pk, money, payment_of_origin(spending.reference), approvals=missing
        )
    try:
        payment = spends.put_back(
            escrow=escrow, origin=spending.reference, is_given_back=False, by=Acting.of(caller)
        )
    except PaymentNotGivenBack as error:
        raise SpendingPaid from error
    spending.taken_back_at, spending.taken_back_note = clock.now(), note
    spending.save(update_fields=["taken_back_at", "taken_back_note"])
    tell(spending, Action.SPENDING_TAKEN_BACK, caller.actor, on_behalf_of=caller.on_behalf_of)
    return SpendingResult(escrow.pk, money, payment)


def _missing_approval(
    caller: Caller, spending: Spending, money: Money, note: str
) -> ApprovalState | None:
    """Four eyes on money that staff, or an admin in a party's name, takes back."""
    if not (caller.is_staff or caller.on_behalf_of is not None):
        return None
    state = require_approval(
        caller=caller,
        command=COMMAND,
        subject=spending.reference,
        escrow_id=spending.escrow_id,
        money=money,
        figures={},
        note=note,
    )
    return None if state.granted else state
