"""What waits for a person, for the first page of the console."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse

from audit import selectors as audit_selectors
from audit.alert_types import AlertStatus
from escrow import selectors as escrow_selectors
from kobatela.accounts import selectors as account_selectors
from payments import records as reconciliation
from payments import selectors as payment_selectors
from payments.batches import batches_for_staff
from proofs import selectors as proof_selectors

# Nobody works through more than this in a day, and counting on would cost more with each row.
COUNTED_AT_MOST = 100


class Tone(StrEnum):
    """How a card looks: nothing there, work as usual, something that must not wait."""

    QUIET = "quiet"
    WAITING = "waiting"
    URGENT = "urgent"


@dataclass(frozen=True, slots=True)
class Card:
    """One kind of work: how much of it, since when, and where to do it."""

    label: str
    hint: str
    count: int
    oldest_at: datetime | None
    url: str
    tone: Tone

    @property
    def number(self) -> str:
        """The count as it is shown."""
        return f"{COUNTED_AT_MOST}+" if self.count > COUNTED_AT_MOST else str(self.count)


@dataclass(frozen=True, slots=True)
class _Pile:
    """A kind of work: its rows oldest first, and the moment from which they wait."""

    label: str
    hint: str
    rows: Callable[[], QuerySet[Any, Any]]
    since: str
    url: str
    tone: Tone = Tone.WAITING


def cards() -> list[Card]:
    """Every pile of work with its size. One query each, whatever the size of the tables."""
    return [_card(pile) for pile in _piles()]


def _card(pile: _Pile) -> Card:
    rows = pile.rows().order_by(pile.since).values_list(pile.since, flat=True)
    waiting: Sequence[datetime] = list(rows[: COUNTED_AT_MOST + 1])
    return Card(
        label=pile.label,
        hint=pile.hint,
        count=len(waiting),
        oldest_at=waiting[0] if waiting else None,
        url=pile.url,
        tone=pile.tone if waiting else Tone.QUIET,
    )


def _piles() -> list[_Pile]:
    return [*_piles_of_decisions(), *_piles_of_what_went_wrong()]


def _piles_of_decisions() -> list[_Pile]:
    return [
        _Pile(
            "Proofs to decide",
            "Photos and documents that a machine may not approve.",
            proof_selectors.review_queue,
            "created_at",
            reverse("admin:proofs_proof_changelist"),
        ),
        _Pile(
            "Deposits to confirm",
            "Reported by a client; they fund nothing until somebody has seen the money.",
            escrow_selectors.deposits_to_confirm,
            "created_at",
            reverse("admin:escrow_deposit_changelist") + "?status=PENDING",
        ),
        _Pile(
            "Disputes to resolve",
            "Money stands still until the release and the refund are decided.",
            escrow_selectors.disputed_escrows,
            "updated_at",
            reverse("admin:escrow_escrow_changelist") + "?status=DISPUTED",
        ),
        _Pile(
            "Second approvals",
            "One person has agreed; another must agree or reject.",
            account_selectors.pending_approvals,
            "created_at",
            reverse("admin:accounts_approval_changelist") + "?status=PENDING",
        ),
        _Pile(
            "Batches to pay",
            "Payments that people make from a file: to be approved by two, then released.",
            batches_for_staff,
            "created_at",
            reverse("admin:payments_batch_changelist") + "?status__in=DRAFT,APPROVED",
        ),
    ]


def _piles_of_what_went_wrong() -> list[_Pile]:
    return [
        _Pile(
            "Payments that failed",
            "Refused by the PSP, or held; they can be tried again.",
            payment_selectors.payments_for_staff,
            "updated_at",
            reverse("admin:payments_payment_changelist") + "?status=ERROR",
            Tone.URGENT,
        ),
        _Pile(
            "Reports that could not be taken",
            "What a PSP told and no worker could process; it can be processed again.",
            payment_selectors.events_for_staff,
            "received_at",
            reverse("admin:payments_pspevent_changelist") + "?status=FAILED",
            Tone.URGENT,
        ),
        _Pile(
            "Differences with PSPs",
            "Their record and ours disagree; nothing is repaired by itself.",
            reconciliation.open_differences,
            "created_at",
            reverse("admin:payments_difference_changelist") + "?status=OPEN",
            Tone.URGENT,
        ),
        _Pile(
            "Open alerts",
            "What the platform noticed and nobody has looked at.",
            _open_alerts,
            "created_at",
            reverse("admin:audit_alert_changelist") + f"?status={AlertStatus.OPEN}",
            Tone.URGENT,
        ),
    ]


def _open_alerts() -> QuerySet[Any, Any]:
    return audit_selectors.alerts(status=AlertStatus.OPEN)
