"""Taking in chargebacks of which no report came, from the PSP's own list.

As for orders and sessions: what a report would have told is looked up, and has the same effect.
What cannot be taken in, because nobody knows its charge or the figures contradict each other, is
for the comparison that follows, and for people.
"""

from django.db import transaction

from kobatela.kernel import clock
from payments import cases, hooks, records, selectors
from payments.errors import ChargebackImpossible
from payments.models import ChargebackStatus, Funding, FundingStatus, Reach
from payments.psp import registry
from payments.psp.base import Movement, OrderState, PspDown
from payments.services.chargebacks import record_chargeback
from payments.services.spans import BACK, CASE_SLACK, GRACE, cases_since

_ACTOR = "system:reconciliation"
# Of one about which a bank only asks, no money has moved.
_STATES = {
    OrderState.ACCEPTED: ChargebackStatus.OPEN,
    OrderState.RETURNED: ChargebackStatus.WON,
    OrderState.SETTLED: ChargebackStatus.LOST,
}


def look_up_cases(*, psp: str) -> int:
    """Take in what a PSP lists of chargebacks and has not reported; how many cases that moved.

    Called outside any transaction: the PSP is asked. What is younger than the grace is left to its
    report. Safe to run any number of times, also when the report comes after all.
    """
    now = clock.now()
    oldest = cases_since(records.oldest_case(psp), now - BACK[Reach.NIGHTLY], now)
    try:
        listed = registry.get_books(psp).list_chargebacks(oldest - CASE_SLACK, now - GRACE)
    except PspDown:
        # The comparison meets the same, and alerts when it lasts.
        return 0
    return sum(_take_in(psp, movement) for movement in listed)


def _take_in(psp: str, movement: Movement) -> bool:
    state = _STATES.get(movement.state)
    moved_at = movement.changed_at or movement.created_at
    if state is None or moved_at > clock.now() - GRACE or not _is_news(psp, movement, state):
        return False
    funding = _charge_of(psp, movement)
    if funding is None:
        return False
    try:
        with transaction.atomic():
            hooks.funding_handler().lock_owner(funding.escrow_id)
            locked = selectors.lock_funding(funding.pk)
            case = record_chargeback(
                funding=locked,
                psp_ref=movement.psp_ref,
                state=state,
                money=movement.money,
                actor=_ACTOR,
            )
    except ChargebackImpossible:
        return False
    return case.status == state


def _is_news(psp: str, movement: Movement, state: ChargebackStatus) -> bool:
    """Whether it is a case that we do not know, or the end of one that is open here."""
    case = cases.find_case(psp, movement.psp_ref)
    if case is None:
        return True
    is_end = case.status == ChargebackStatus.OPEN and state != ChargebackStatus.OPEN
    return is_end and case.money == movement.money


def _charge_of(psp: str, movement: Movement) -> Funding | None:
    """The charge that has brought its money; None when it is not clear which one that is."""
    found = selectors.find_fundings({movement.charge_ref} - {""})
    ours = [row for row in found if row.psp == psp and row.status == FundingStatus.SUCCEEDED]
    return ours[0] if len(ours) == 1 else None
