"""What support may do to an escrow or a deposit at the console: the API's own services."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from django import forms
from django.http import HttpRequest

from escrow import rules
from escrow.admin.page import PENDING_APPROVALS
from escrow.admin.stakes import facts_of, facts_of_deposit
from escrow.models import Deposit, DepositStatus, Escrow, EscrowStatus
from escrow.services import deadlines
from escrow.services.deposits import confirm_deposit, reject_deposit
from escrow.services.disputes import resolve_dispute
from escrow.services.refunds import refund_escrow
from kobatela.accounts.services.approvals import ApprovalState, approval_state, withdraw
from kobatela.accounts.services.callers import staff_caller
from kobatela.kernel.admin import Command, NoteForm
from kobatela.kernel.caller import Caller
from kobatela.kernel.money import format_minor
from kobatela.rest.fields import minor

_MORE = "Your approval counts; a second person has to ask for the same before money moves."


class ResolveForm(NoteForm):
    """How what is held is divided."""

    field_order = ("release", "refund", "note")
    release = forms.DecimalField(
        label="Release to the provider", min_value=0, max_digits=20, decimal_places=3
    )
    refund = forms.DecimalField(
        label="Refund to the client", min_value=0, max_digits=20, decimal_places=3
    )


class RefundForm(NoteForm):
    """How much goes back, and why."""

    field_order = ("amount", "note")
    amount = forms.DecimalField(
        required=False,
        min_value=0,
        max_digits=20,
        decimal_places=3,
        help_text="Empty: all that is held, and the escrow ends. A part is taken from what no "
        "open milestone needs.",
    )


def caller_of(request: HttpRequest) -> Caller:
    """The member of staff who is signed in."""
    return staff_caller(request.user)  # type: ignore[arg-type]  # the console lets only staff in


def _resolve(request: HttpRequest, escrow: Escrow, data: Mapping[str, Any]) -> str:
    result = resolve_dispute(
        caller=caller_of(request),
        escrow_id=escrow.pk,
        release_in=lambda currency: minor(data["release"], currency, "release", minimum_minor=0),
        refund_in=lambda currency: minor(data["refund"], currency, "refund", minimum_minor=0),
        note=data["note"],
    )
    return _said(result.approvals, f"The dispute is resolved: {result.escrow.status}.")


def _refund(request: HttpRequest, escrow: Escrow, data: Mapping[str, Any]) -> str:
    deadlines.apply_due(escrow_id=escrow.pk)
    amount = data["amount"]
    result = refund_escrow(
        caller=caller_of(request),
        escrow_id=escrow.pk,
        amount_in=None if amount is None else lambda currency: minor(amount, currency),
        note=data["note"],
    )
    return _said(result.approvals, f"The money goes back. The escrow is {result.escrow.status}.")


def _check_deadline(request: HttpRequest, escrow: Escrow, _data: Mapping[str, Any]) -> str:
    checked = deadlines.check_deadline(caller=caller_of(request), escrow_id=escrow.pk)
    return f"Deadlines are applied. The escrow is {checked.status}."


def _withdraw(request: HttpRequest, escrow: Escrow, data: Mapping[str, Any]) -> str:
    withdrawn = sum(
        withdraw(
            actor=caller_of(request).actor,
            subject=escrow.reference,
            command=command,
            note=data["note"],
        )
        for command in PENDING_APPROVALS
    )
    return f"Approvals withdrawn: {withdrawn}."


def _confirm_deposit(request: HttpRequest, deposit: Deposit, _data: Mapping[str, Any]) -> str:
    deadlines.apply_due(escrow_id=deposit.escrow_id)
    result = confirm_deposit(
        caller=caller_of(request), escrow_id=deposit.escrow_id, deposit_id=deposit.pk
    )
    return _said(result.approvals, "The deposit is confirmed and booked.")


def _reject_deposit(request: HttpRequest, deposit: Deposit, data: Mapping[str, Any]) -> str:
    reject_deposit(
        caller=caller_of(request),
        escrow_id=deposit.escrow_id,
        deposit_id=deposit.pk,
        note=data["note"],
    )
    return "The deposit has failed."


def _said(approvals: ApprovalState | None, done: str) -> str:
    return done if approvals is None else _MORE


def _no_resolution(escrow: Escrow) -> str | None:
    return None if escrow.status == EscrowStatus.DISPUTED else "It is not disputed."


def _no_refund(escrow: Escrow) -> str | None:
    if escrow.status == EscrowStatus.DISPUTED:
        return "It is disputed; resolve it."
    return "It has ended." if escrow.status in rules.TERMINAL else None


def _no_check(escrow: Escrow) -> str | None:
    return "It has ended." if escrow.status in rules.TERMINAL else None


def _no_withdrawal(escrow: Escrow) -> str | None:
    states = [approval_state(escrow.reference, command) for command in PENDING_APPROVALS]
    waits = any(state is not None and not state.granted for state in states)
    return None if waits else "No approval waits for a second person."


def _no_decision(deposit: Deposit) -> str | None:
    if deposit.status == DepositStatus.PENDING:
        return None
    return f"It is {deposit.status}."


def _no_confirmation(deposit: Deposit) -> str | None:
    if deposit.escrow.status not in rules.BEFORE_DISPUTE:
        return f"The escrow is {deposit.escrow.status}; it takes no money."
    return _no_decision(deposit)


def _all_held(escrow: Escrow) -> Mapping[str, str]:
    # It tells how much there is to divide; the release is left open, so that nobody just confirms.
    return {"refund": format_minor(escrow.held_minor, escrow.currency)}


ESCROW_COMMANDS = (
    Command(
        "resolve",
        "Resolve",
        _resolve,
        form_class=ResolveForm,
        help_text="Both parts together are all that is held. The release pays open milestones in "
        "sequence as long as it covers them in full; the rest is one payment.",
        danger=True,
        refusal=_no_resolution,
        initial=_all_held,
        facts=partial(facts_of, command=rules.RESOLVE.name),
    ),
    Command(
        "refund",
        "Refund",
        _refund,
        form_class=RefundForm,
        help_text="Gives money back to the client, newest deposit first.",
        danger=True,
        refusal=_no_refund,
        facts=partial(facts_of, command=rules.REFUND.name),
    ),
    Command(
        "check_deadline",
        "Check deadline",
        _check_deadline,
        help_text="Applies what is due now, as the job does every minute.",
        refusal=_no_check,
    ),
    Command(
        "withdraw_approval",
        "Withdraw approval",
        _withdraw,
        form_class=NoteForm,
        help_text="Rejects what another person approved and a second one has not.",
        refusal=_no_withdrawal,
    ),
)
DEPOSIT_COMMANDS = (
    Command(
        "confirm",
        "Confirm",
        _confirm_deposit,
        help_text="You have seen the money on the account. It is booked against the manual PSP.",
        danger=True,
        refusal=_no_confirmation,
        facts=facts_of_deposit,
    ),
    Command(
        "reject",
        "Reject",
        _reject_deposit,
        form_class=NoteForm,
        help_text="The money never came. A first approval is withdrawn with it.",
        refusal=_no_decision,
    ),
)
