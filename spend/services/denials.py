"""Refusing to spend. What was refused is kept, whatever becomes of the request."""

from collections.abc import Mapping
from typing import Any

from audit.actions import Action
from audit.services import entries
from kobatela.kernel.caller import Caller
from kobatela.kernel.errors import DomainError
from spend import rules
from spend.rules import Ask, Decision, Limit

# What only those read who may see the escrow itself.
_OF_THE_ESCROW = "escrow"


def refuse(
    *,
    caller: Caller,
    decision: Decision,
    ask: Ask,
    action: Action,
    subject: str,
    about: Mapping[str, Any],
    shows_escrow: bool,
    stream: str | None = None,
) -> DomainError:
    """The refusal of a decision, ready to be raised; its audit entry stays when all is undone.

    subject, about: what the entry is about. shows_escrow: whether the caller may read how much is
    free in the escrow. stream: the escrow whose money was asked for, where the subject is another.
    """
    assert decision.error is not None, "a decision that allows refuses nothing"
    entries.record_apart(
        actor=caller.actor,
        on_behalf_of=caller.on_behalf_of,
        action=action,
        subject=subject,
        stream=stream,
        body={
            "code": decision.error.code,
            "rule": decision.rule,
            "amount_minor": ask.amount_minor,
            "currency": ask.currency,
            "left": {limit.name: limit.left for limit in decision.limits},
            **about,
        },
    )
    limits = readable(decision, shows_escrow=shows_escrow)
    return decision.error(rule=decision.rule, limits=rules.shown(limits, ask.currency))


def readable(decision: Decision, *, shows_escrow: bool) -> tuple[Limit, ...]:
    """The limits that a caller may read; `shows_escrow` as for `refuse`."""
    return tuple(item for item in decision.limits if shows_escrow or item.name != _OF_THE_ESCROW)
