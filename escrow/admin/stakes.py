"""What somebody must know before they move money at the console: beside the form, not after it."""

import json
from collections.abc import Sequence

from escrow import rules, selectors
from escrow.admin.story import dispute_of
from escrow.models import Deposit, Escrow
from kobatela.accounts.selectors import pending_approvals, people_behind
from kobatela.accounts.services.approvals import two_are_needed
from kobatela.kernel.admin import readable_amounts
from kobatela.kernel.money import Money

Facts = Sequence[tuple[str, str]]
_ONE = "One person is enough now."
_TWO = (
    "Two people must ask for the same; the first asking moves nothing. What staff released for "
    "the escrow within 24 hours counts too."
)


def facts_of(escrow: Escrow, *, command: str) -> Facts:
    """The parties, what is held and promised, the dispute, and who must agree to `command`."""
    held = Money(rules.held_minor(escrow), escrow.currency)
    facts = [
        ("Parties", f"{escrow.client} → {escrow.provider}"),
        ("Held", str(held)),
        ("Of a total of", str(Money(escrow.amount_total_minor, escrow.currency))),
        ("Open milestones", _open_milestones(escrow)),
    ]
    if (dispute := dispute_of(escrow)) is not None:
        facts.append(("Disputed by", f"{dispute.who}, {dispute.at:%Y-%m-%d %H:%M} UTC"))
        facts.append(("Reason", dispute.why))
    return [*facts, *_people(escrow.reference, command, escrow.pk, held)]


def facts_of_deposit(deposit: Deposit) -> Facts:
    """Whose deposit it is, how much, and who must agree to its confirmation."""
    escrow = deposit.escrow
    money = Money(deposit.amount_minor, deposit.currency)
    missing = Money(escrow.amount_total_minor - escrow.funded_minor, escrow.currency)
    who = people_behind({deposit.reported_by})[deposit.reported_by]
    return [
        ("Deposit", f"{money}, reported by {who}"),
        ("Escrow", f"#{escrow.pk}, {escrow.client} → {escrow.provider}, {escrow.status}"),
        ("Still missing there", str(missing)),
        *_people(deposit.reference, rules.CONFIRM_DEPOSIT.name, escrow.pk, money),
    ]


def _open_milestones(escrow: Escrow) -> str:
    lines = [
        f"{item.sequence_index} {item.label}: {Money(item.amount_minor, item.currency)}, "
        f"{item.status}"
        for item in selectors.milestones_of(escrow)
        if item.status in rules.OPEN_MILESTONE
    ]
    return "\n".join(lines) or "none"


def _people(subject: str, command: str, escrow_id: int, money: Money) -> Facts:
    first = pending_approvals().filter(subject=subject, command=command).first()
    if first is not None:
        who = people_behind({first.first_actor})[first.first_actor]
        asked = readable_amounts(json.loads(first.figures))
        return [("People", _TWO), ("Approved so far", f"{who}, who asked for\n{asked}")]
    return [("People", _TWO if two_are_needed(escrow_id=escrow_id, money=money) else _ONE)]
