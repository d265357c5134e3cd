"""Paying an allowed payee from an escrow."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import transaction

from audit.actions import Action
from audit.services import entries
from escrow import selectors as escrow_selectors
from escrow.errors import EscrowNotFound
from escrow.services import spends
from escrow.services.amounts import AmountIn
from escrow.services.journal import Acting
from kobatela.accounts.services.approvals import ApprovalState, count_large_sum, require_approval
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.kernel.money import Money
from spend import rules, selectors
from spend.errors import SpendRoleForbidden
from spend.models import AllowedPayee, Spending
from spend.rules import Ask, Limit
from spend.services import denials
from spend.services.destinations import recipient_of
from spend.services.independence import require_no_stake
from spend.services.purchases import purse_facts

if TYPE_CHECKING:
    from payments.models import Payment

COMMAND = "spend"


@dataclass(frozen=True, slots=True)
class SpendingResult:
    """What was paid or taken back; when it was paid, with the limits before it.

    With `approvals` nothing was done yet.
    """

    escrow_id: int
    money: Money
    payment: "Payment | None" = None
    limits: tuple[Limit, ...] | None = None
    approvals: ApprovalState | None = None


@transaction.atomic(savepoint=False)
def pay_payee(
    *, caller: Caller, escrow_id: int, payee_ref: str, amount_in: AmountIn, note: str = ""
) -> SpendingResult:
    """Pay a payee of the escrow from its free money, to the payee's own destination.

    The caller acts for the escrow's client. Raises EscrowNotFound, SpendRoleForbidden,
    OwnSpendForbidden, ValidationFailed, and what `rules.decide` refuses with; a refusal is kept.
    """
    escrow = _lock(caller, escrow_id)
    amount_minor = amount_in(escrow.currency)
    payee = selectors.lock_payee_by_ref(escrow.pk, payee_ref)
    paid_id = payee.payee_id if payee is not None else None
    require_no_stake(caller, escrow.client_id, escrow.provider_id, paid_id)
    purse = spends.open_purse(escrow)
    now = clock.now()
    ask = Ask(
        amount_minor=amount_minor,
        currency=escrow.currency,
        at=now,
        payee=selectors.payee_facts(payee, now) if payee else None,
        purse=purse_facts(purse),
    )
    decision = rules.decide(ask)
    if not decision.is_allowed:
        raise denials.refuse(
            caller=caller,
            decision=decision,
            ask=ask,
            action=Action.SPENDING_REFUSED,
            subject=escrow.reference,
            about={"payee_id": payee.pk if payee else None},
            shows_escrow=True,
        )
    assert payee is not None, "nobody unknown is paid"
    money = Money(amount_minor, escrow.currency)
    approvals = _missing_approval(caller, escrow, payee, money, note)
    if approvals is not None:
        return SpendingResult(escrow.pk, money, approvals=approvals)
    payment = _pay(caller, purse, payee, money, note)
    return SpendingResult(escrow.pk, money, payment, tuple(decision.limits))


def _lock(caller: Caller, escrow_id: int) -> Any:
    """The escrow under its lock. Only its client's side spends from it."""
    try:
        escrow = escrow_selectors.lock_visible_escrow(caller, escrow_id)
    except EscrowNotFound:
        entries.record_apart(
            actor=caller.actor,
            on_behalf_of=caller.on_behalf_of,
            action=Action.SPENDING_REFUSED,
            subject=caller.actor,
            body={"code": EscrowNotFound.code, "rule": "escrow", "escrow_id": escrow_id},
        )
        raise EscrowNotFound.in_body("escrow_id", escrow_id) from None
    if caller.is_staff or not caller.may_act_for(escrow.client_id):
        raise SpendRoleForbidden
    return escrow


def _missing_approval(
    caller: Caller, escrow: Any, payee: AllowedPayee, money: Money, note: str
) -> ApprovalState | None:
    """Four eyes on money that an admin moves in a party's name."""
    if caller.on_behalf_of is None:
        count_large_sum(
            caller=caller, money=money, whole=Money(escrow.amount_total_minor, escrow.currency)
        )
        return None
    state = require_approval(
        caller=caller,
        command=COMMAND,
        subject=payee.reference,
        escrow_id=payee.escrow_id,
        money=money,
        figures={},
        note=note,
    )
    return None if state.granted else state


def _pay(
    caller: Caller, purse: spends.Purse, payee: AllowedPayee, money: Money, note: str
) -> "Payment":
    # The payment names what it pays for, and that row its payment: so the number comes first.
    spending = Spending(
        pk=selectors.next_spending_id(),
        payee=payee,
        escrow_id=payee.escrow_id,
        payee_ref=payee.payee_ref,
        amount_minor=money.amount_minor,
        currency=money.currency,
        note=note,
        actor=caller.actor,
        created_at=clock.now(),
    )
    payment = spends.pay_from(
        purse,
        kind="spend",
        recipient=recipient_of(payee),
        amount_minor=money.amount_minor,
        origin=spending.reference,
        by=Acting.of(caller),
    )
    spending.payment_id = payment.pk
    spending.save(force_insert=True)
    tell(spending, Action.SPENDING_MADE, caller.actor, on_behalf_of=caller.on_behalf_of)
    return payment


def tell(
    spending: Spending, action: Action, actor: str, *, on_behalf_of: int | None = None
) -> None:
    """Write an entry about a payment to a payee into its escrow's stream."""
    entries.record(
        actor=actor,
        on_behalf_of=on_behalf_of,
        action=action,
        subject=spending.reference,
        stream=f"escrow:{spending.escrow_id}",
        body={
            "payee_id": spending.payee_id,
            "amount_minor": spending.amount_minor,
            "currency": spending.currency,
            "payment_id": spending.payment_id,
        },
    )
