"""Money that a PSP reports. It is always booked: what the escrow cannot take goes back."""

from typing import Any

from django.db import transaction

from escrow import rules, selectors
from escrow.models import Deposit, DepositStatus, Escrow
from escrow.rules import Standing
from escrow.services import deadlines, deposits
from escrow.services.journal import Acting
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.kernel.money import Money
from payments.services import fundings, receipts


def start_funding(*, caller: Caller, escrow_id: int) -> Any:
    """Open a PSP session for all that the escrow still needs; the funding with its secret.

    Must run outside any transaction, because the PSP is called. Raises EscrowNotFound,
    EscrowRoleForbidden, EscrowClosed, InvalidState (disputed), EscrowOverFunded when nothing is
    missing, and what open_session raises while another session is open.
    """
    escrow = selectors.get_escrow(caller, escrow_id)
    rules.FUNDING_SESSION.check(Standing(escrow, caller, clock.now()))
    return fundings.open_session(
        caller=caller,
        escrow_id=escrow.pk,
        payer_id=escrow.client_id,
        money=Money(rules.missing_minor(escrow), escrow.currency),
    )


class EscrowFundings:
    """Takes what PSPs report into escrows; the FundingHandler of payments."""

    def lock_owner(self, escrow_id: int) -> None:
        """Lock the escrow before payments takes any lock."""
        selectors.lock_escrow(escrow_id)

    @transaction.atomic(savepoint=False)
    def succeeded(self, funding: Any, money: Money, psp: str) -> None:
        """Book what came in: into the escrow as far as it can take it, the rest to go back.

        A pending deposit of exactly this amount is the announcement of this money, and is
        confirmed by it.
        """
        by = Acting(f"psp:{psp}")
        escrow = selectors.lock_escrow(funding.escrow_id)
        deadlines.apply_locked(escrow)
        taken_minor = _room_for(escrow, money)
        if taken_minor:
            _take(escrow, taken_minor, by, charge_ref=funding.psp_ref)
        if taken_minor < money.amount_minor:
            receipts.book_surplus(
                escrow_id=escrow.pk,
                client_id=escrow.client_id,
                source=by.actor,
                charge_ref=funding.psp_ref,
                money=money - Money(taken_minor, money.currency),
                business_key=f"funding:{funding.pk}:surplus",
                actor=by.actor,
            )

    def failed(self, funding: Any) -> None:
        """A session that failed put nothing into the escrow, so nothing is taken out."""


def _room_for(escrow: Escrow, money: Money) -> int:
    takes_money = escrow.status in rules.BEFORE_DISPUTE and money.currency == escrow.currency
    return min(money.amount_minor, rules.missing_minor(escrow)) if takes_money else 0


def _take(escrow: Escrow, amount_minor: int, by: Acting, *, charge_ref: str) -> None:
    announced = (
        Deposit.objects.select_for_update(no_key=True)
        .filter(escrow=escrow, status=DepositStatus.PENDING, amount_minor=amount_minor)
        .order_by("pk")
        .first()
    )
    if announced is not None:
        deposits.confirm(
            escrow=escrow, deposit=announced, source=by.actor, by=by, charge_ref=charge_ref
        )
        return
    deposit = deposits.add_deposit(
        escrow=escrow, amount_minor=amount_minor, by=by, source=by.actor, charge_ref=charge_ref
    )
    deposits.book(escrow=escrow, deposit=deposit, by=by)
