"""Money that was put in at a PSP or went back to a collector, in the console: said by one person
and by another."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString

from kobatela.accounts.list_commands import ListCommand, MakingAdmin
from kobatela.accounts.services.callers import staff_caller
from kobatela.kernel.admin import ADMIN_GROUP, SUPPORT_GROUP, Command, NoteForm
from kobatela.kernel.caller import Caller
from kobatela.kernel.money import Money, parse_minor
from payments.admin.tables import postings_table
from payments.ledger import selectors as ledger
from payments.models import FundsMove, FundsMoveStatus
from payments.psp import registry
from payments.services.funds import MoveResult, approve_move, propose_move, reject_move

_STAFF = frozenset({ADMIN_GROUP, SUPPORT_GROUP})


def _currencies() -> list[tuple[str, str]]:
    return [(code, code) for code in settings.KOBATELA_CURRENCIES]


class MoveForm(forms.Form):
    """What came, from whom, to whom, and where it was seen."""

    source = forms.CharField(
        label="From",
        max_length=40,
        help_text="collector:7 (the number of a user), psp:stripe, chargeback:3 (its payer pays "
        "their debt) or operator (our own money).",
    )
    target = forms.CharField(label="To", max_length=40)
    amount = forms.CharField(max_length=20)
    currency = forms.ChoiceField(choices=_currencies)
    bank_ref = forms.CharField(
        label="Bank reference",
        max_length=100,
        help_text="As it stands on the statement. One reference is booked once.",
    )
    note = forms.CharField(max_length=2000, widget=forms.Textarea(attrs={"rows": 3}))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        psps = ", ".join(registry.with_books())
        said = f"The PSP ({psps}); or collector:7, whom a PSP paid what it had advanced for us."
        self.fields["target"].help_text = said


def _caller(request: HttpRequest) -> Caller:
    return staff_caller(request.user)  # type: ignore[arg-type]  # the console lets only staff in


def _said(done: MoveResult) -> str:
    if done.approvals.granted:
        return "It is booked; what waited for this money goes on."
    return "It is noted. Another person must say the same."


def _propose(request: HttpRequest, data: Mapping[str, Any]) -> HttpResponse:
    done = propose_move(
        caller=_caller(request),
        source=data["source"],
        target=data["target"],
        money=Money(parse_minor(data["amount"], data["currency"]), data["currency"]),
        bank_ref=data["bank_ref"],
        note=data["note"],
    )
    messages.success(request, _said(done))
    page = reverse("admin:payments_fundsmove_change", args=[done.move.pk])
    return HttpResponseRedirect(page)


def _approve(request: HttpRequest, move: FundsMove, _data: Mapping[str, Any]) -> str:
    return _said(approve_move(caller=_caller(request), move_id=move.pk))


def _reject(request: HttpRequest, move: FundsMove, data: Mapping[str, Any]) -> str:
    reject_move(caller=_caller(request), move_id=move.pk, note=data["note"])
    return "It is rejected; nothing was booked."


def _has_ended(move: FundsMove) -> str | None:
    return None if move.status == FundsMoveStatus.WAITING else f"It is {move.status}."


@admin.display(description="amount", ordering="amount_minor")
def _amount(move: FundsMove) -> str:
    return str(move.money)


@admin.register(FundsMove)
class FundsMoveAdmin(MakingAdmin):
    """Money that came to a PSP from a collector, another PSP, a debtor or ourselves, and what went
    back to collectors."""

    list_display = (
        "id",
        "status",
        _amount,
        "source",
        "target",
        "bank_ref",
        "proposed_by",
        "booked_by",
        "created_at",
    )
    list_filter = ("status", "target", "currency")
    search_fields = ("=bank_ref", "=source", "=id")
    ordering = ("-id",)
    readonly_fields = ("postings",)
    list_commands: ClassVar[Sequence[ListCommand]] = (
        ListCommand(
            "propose",
            "Book money that came in or went back",
            MoveForm,
            _propose,
            help_text="Only what you see on the account of the PSP. It moves no money; it says "
            "where money is. A second person must say the same.",
            danger=True,
            roles=_STAFF,
        ),
    )
    commands: ClassVar[Sequence[Command]] = (
        Command(
            "approve",
            "I see it too",
            _approve,
            help_text="Says that this money is on the statement of the PSP, under this reference.",
            danger=True,
            refusal=_has_ended,
        ),
        Command("reject", "Reject", _reject, form_class=NoteForm, refusal=_has_ended),
    )

    @admin.display(description="postings")
    def postings(self, move: FundsMove) -> SafeString:
        """What it moved in the books."""
        return postings_table(ledger.transfers([f"funds:{move.bank_ref}:moved"]))
