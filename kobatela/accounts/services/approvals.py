"""Four eyes: above a figure, money moves only when two different users ask for the same."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Sum

from audit.actions import Action
from audit.services.entries import record
from kobatela.accounts.errors import ApprovalNeedsUser, ApprovalTooEarly
from kobatela.accounts.models import Approval, ApprovalStatus, FreshKeySum, User
from kobatela.kernel import clock, trace
from kobatela.kernel.caller import Caller
from kobatela.kernel.canonical import canonical_json
from kobatela.kernel.money import Money

COUNTED_TOGETHER_FOR = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class ApprovalState:
    """How many people have approved, how many must, and whether the command may go on."""

    given: int
    needed: int
    granted: bool


@dataclass(frozen=True, slots=True)
class WordGiven:
    """One person's approval: who, why (empty where they said nothing) and when."""

    actor: str
    note: str
    at: datetime


@dataclass(frozen=True, slots=True)
class _Request:
    caller: Caller
    command: str
    subject: str
    escrow_id: int | None
    money: Money
    figures: str
    note: str

    @property
    def stream(self) -> str:
        """Where the trail tells of it."""
        return _stream(self.subject, self.escrow_id)


@transaction.atomic
def require_approval(
    *,
    caller: Caller,
    command: str,
    subject: str,
    escrow_id: int,
    money: Money,
    figures: Mapping[str, Any],
    note: str = "",
) -> ApprovalState:
    """Count the caller's approval of one command on one subject; the command goes on if granted.

    `money` is what the command would release; together with what staff released for the escrow
    within 24 hours it is compared with the four-eyes figure of its currency (none: always two).
    `figures` is all that a second person must ask for likewise. Asked for other figures, the
    first approval is replaced; asked by the same person again, nothing changes. `note` is why this
    person says yes; it is kept, and need not be the other's. Call it with the escrow locked, in the
    transaction that releases the money.

    Where two people are needed, raises ApprovalNeedsUser for a key that belongs to nobody, and
    ApprovalTooEarly while somebody else may be acting as the caller's user.
    """
    asked = _asked(caller, money, figures)
    return _reported(_count(_Request(caller, command, subject, escrow_id, money, asked, note)))


@transaction.atomic
def require_two(
    *,
    caller: Caller,
    command: str,
    subject: str,
    money: Money,
    figures: Mapping[str, Any],
    note: str = "",
) -> ApprovalState:
    """Count the caller's approval of what always needs two people, and belongs to no one escrow.

    Otherwise like `require_approval`. Call it with the subject locked. Raises ApprovalNeedsUser
    and ApprovalTooEarly.
    """
    asked = _asked(caller, money, figures)
    return _reported(_count(_Request(caller, command, subject, None, money, asked, note)))


def _reported(state: ApprovalState) -> ApprovalState:
    if not state.granted:
        trace.report_approvals(state.given, state.needed)
    return state


def _asked(caller: Caller, money: Money, figures: Mapping[str, Any]) -> str:
    asked = {
        "figures": dict(figures),
        "amount_minor": money.amount_minor,
        "currency": money.currency,
        "on_behalf_of": caller.on_behalf_of,
    }
    return canonical_json(asked)


def _count(request: _Request) -> ApprovalState:
    _one_at_a_time(request.stream)
    pending = _pending(request.subject, request.command)
    if pending is not None and pending.figures == request.figures and _still_counts(pending):
        return _second(request, pending)
    if pending is not None:
        _settle(pending, ApprovalStatus.REPLACED)
        _tell(request, Action.APPROVAL_REPLACED, pending)
    return _first(request)


@transaction.atomic
def withdraw(*, actor: str, subject: str, command: str | None = None, note: str) -> int:
    """Take back what waits for a second person, because somebody rejected; how many there were."""
    waiting = Approval.objects.select_for_update(no_key=True).filter(
        subject=subject, status=ApprovalStatus.PENDING
    )
    if command is not None:
        waiting = waiting.filter(command=command)
    withdrawn = list(waiting.order_by("pk"))
    for approval in withdrawn:
        approval.note = note
        _settle(approval, ApprovalStatus.WITHDRAWN)
        record(
            actor=actor,
            action=Action.APPROVAL_WITHDRAWN,
            subject=subject,
            stream=_stream(subject, approval.escrow_id),
            body={"approval": approval.pk, "command": approval.command},
        )
    return len(withdrawn)


def approval_state(subject: str, command: str) -> ApprovalState | None:
    """How far the two approvals of a command are; None where one is enough."""
    return approval_states([subject], command).get(subject)


def approval_states(subjects: Collection[str], command: str) -> dict[str, ApprovalState]:
    """`approval_state` of many subjects in one query; subjects without one are left out."""
    latest = (
        Approval.objects.filter(
            subject__in=list(subjects),
            command=command,
            needed=2,
            status__in=[ApprovalStatus.PENDING, ApprovalStatus.GRANTED],
        )
        .order_by("subject", "-pk")
        .distinct("subject")
    )
    return {
        approval.subject: ApprovalState(
            given=2 if approval.status == ApprovalStatus.GRANTED else 1,
            needed=2,
            granted=approval.status == ApprovalStatus.GRANTED,
        )
        for approval in latest
    }


def words_given(subject: str, command: str) -> list[WordGiven]:
    """Who has approved a command for which two people are needed, and why; first the first."""
    latest = (
        Approval.objects.filter(
            subject=subject,
            command=command,
            needed=2,
            status__in=[ApprovalStatus.PENDING, ApprovalStatus.GRANTED],
        )
        .order_by("-pk")
        .first()
    )
    if latest is None:
        return []
    words = [WordGiven(latest.first_actor, latest.first_note, latest.created_at)]
    if latest.granted_at is not None:
        words.append(WordGiven(latest.second_actor, latest.second_note, latest.granted_at))
    return words


def _stream(subject: str, escrow_id: int | None) -> str:
    return subject if escrow_id is None else f"escrow:{escrow_id}"


def _one_at_a_time(stream: str) -> None:
    # The sum of 24 hours is over rows of several commands: those of one escrow are judged one by
    # one even where a caller forgot to lock the escrow.
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"approvals:{stream}"]
        )


def _pending(subject: str, command: str) -> Approval | None:
    return (
        Approval.objects.select_for_update(no_key=True, of=("self",))
        .select_related("first_user")
        .filter(subject=subject, command=command, status=ApprovalStatus.PENDING)
        .first()
    )


def _still_counts(approval: Approval) -> bool:
    """Whether the first person is still somebody: who was deactivated, or is no longer staff,
    approves nothing. In a party's name too it is staff who approve."""
    first = approval.first_user
    return first is not None and first.is_active and first.is_staff


def _second(request: _Request, pending: Approval) -> ApprovalState:
    caller = request.caller
    if caller.user_id is None:
        raise ApprovalNeedsUser
    if pending.first_user_id == caller.user_id:
        return ApprovalState(given=1, needed=2, granted=False)
    _check_is_themselves(caller.user_id)
    pending.second_user_id = caller.user_id
    pending.second_actor = caller.actor
    pending.second_note = request.note
    pending.granted_at = clock.now()
    _settle(pending, ApprovalStatus.GRANTED)
    _tell(request, Action.APPROVAL_GRANTED, pending, has_note=bool(request.note))
    return ApprovalState(given=2, needed=2, granted=True)


def _first(request: _Request) -> ApprovalState:
    needed = 2 if two_are_needed(escrow_id=request.escrow_id, money=request.money) else 1
    if needed == 2:
        if request.caller.user_id is None:
            raise ApprovalNeedsUser
        _check_is_themselves(request.caller.user_id)
    now = clock.now()
    approval = Approval.objects.create(
        command=request.command,
        subject=request.subject,
        escrow_id=request.escrow_id,
        amount_minor=request.money.amount_minor,
        currency=request.money.currency,
        figures=request.figures,
        on_behalf_of=request.caller.on_behalf_of,
        needed=needed,
        status=ApprovalStatus.PENDING if needed == 2 else ApprovalStatus.GRANTED,
        first_user_id=request.caller.user_id,
        first_actor=request.caller.actor,
        first_note=request.note,
        created_at=now,
        updated_at=now,
        granted_at=None if needed == 2 else now,
    )
    if needed == 2:
        _tell(request, Action.APPROVAL_GIVEN, approval, has_note=bool(request.note))
    return ApprovalState(given=1, needed=needed, granted=needed == 1)


def _check_is_themselves(user_id: int) -> None:
    """Raise ApprovalTooEarly while whoever gave this person access may be the one who approves."""
    found = User.objects.filter(pk=user_id, approves_from__gt=clock.now())
    approves_from = found.values_list("approves_from", flat=True).first()
    if approves_from is not None:
        raise ApprovalTooEarly(approves_from=approves_from.isoformat())


def count_large_sum(*, caller: Caller, money: Money, whole: Money) -> None:
    """Count what a party's key moves that somebody else has seen within the last day, and refuse
    a large sum to it.

    `whole` is all that the key could move of one escrow, so that parts of it hide nothing; `money`
    is what it moves now, added to all that this user's keys have moved within their day, so that
    many small escrows hide nothing either. Call it in the transaction that moves the money. Raises
    ApprovalTooEarly above the four-eyes figure of the currency (none: always).
    """
    if caller.large_sums_from is None or caller.large_sums_from <= clock.now():
        return
    figure = settings.KOBATELA_FOUR_EYES_MIN_MINOR.get(money.currency)
    # Only here: most keys are not fresh, and theirs costs nothing.
    with transaction.atomic():
        if figure is None or whole.amount_minor > figure or _add_up(caller, money) > figure:
            raise ApprovalTooEarly(approves_from=caller.large_sums_from.isoformat())


def _add_up(caller: Caller, money: Money) -> int:
    """Add to what the keys of the caller's user have moved within their day; the sum.

    Whoever has seen one key may have seen another: so all of one user's count together, and are
    counted one by one.
    """
    assert caller.key_id is not None, "only a key has been seen by somebody else"
    _one_at_a_time(f"large_sums:{caller.user_id}")
    of_key, _ = FreshKeySum.objects.get_or_create(api_key_id=caller.key_id, currency=money.currency)
    of_key.moved_minor += money.amount_minor
    of_key.save(update_fields=["moved_minor"])
    fresh = FreshKeySum.objects.filter(
        currency=money.currency,
        api_key__user=caller.user_id,
        api_key__large_sums_from__gt=clock.now(),
    )
    return int(fresh.aggregate(sum=Sum("moved_minor"))["sum"])


def two_are_needed(*, escrow_id: int | None, money: Money) -> bool:
    """Whether two people must release `money` now, with what staff released for the escrow within
    24 hours; what belongs to no escrow always takes two."""
    figures: dict[str, int] = settings.KOBATELA_FOUR_EYES_MIN_MINOR
    figure = figures.get(money.currency)
    if figure is None or escrow_id is None:
        return True
    released = Approval.objects.filter(
        escrow_id=escrow_id,
        currency=money.currency,
        status=ApprovalStatus.GRANTED,
        granted_at__gt=clock.now() - COUNTED_TOGETHER_FOR,
    ).aggregate(total=Sum("amount_minor"))["total"]
    return (released or 0) + money.amount_minor > figure


def _settle(approval: Approval, status: ApprovalStatus) -> None:
    approval.transition_to(status)
    approval.updated_at = clock.now()
    approval.save(
        update_fields=[
            "status",
            "second_user",
            "second_actor",
            "second_note",
            "granted_at",
            "note",
            "updated_at",
        ]
    )


def _tell(request: _Request, action: Action, approval: Approval, **told: bool) -> None:
    # The words stand on the approval: the trail only says that there are some.
    record(
        actor=request.caller.actor,
        on_behalf_of=request.caller.on_behalf_of,
        action=action,
        subject=request.subject,
        stream=request.stream,
        body={
            "approval": approval.pk,
            "command": approval.command,
            "amount_minor": approval.amount_minor,
            "currency": approval.currency,
            **told,
        },
    )
