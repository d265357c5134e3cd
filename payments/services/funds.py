"""Money that is put in at a PSP from elsewhere, or goes back to a collector: said by two people,
booked once.

Nothing here moves money. A collector has handed over what it collected, we have paid from one PSP
to another, to a collector or from our own pocket, a debtor has paid: two people saw it on the
account.
"""

import re
from dataclasses import dataclass

from django.db import IntegrityError, transaction

from audit.actions import Action
from audit.services import entries
from audit.services.alerts import AlertType, Severity, raise_alert
from kobatela.accounts.selectors import is_independent
from kobatela.accounts.services.approvals import ApprovalState, require_two, withdraw
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.kernel.crashpoints import crashpoint
from kobatela.kernel.errors import InvalidState, ValidationFailed
from kobatela.kernel.money import Money, format_minor
from kobatela.rest.errors import InsufficientScope
from payments import bells, cases
from payments.coverage import free_at_collector_minor
from payments.errors import FundsNotThere, FundsReferenceUsed, OwnFundsForbidden
from payments.funds import lock_move
from payments.ledger import chart
from payments.ledger import selectors as ledger
from payments.ledger.chart import AccountRef, PostingCode
from payments.ledger.services import credit, debit, post
from payments.models import Chargeback, FundsMove, FundsMoveStatus, Payment
from payments.psp import registry
from payments.services.cover import lock_collector, lock_free_minor
from payments.services.debts import recover
from payments.services.rows import save, tell

MOVE_COMMAND = "move_funds"
OPERATOR = "operator"
_SOURCE = re.compile(r"operator|psp:[a-z]{1,20}|(?:collector|chargeback|payment):[1-9][0-9]{0,17}")
_COLLECTOR = re.compile(r"collector:[1-9][0-9]{0,17}")
_REFERENCE = re.compile(r"[!-~]{4,80}")
_CAME = "Two people booked money that was put in at a PSP; see that its statement has it."
_LEFT = "Two people booked money that left a PSP for a collector; see that its statement has it."


@dataclass(frozen=True, slots=True)
class MoveResult:
    """A move, and how many people have said that the money is there."""

    move: FundsMove
    approvals: ApprovalState


@transaction.atomic
def propose_move(
    *, caller: Caller, source: str, target: str, money: Money, bank_ref: str, note: str = ""
) -> MoveResult:
    """Say that `money` of `source` has come to `target`; another person must say so too.

    source: `collector:7`, `psp:stripe`, `chargeback:3` or `payment:9` (its payer pays what they
    owe for it) or `operator`. target: the name of a PSP; or `collector:7`, which has collected in
    this currency and gets money back from a PSP. bank_ref: the bank's reference of the transfer;
    the same one again, however it is written, is refused. Raises InsufficientScope for who is not
    staff, ValidationFailed, FundsReferenceUsed, FundsNotThere, OwnFundsForbidden and
    ApprovalNeedsUser.
    """
    if not caller.is_staff:
        raise InsufficientScope
    _check(source, target, money)
    now = clock.now()
    move = FundsMove(
        source=source,
        target=target,
        amount_minor=money.amount_minor,
        currency=money.currency,
        bank_ref=_reference(bank_ref),
        note=note,
        proposed_by=caller.actor,
        created_at=now,
        updated_at=now,
    )
    _require_no_stake(move, caller)
    _take_from(move)
    try:
        with transaction.atomic():
            move.save(force_insert=True)
    except IntegrityError as error:
        raise FundsReferenceUsed from error
    _tell(move, Action.FUNDS_MOVE_PROPOSED, caller)
    return MoveResult(move, _count(move, caller, note))


@transaction.atomic
def approve_move(*, caller: Caller, move_id: int) -> MoveResult:
    """Say the same as who proposed it; the second person's word books it. Again: no change.

    Payments that waited UNCOVERED for it go on by themselves. Raises FundsMoveNotFound,
    InvalidState for one that was rejected, OwnFundsForbidden, ApprovalNeedsUser, and FundsNotThere
    when the source does not have so much (any more).
    """
    move = lock_move(caller, move_id)
    if move.status == FundsMoveStatus.BOOKED:
        return MoveResult(move, ApprovalState(given=2, needed=2, granted=True))
    if move.status != FundsMoveStatus.WAITING:
        raise InvalidState("It was rejected.")
    _require_no_stake(move, caller)
    state = _count(move, caller)
    if not state.granted:
        return MoveResult(move, state)
    move.transition_to(FundsMoveStatus.BOOKED)
    move.booked_by, move.booked_at = caller.actor, clock.now()
    _save(move, "status", "booked_by", "booked_at")
    _book(move, _take_from(move), caller)
    _tell(move, Action.FUNDS_MOVE_BOOKED, caller)
    _alert(move)
    if not _goes_to_collector(move):
        bells.ring_for_cover(move.pk)
    crashpoint("funds_move.written")
    return MoveResult(move, state)


@transaction.atomic
def reject_move(*, caller: Caller, move_id: int, note: str) -> FundsMove:
    """Say that the money is not there. Its reference may be proposed once more. Again: no change.

    Raises FundsMoveNotFound, and InvalidState for one that was booked.
    """
    move = lock_move(caller, move_id)
    if move.status == FundsMoveStatus.REJECTED:
        return move
    move.transition_to(FundsMoveStatus.REJECTED)
    move.note = note
    _save(move, "status", "note")
    withdraw(actor=caller.actor, subject=move.reference, note=note)
    _tell(move, Action.FUNDS_MOVE_REJECTED, caller)
    return move


def _check(source: str, target: str, money: Money) -> None:
    family, _, name = source.partition(":")
    if _COLLECTOR.fullmatch(target):
        if family != "psp":
            raise ValidationFailed.of("source", "invalid", "A PSP alone gives a collector money.")
        if (target, money.currency) not in ledger.balances_minor(target):
            raise ValidationFailed.of("target", "unknown", "Nobody of this number collected that.")
    elif target not in registry.with_books():
        raise ValidationFailed.of("target", "unknown", "There is no such PSP here.")
    if money.amount_minor <= 0:
        raise ValidationFailed.of("amount", "invalid", "It must be above 0.")
    if not _SOURCE.fullmatch(source) or source == f"psp:{target}":
        raise ValidationFailed.of("source", "invalid", "Money does not come from there.")
    if family == "psp" and name not in registry.with_books():
        raise ValidationFailed.of("source", "unknown", "There is no such PSP here.")


def _reference(bank_ref: str) -> str:
    """The reference without what people type differently. Raises ValidationFailed."""
    plain = "".join(bank_ref.split()).upper()
    if not _REFERENCE.fullmatch(plain):
        raise ValidationFailed.of("bank_ref", "invalid", "4 to 80 printable ASCII characters.")
    return plain


def _require_no_stake(move: FundsMove, caller: Caller) -> None:
    for place in (move.source, move.target):
        family, _, name = place.partition(":")
        side: int | None = None
        if family == "collector":
            side = int(name)
        elif family == "chargeback":
            case = Chargeback.objects.filter(pk=int(name)).first()
            side = case.payer_id if case is not None else None
        elif family == "payment":
            paid = Payment.objects.filter(pk=int(name)).first()
            side = paid.payer_id if paid is not None else None
        if side is not None and not is_independent(caller, side):
            raise OwnFundsForbidden


def _count(move: FundsMove, caller: Caller, note: str = "") -> ApprovalState:
    figures = {"source": move.source, "target": move.target, "bank_ref": move.bank_ref}
    return require_two(
        caller=caller,
        command=MOVE_COMMAND,
        subject=move.reference,
        money=move.money,
        figures=figures,
        note=note,
    )


def _book(move: FundsMove, source: AccountRef, caller: Caller) -> None:
    case = _debt(move)
    if case is not None:
        recover(case, move.amount_minor, actor=caller.actor, by=move.reference)
    owing = _owing(move)
    if owing is not None:
        owing.debt_minor -= move.amount_minor
        save(owing, "debt_minor")
        tell(owing, Action.PAYMENT_DEBT_PAID, caller.actor, body={"by": move.reference})
    post(
        business_key=f"funds:{move.bank_ref}:moved",
        code=PostingCode.FUNDS_MOVED,
        currency=move.currency,
        legs=[
            debit(_target(move), move.amount_minor),
            credit(source, move.amount_minor),
        ],
    )


def _goes_to_collector(move: FundsMove) -> bool:
    return _COLLECTOR.fullmatch(move.target) is not None


def _target(move: FundsMove) -> AccountRef:
    # A collector's name is the one by which deposits name it, too.
    return chart.source(move.target) if _goes_to_collector(move) else chart.psp(move.target)


def _take_from(move: FundsMove) -> AccountRef:
    """The account of the source, which has so much, and from which nobody else takes until the
    transaction ends."""
    family, _, name = move.source.partition(":")
    if family == "collector":
        lock_collector(int(name), move.currency)
        _require(move, free_at_collector_minor(int(name), move.currency))
        return chart.collector(int(name))
    if family == "psp":
        _require(move, lock_free_minor(name, move.currency))
        return chart.psp(name)
    if family == "chargeback":
        case = _debt(move)
        if case is None:
            raise FundsNotThere(free=format_minor(0, move.currency))
        _require(move, case.open_debt_minor)
        return chart.receivable(case.payer_id)
    if family == "payment":
        owing = _owing(move)
        _require(move, owing.debt_minor if owing is not None else 0)
        assert owing is not None, "nothing is more than nothing"
        assert owing.payer_id is not None, "who owes is known"
        return chart.receivable(owing.payer_id)
    return chart.operator()


def _owing(move: FundsMove) -> Payment | None:
    """The payment whose debt the move pays, locked; None for other sources."""
    family, _, name = move.source.partition(":")
    if family != "payment":
        return None
    locked = Payment.objects.select_for_update(of=("self",), no_key=True)
    return locked.filter(pk=int(name), currency=move.currency).order_by().first()


def _debt(move: FundsMove) -> Chargeback | None:
    """The case whose open debt the move pays, locked; None for other sources."""
    family, _, name = move.source.partition(":")
    case = cases.lock_debt(int(name)) if family == "chargeback" else None
    return case if case is not None and case.currency == move.currency else None


def _require(move: FundsMove, free_minor: int) -> None:
    if move.amount_minor > free_minor:
        raise FundsNotThere(free=format_minor(max(0, free_minor), move.currency))


def _save(move: FundsMove, *fields: str) -> None:
    move.updated_at = clock.now()
    move.save(update_fields=[*fields, "updated_at"])


def _figures(move: FundsMove) -> dict[str, str | int]:
    return {
        "source": move.source,
        "target": move.target,
        "amount_minor": move.amount_minor,
        "currency": move.currency,
        "bank_ref": move.bank_ref,
    }


def _tell(move: FundsMove, action: Action, caller: Caller) -> None:
    body = {"status": str(move.status), **_figures(move)}
    entries.record(actor=caller.actor, action=action, subject=move.reference, body=body)


def _alert(move: FundsMove) -> None:
    raise_alert(
        type=AlertType.FUNDS_MOVED,
        severity=Severity.WARNING,
        subject=move.reference,
        message=_LEFT if _goes_to_collector(move) else _CAME,
        payload=_figures(move),
    )
