"""Reading escrows: what a caller may see, and rows under their locks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Q, QuerySet, Sum

from audit import selectors as audit_selectors
from audit.actions import Action
from escrow import deadlines, rules
from escrow.deadlines import Deadline
from escrow.errors import DepositNotFound, EscrowNotFound, MilestoneNotFound
from escrow.fees import fee_on_all_held_minor
from escrow.models import Deposit, DepositStatus, Escrow, EscrowStatus, Milestone, Note
from escrow.rules import Standing
from kobatela.accounts.selectors import nobody_else, parties_of
from kobatela.accounts.visible import visible_to
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller, Scope
from kobatela.kernel.rows import RowStatement
from payments import selectors as payment_selectors

# What the parties read as the story of an escrow: all that happened to it, no reads, no approvals.
TIMELINE_NOUNS = ("escrow", "milestone", "deposit", "proof", "payment", "funding")
TIMELINE_ACTIONS = frozenset(
    action
    for action in Action
    if action.partition(".")[0] in TIMELINE_NOUNS and not action.endswith((".read", ".listed"))
)

# Every command begins with two of these, so they are not composed anew each time.
_LOCK = RowStatement(Escrow, "FROM escrow_escrow WHERE id = %s FOR NO KEY UPDATE")
_LOCK_OWN = RowStatement(
    Escrow,
    "FROM escrow_escrow WHERE id = %s AND %s IN (client_id, provider_id) FOR NO KEY UPDATE",
)
_DUE = "SELECT 1 FROM escrow_escrow WHERE id = %s AND next_deadline_at <= %s"
_ANNOUNCED = (
    "SELECT 1 FROM escrow_deposit"
    " WHERE escrow_id = %s AND status = %s AND amount_minor > %s LIMIT 1"
)

held_minor = rules.held_minor
OPEN_STATUSES = frozenset(EscrowStatus) - rules.TERMINAL


def visible_escrows(caller: Caller) -> QuerySet[Escrow]:
    """The escrows that the caller may see: all for staff, else those of its parties."""
    return Escrow.objects.filter(visible_to(caller, "client", "provider"))


def is_visible(caller: Caller, escrow_id: int) -> bool:
    """Whether the caller may see the escrow."""
    return visible_escrows(caller).filter(pk=escrow_id).exists()


def get_escrow(caller: Caller, escrow_id: int, *, field: str | None = None) -> Escrow:
    """One escrow. Raises EscrowNotFound, also for one that the caller may not see; with `field`,
    where the body of the request names it."""
    escrow = visible_escrows(caller).filter(pk=escrow_id).first()
    if escrow is None:
        raise EscrowNotFound.in_body(field, escrow_id) if field else EscrowNotFound()
    return escrow


def find_escrows(
    caller: Caller,
    *,
    status: str | None = None,
    role: str | None = None,
    deadline_before: datetime | None = None,
    q: str | None = None,
) -> QuerySet[Escrow]:
    """Visible escrows by the filters of `GET /escrows`.

    role: the caller's own part, `client` (also called `sender`) or `provider`. q: an escrow's id,
    or part of the username of a party.
    """
    found = visible_escrows(caller)
    if status is not None:
        found = found.filter(status=status)
    if role is not None:
        side = "provider" if role == "provider" else "client"
        found = found.filter(**{f"{side}__in": parties_of(caller)})
    if deadline_before is not None:
        found = found.filter(deadline_at__lt=deadline_before)
    if q:
        found = found.filter(matching(q))
    return found


def matching(q: str) -> Q:
    """Escrows of a party whose username holds `q`, and the one whose id it is."""
    wanted = Q(client__username__icontains=q) | Q(provider__username__icontains=q)
    if q.isascii() and q.isdigit() and len(q) <= 18:
        wanted |= Q(pk=int(q))
    return wanted


def client_of(escrow_id: int) -> int | None:
    """Whose money an escrow holds; None when there is none."""
    return Escrow.objects.filter(pk=escrow_id).values_list("client_id", flat=True).first()


def lock_escrow(escrow_id: int) -> Escrow:
    """One escrow, locked until the transaction ends. Raises EscrowNotFound.

    The lock lets others insert rows that refer to the escrow; two holders exclude each other.
    """
    return _locked(_LOCK, escrow_id)


def lock_visible_escrow(caller: Caller, escrow_id: int) -> Escrow:
    """As lock_escrow; a foreign escrow is not found either, and never waited for: who waits for
    it would learn that it is there."""
    if caller.acts_for is nobody_else and not caller.is_staff:
        # PostgreSQL locks only what the condition lets through, so one statement does both.
        return _locked(_LOCK_OWN, escrow_id, caller.party_id)
    if not caller.is_staff:
        parties = Escrow.objects.filter(pk=escrow_id).values_list("client_id", "provider_id")
        if not any(map(caller.may_act_for, parties.first() or ())):
            raise EscrowNotFound
    return lock_escrow(escrow_id)


def _locked(statement: RowStatement[Escrow], *parameters: int | None) -> Escrow:
    escrow = statement.first(*parameters)
    if escrow is None:
        raise EscrowNotFound
    return escrow


def lock_milestone(milestone_id: int) -> Milestone:
    """One milestone, locked; its escrow must be locked already. Raises MilestoneNotFound."""
    milestones = Milestone.objects.select_for_update(no_key=True)
    milestone = milestones.filter(pk=milestone_id).order_by().first()
    if milestone is None:
        raise MilestoneNotFound
    return milestone


def milestones_of(escrow: Escrow) -> list[Milestone]:
    """All milestones of an escrow in their sequence."""
    return list(escrow.milestones.order_by("sequence_index"))


def requirements_of(escrow_id: int, *, limit: int) -> list[Any]:
    """What the milestones of an escrow ask of their proofs, of at most `limit` of them."""
    found = Milestone.objects.filter(escrow=escrow_id).order_by("sequence_index")
    return list(found.values_list("proof_requirements", flat=True)[:limit])


def visible_milestones(caller: Caller) -> QuerySet[Milestone]:
    """The milestones of the escrows that the caller may see, with their escrow."""
    visible = visible_to(caller, "escrow__client", "escrow__provider")
    return Milestone.objects.filter(visible).select_related("escrow")


def get_milestone(caller: Caller, milestone_id: int) -> Milestone:
    """One milestone. Raises MilestoneNotFound, also for one that the caller may not see."""
    milestone = visible_milestones(caller).filter(pk=milestone_id).first()
    if milestone is None:
        raise MilestoneNotFound
    return milestone


def deposits_of(escrow: Escrow) -> QuerySet[Deposit]:
    """The deposits of one escrow."""
    return Deposit.objects.filter(escrow=escrow)


def lock_deposit(escrow: Escrow, deposit_id: int) -> Deposit:
    """One deposit of a locked escrow. Raises DepositNotFound."""
    deposit = deposits_of(escrow).select_for_update(no_key=True).filter(pk=deposit_id).first()
    if deposit is None:
        raise DepositNotFound
    return deposit


def free_minor(escrow: Escrow) -> int:
    """What may be taken out of the escrow without touching an open milestone."""
    promised = Milestone.objects.filter(escrow=escrow, status__in=rules.OPEN_MILESTONE)
    return rules.free_of(escrow, promised.aggregate(sum=Sum("amount_minor"))["sum"] or 0)


def has_open_escrow(user_id: int) -> bool:
    """Whether the user is a party of an escrow that is not closed."""
    party = Q(client=user_id) | Q(provider=user_id)
    return Escrow.objects.filter(party).exclude(status__in=rules.TERMINAL).exists()


def is_due(escrow_id: int, at: datetime) -> bool:
    """Whether a deadline of the escrow acts by `at`. One look, no lock."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE, [escrow_id, at])
        return cursor.fetchone() is not None


def has_announced(escrow_id: int, above_minor: int) -> bool:
    """Whether a deposit of more than `above_minor` waits. Asked for every confirmed deposit."""
    with connection.cursor() as cursor:
        cursor.execute(_ANNOUNCED, [escrow_id, DepositStatus.PENDING, above_minor])
        return cursor.fetchone() is not None


def due_escrow_ids(at: datetime, limit: int) -> list[int]:
    """The escrows on which a deadline acts by `at`, the longest overdue first."""
    due = Escrow.objects.filter(next_deadline_at__lte=at).order_by("next_deadline_at")
    return list(due.values_list("pk", flat=True)[:limit])


def deposits_waiting_since(before: datetime, limit: int) -> dict[int, int]:
    """The escrow of each pending deposit reported before `before`, oldest first; both by id."""
    waiting = Deposit.objects.filter(status=DepositStatus.PENDING, created_at__lt=before)
    return dict(waiting.order_by("created_at").values_list("pk", "escrow_id")[:limit])


def deposits_to_confirm() -> QuerySet[Deposit]:
    """Every deposit that waits for support."""
    return Deposit.objects.filter(status=DepositStatus.PENDING)


def disputed_escrows() -> QuerySet[Escrow]:
    """Every escrow that waits for a resolution."""
    return Escrow.objects.filter(status=EscrowStatus.DISPUTED)


def notes_by_id(note_ids: Sequence[int]) -> dict[int, Note]:
    """Notes by their id, for the timeline."""
    return Note.objects.in_bulk(note_ids)


def timeline(escrow: Escrow) -> QuerySet[Any]:
    """The audit entries that tell the escrow's story."""
    return audit_selectors.timeline(escrow.reference, TIMELINE_ACTIONS)


def refused_attempts(escrow: Escrow) -> QuerySet[Any]:
    """The audit entries of what was tried on the escrow and refused."""
    return audit_selectors.entries_apart(escrow.reference)


def standing(caller: Caller, escrow: Escrow) -> Standing:
    """The escrow as this caller meets it now, with all that its rules look at."""
    pending = 0
    if caller.is_staff:
        pending = deposits_of(escrow).filter(status=DepositStatus.PENDING).count()
    return Standing(escrow, caller, clock.now(), milestones_of(escrow), pending)


@dataclass(frozen=True, slots=True)
class Summary:
    """All that one page about an escrow shows."""

    escrow: Escrow
    milestones: Sequence[Milestone]
    free_minor: int
    in_transit_minor: int
    current_milestone: Milestone | None
    allowed_actions: Sequence[str]
    deadlines: Sequence[Deadline]
    platform_fee_bps: int
    platform_fee_minor: int


def summary(
    caller: Caller, escrow: Escrow, passes_gate: Callable[[Caller, frozenset[Scope]], bool]
) -> Summary:
    """The state of an escrow, what this caller may do, and what happens if nobody acts.

    passes_gate: whether the caller's key passes an endpoint of these scopes.
    """
    met = standing(caller, escrow)
    return Summary(
        escrow=escrow,
        milestones=met.milestones,
        free_minor=met.free_minor,
        in_transit_minor=payment_selectors.in_transit_minor(escrow.pk),
        current_milestone=rules.current_milestone(met.milestones),
        allowed_actions=rules.allowed_actions(met, passes_gate),
        deadlines=running_deadlines(escrow, has_milestones=bool(met.milestones)),
        platform_fee_bps=settings.KOBATELA_FEE_BPS,
        platform_fee_minor=fee_on_all_held_minor(escrow, met.milestones),
    )


def running_deadlines(escrow: Escrow, *, has_milestones: bool) -> list[Deadline]:
    """Every deadline of the escrow with its outcome, as of now."""
    return deadlines.running(
        escrow,
        has_milestones=has_milestones,
        psp_hold=timedelta(days=settings.KOBATELA_PSP_HOLD_DAYS),
        at=clock.now(),
    )
