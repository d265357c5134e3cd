"""What must always hold between an escrow, its parts and the books."""

from typing import Any

from django.db.models import Q, Sum

from audit import selectors as audit_selectors
from escrow.models import Deposit, DepositStatus, Escrow, EscrowStatus, KeyExposure, Milestone
from escrow.rules import OPEN_MILESTONE, TERMINAL
from escrow.selectors import OPEN_STATUSES
from payments import cases
from payments import selectors as payment_selectors
from payments.ledger import chart
from payments.ledger import selectors as ledger


def assert_in_order() -> None:
    """Every escrow agrees with the ledger, its deposits, payments and milestones."""
    assert ledger.check() == []
    for escrow in Escrow.objects.all():
        _agrees_with_the_ledger(escrow)
        _agrees_with_its_deposits(escrow)
        _agrees_with_its_state(escrow)
    _exposures_are_sums()
    assert audit_selectors.stream_gaps() == []


def held_in_ledger(escrow: Escrow) -> int:
    """What the ledger holds for an escrow."""
    return ledger.balance_minor(chart.escrow_held(escrow.pk), escrow.currency)


def frozen_in_ledger(escrow: Escrow) -> int:
    """What the ledger keeps frozen of an escrow, over all its chargebacks."""
    accounts = [chart.chargeback_frozen(case.pk) for case in cases.chargebacks_of(escrow.pk)]
    return sum(ledger.balance_minor(account, escrow.currency) for account in accounts)


def payments_of(escrow: Escrow) -> list[tuple[str, str, int]]:
    """(kind, method, amount_minor) of an escrow's payments in their order."""
    payments = payment_selectors.payments_of(escrow.pk).order_by("pk")
    return [(item.kind, item.method, item.amount_minor) for item in payments]


def _agrees_with_the_ledger(escrow: Escrow) -> None:
    assert held_in_ledger(escrow) == escrow.available_minor >= 0
    assert frozen_in_ledger(escrow) == escrow.frozen_minor >= 0
    payments = payment_selectors.payments_of(escrow.pk)
    live = payments.filter(kind="payout").exclude(status="REFUNDED")
    assert _sum(live, "amount_minor") <= escrow.released_minor


def _agrees_with_its_deposits(escrow: Escrow) -> None:
    confirmed = Deposit.objects.filter(escrow=escrow, status=DepositStatus.CONFIRMED)
    lost = _sum(confirmed, "charged_back_minor")
    assert _sum(confirmed, "amount_minor") - lost == escrow.funded_minor
    assert escrow.funded_minor <= escrow.amount_total_minor
    # What a client made good of a lost chargeback goes back beside the deposits.
    by_hand = escrow.refunded_minor - _sum(confirmed, "refunded_minor")
    assert 0 <= by_hand <= cases.made_good_minor(escrow.pk)


def _agrees_with_its_state(escrow: Escrow) -> None:
    if escrow.status in TERMINAL:
        assert escrow.held_minor == 0
        assert escrow.closed_at is not None
        assert escrow.next_deadline_at is None
        assert not Milestone.objects.filter(escrow=escrow, status__in=OPEN_MILESTONE).exists()
    if escrow.status in {EscrowStatus.FUNDED, EscrowStatus.RELEASABLE}:
        lost = _sum(Deposit.objects.filter(escrow=escrow), "charged_back_minor")
        assert escrow.funded_minor + lost >= escrow.amount_total_minor


def _exposures_are_sums() -> None:
    for exposure in KeyExposure.objects.all():
        counted = Deposit.objects.filter(
            Q(key=exposure.key_id) | Q(key__rotation_of=exposure.key_id),
            currency=exposure.currency,
            status=DepositStatus.CONFIRMED,
            escrow__status__in=OPEN_STATUSES,
        )
        assert _sum(counted, "amount_minor") == exposure.open_minor


def _sum(rows: Any, field: str) -> int:
    return rows.aggregate(sum=Sum(field))["sum"] or 0
