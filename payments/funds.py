"""Reading moves of funds: money that came to a PSP from elsewhere, or left one for a collector."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

from django.db.models import Q, QuerySet, Sum

from kobatela.kernel.caller import Caller
from payments.errors import FundsMoveNotFound
from payments.models import FundsMove, FundsMoveStatus


def lock_move(caller: Caller, move_id: int) -> FundsMove:
    """One move, locked before whatever it moves. Raises FundsMoveNotFound, also for who is not
    staff."""
    locked = FundsMove.objects.select_for_update(of=("self",), no_key=True)
    move = locked.filter(pk=move_id).order_by().first() if caller.is_staff else None
    if move is None:
        raise FundsMoveNotFound
    return move


def moved_minor() -> Mapping[tuple[str, str], int]:
    """What came to each PSP less what left it for another or a collector, by PSP and currency."""
    return _net(FundsMove.objects.filter(status=FundsMoveStatus.BOOKED))


def moved_at(psp: str, since: datetime, until: datetime) -> dict[str, int]:
    """The same of one PSP in a time, by currency."""
    booked = FundsMove.objects.filter(
        Q(target=psp) | Q(source=f"psp:{psp}"),
        status=FundsMoveStatus.BOOKED,
        booked_at__range=(since, until),
    )
    return {currency: minor for (name, currency), minor in _net(booked).items() if name == psp}


def _net(booked: QuerySet[FundsMove]) -> Mapping[tuple[str, str], int]:
    sums = booked.order_by().values_list("source", "target", "currency")
    net: dict[tuple[str, str], int] = defaultdict(int)
    for source, target, currency, minor in sums.annotate(total=Sum("amount_minor")):
        if ":" not in target:
            net[target, currency] += minor
        family, _, name = source.partition(":")
        if family == "psp":
            net[name, currency] -= minor
    return net
