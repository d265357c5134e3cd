"""What a report tells of each escrow of a project: figures, milestones, evidence; no people.

Labels of milestones, notes and file names are words that people wrote, and names stand in them;
a report has numbers, states and hashes only.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from audit import selectors as audit_selectors
from escrow import projects
from escrow.models import Escrow, Milestone, Project
from kobatela.kernel.money import format_minor


@dataclass(frozen=True, slots=True)
class MilestoneLine:
    """A milestone, and the SHA-256 of every file that was sent for it, oldest first."""

    sequence_index: int
    status: str
    amount: str
    evidence: Sequence[str]


@dataclass(frozen=True, slots=True)
class Amounts:
    """Decimal texts of one currency, in the order of AMOUNTS.

    settled: what has arrived at the provider. remaining: what may still be given to them.
    """

    total: str
    funded: str
    released: str
    settled: str
    refunded: str
    remaining: str

    @property
    def cells(self) -> tuple[str, ...]:
        """All of them, in order."""
        return tuple(getattr(self, name) for name in AMOUNTS)


AMOUNTS = ("total", "funded", "released", "settled", "refunded", "remaining")


@dataclass(frozen=True, slots=True)
class EscrowLine:
    """An escrow and its milestones."""

    reference: str
    status: str
    currency: str
    amounts: Amounts
    milestones: Sequence[MilestoneLine]


@dataclass(frozen=True, slots=True)
class TotalLine:
    """The sums of one currency."""

    currency: str
    escrows: int
    amounts: Amounts


def escrow_lines(project: Project) -> Iterator[EscrowLine]:
    """Every escrow of the project in the order of their numbers, read in batches."""
    for batch in projects.in_batches(projects.escrows_of(project)):
        settled = projects.settled_minor(batch)
        milestones = _milestones(batch)
        evidence = audit_selectors.evidence_hashes([escrow.reference for escrow in batch])
        for escrow in batch:
            yield _line(escrow, settled.get(escrow.pk, 0), milestones[escrow.pk], evidence)


def total_lines(project: Project) -> list[TotalLine]:
    """The sums of the project's escrows, a line for each currency."""
    settled = projects.settled_minor_by_currency(project)
    return [
        TotalLine(
            total.currency,
            total.escrows,
            _amounts(
                total.currency,
                total=total.total_minor,
                funded=total.funded_minor,
                released=total.released_minor,
                settled=settled.get(total.currency, 0),
                refunded=total.refunded_minor,
                remaining=total.remaining_minor,
            ),
        )
        for total in projects.totals(projects.escrows_of(project))
    ]


def _amounts(currency: str, **minor: int) -> Amounts:
    return Amounts(**{name: format_minor(value, currency) for name, value in minor.items()})


def _milestones(escrows: Sequence[Escrow]) -> Mapping[int, list[Milestone]]:
    found: dict[int, list[Milestone]] = {escrow.pk: [] for escrow in escrows}
    for milestone in Milestone.objects.filter(escrow__in=escrows).order_by("sequence_index"):
        found[milestone.escrow_id].append(milestone)
    return found


def _line(
    escrow: Escrow,
    settled_minor: int,
    milestones: Sequence[Milestone],
    evidence: Mapping[int, Sequence[str]],
) -> EscrowLine:
    return EscrowLine(
        escrow.reference,
        escrow.status,
        escrow.currency,
        _amounts(
            escrow.currency,
            total=escrow.amount_total_minor,
            funded=escrow.funded_minor,
            released=escrow.released_minor,
            settled=settled_minor,
            refunded=escrow.refunded_minor,
            remaining=projects.remaining_minor(escrow),
        ),
        [
            MilestoneLine(
                milestone.sequence_index,
                milestone.status,
                format_minor(milestone.amount_minor, escrow.currency),
                evidence.get(milestone.pk, ()),
            )
            for milestone in milestones
        ],
    )
