"""Reading chargebacks: the cases of charges that payers' banks took back."""

from typing import TYPE_CHECKING

from django.db.models import F, Q, QuerySet, Sum

from payments.ledger import selectors as ledger_selectors
from payments.models import (
    Chargeback,
    ChargebackStatus,
    EventStatus,
    FundsMove,
    FundsMoveStatus,
    PspEvent,
)

if TYPE_CHECKING:
    from payments.ledger.models import Transfer

_WORDS = {
    ChargebackStatus.OPEN: "chargeback.opened",
    ChargebackStatus.WON: "chargeback.won",
    ChargebackStatus.LOST: "chargeback.lost",
}
_EFFECTS = ("opened", "frozen", "unfrozen", "won", "lost", "written_off")


def has_open_chargeback(escrow_id: int) -> bool:
    """Whether a bank has taken back a charge of the escrow and it is not decided yet."""
    return chargebacks_of(escrow_id).filter(status=ChargebackStatus.OPEN).exists()


def owes_after_chargeback(escrow_id: int) -> bool:
    """Whether the payer of an escrow got money back from their bank that had been paid on, and
    has neither paid it back nor was it written off."""
    return _in_debt(chargebacks_of(escrow_id)).exists()


def lock_debts(escrow_id: int, payer_id: int, currency: str) -> list[Chargeback]:
    """The cases of an escrow that left its payer owing, or us with the loss of that, locked, oldest
    first. The escrow is locked first."""
    locked = chargebacks_of(escrow_id).select_for_update(of=("self",), no_key=True)
    return list(_not_made_good(locked.filter(payer=payer_id, currency=currency)).order_by("pk"))


def lock_debt(chargeback_id: int) -> Chargeback | None:
    """A case that left an open debt, locked; None when there is no such debt."""
    locked = Chargeback.objects.select_for_update(of=("self",), no_key=True)
    return _in_debt(locked.filter(pk=chargeback_id)).order_by().first()


def made_good_minor(escrow_id: int) -> int:
    """What of the debts that lost cases of an escrow left its payer has paid with money of their
    own. What was kept from them for it is not in this, nor what was written off: that is our loss
    and no gift."""
    lost = chargebacks_of(escrow_id).filter(status=ChargebackStatus.LOST)
    numbers = "|".join(str(number) for number in lost.values_list("pk", flat=True))
    if not numbers:
        return 0
    moves = FundsMove.objects.filter(
        source__regex=rf"^chargeback:0*({numbers})$", status=FundsMoveStatus.BOOKED
    )
    return int(moves.aggregate(total=Sum("amount_minor"))["total"] or 0)


def _in_debt(rows: QuerySet[Chargeback]) -> QuerySet[Chargeback]:
    return _not_made_good(rows.filter(written_off_at=None))


def _not_made_good(rows: QuerySet[Chargeback]) -> QuerySet[Chargeback]:
    lost = rows.filter(status=ChargebackStatus.LOST)
    return lost.filter(owed_minor__gt=F("recovered_minor"))


def chargebacks_of(escrow_id: int) -> QuerySet[Chargeback]:
    """The chargebacks on one escrow's charges."""
    return Chargeback.objects.filter(escrow=escrow_id)


def postings_of_chargeback(case: Chargeback) -> "QuerySet[Transfer]":
    """What the case moved in the books, but for fees, oldest first."""
    return ledger_selectors.transfers([f"{case.reference}:{effect}" for effect in _EFFECTS])


def dispute_events_of(case: Chargeback) -> QuerySet[PspEvent]:
    """What the PSP reported of chargebacks on the case's charge, oldest first."""
    told = Q(type__startswith="chargeback.") | Q(type__startswith="charge.dispute.")
    return PspEvent.objects.filter(told, funding=case.funding_id).order_by("pk")


def may_be_another(case: Chargeback, state: ChargebackStatus) -> bool:
    """Whether what is reported of a closed case may be of a second one: neither has a name but
    their charge's, and the same was reported before."""
    if case.psp_ref not in {case.funding.psp_ref, case.funding.psp_key}:
        return False
    taken = dispute_events_of(case).filter(status=EventStatus.PROCESSED)
    return taken.filter(type=_WORDS[state]).exists()


def find_chargebacks(references: set[str]) -> list[Chargeback]:
    """The cases that a PSP may mean by these words, with their fundings."""
    found = Chargeback.objects.filter(psp_ref__in=references).select_related("funding")
    return list(found.order_by("pk"))


def find_case(psp: str, psp_ref: str) -> Chargeback | None:
    """A case by the PSP's name of it, as it was a moment ago; None when unknown."""
    return Chargeback.objects.filter(psp=psp, psp_ref=psp_ref).first()


def lock_chargeback(psp: str, psp_ref: str) -> Chargeback | None:
    """A case by the PSP's name of it, locked; its funding is locked first. None when unknown."""
    locked = Chargeback.objects.select_for_update(of=("self",), no_key=True)
    return locked.filter(psp=psp, psp_ref=psp_ref).order_by().first()
