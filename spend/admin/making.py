"""Making merchants and payees in the console, and saying where they are paid."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from escrow.services.amounts import AmountIn
from kobatela.accounts.list_commands import MakingAdmin
from kobatela.accounts.services.callers import staff_caller
from kobatela.kernel.admin import ADMIN_GROUP, SUPPORT_GROUP, Command, UncountedChangeList
from kobatela.kernel.caller import Caller
from kobatela.rest.fields import MAX_BIGINT, minor
from payments.recipients import destination_of_party, destinations_of_parties
from spend.services.destinations import Destination

STAFF = frozenset({ADMIN_GROUP, SUPPORT_GROUP})
_WAYS = ("user_id", "iban", "number")

# A number of a record, as the API takes it.
IdField: Callable[..., forms.IntegerField] = partial(
    forms.IntegerField, min_value=1, max_value=MAX_BIGINT
)


class PaidToForm(forms.Form):
    """Where somebody is paid: a user, a bank account or mobile money."""

    user_id = IdField(label="Paid as the user with the id", required=False)
    iban = forms.CharField(label="Or to the IBAN", max_length=64, required=False)
    operator = forms.CharField(label="Or by mobile money: operator", max_length=64, required=False)
    number = forms.CharField(
        label="and number",
        max_length=64,
        required=False,
        help_text="With + and the country code.",
    )
    holder = forms.CharField(label="Holder of the account", max_length=150, required=False)
    needs_a_way: ClassVar[bool] = False

    def clean(self) -> dict[str, Any]:
        """One way at most."""
        data = super().clean() or {}
        named = [way for way in _WAYS if data.get(way)]
        if len(named) > 1 or (self.needs_a_way and not named):
            message = "Name one: a user, an IBAN, or a number of mobile money."
            raise forms.ValidationError(message, code="one_of")
        return data


class PayElsewhereForm(PaidToForm):
    """Where somebody is paid from now on."""

    needs_a_way = True


def pay_elsewhere(
    run: Callable[[HttpRequest, Any, Mapping[str, Any]], str],
    *,
    refusal: Callable[[Any], str | None] = lambda _row: None,
) -> Command:
    """The command by which a merchant or payee is paid elsewhere from now on."""
    return Command(
        "pay_elsewhere",
        "Change where they are paid",
        run,
        form_class=PayElsewhereForm,
        help_text="A new account or user is paid once its time of waiting is over. What a user was "
        "owed before stays that user's. Staff are told of it by an alert.",
        danger=True,
        refusal=refusal,
    )


def destination_of(data: Mapping[str, Any]) -> Destination | None:
    """What a PaidToForm says; None where it names no way."""
    if data["user_id"]:
        return Destination(user_id=data["user_id"])
    if data["iban"]:
        return Destination(kind="bank", fields={"iban": data["iban"]}, holder=data["holder"])
    if data["number"]:
        fields = {"operator": data["operator"], "number": data["number"]}
        return Destination(kind="mobile_money", fields=fields, holder=data["holder"])
    return None


def limit_of(data: Mapping[str, Any], name: str) -> AmountIn | None:
    """A limit that is judged once its currency is known; None when there is none."""
    value = data[name]
    return (lambda currency: minor(value, currency, name)) if value else None


def caller_of(request: HttpRequest) -> Caller:
    """The member of staff who is signed in."""
    return staff_caller(request.user)  # type: ignore[arg-type]  # the console lets only staff in


def made(request: HttpRequest, row: Model, said: str) -> HttpResponse:
    """The page of what was made, with a sentence."""
    messages.success(request, said)
    page = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return HttpResponseRedirect(reverse(page, args=[row.pk]))


class _ListWithAccounts(UncountedChangeList):
    """A list of merchants or payees, with the accounts of those who are no users asked once."""

    def get_results(self, request: HttpRequest) -> None:
        """One page, each row with its `account`."""
        super().get_results(request)
        rows: Sequence[Any] = self.result_list
        accounts = destinations_of_parties([row.reference for row in rows if row.payee_id is None])
        for row in rows:
            row.account = accounts.get(row.reference)


class PaidToAdmin(MakingAdmin):
    """A list of who is paid, and where. Nobody sees an account in full."""

    readonly_fields = ("paid_to",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """With the accounts."""
        return _ListWithAccounts

    @admin.display(description="paid to")
    def paid_to(self, row: Any) -> str:
        """The user, or the masked account; a dash for who is known to the PSP alone."""
        if row.payee_id is not None:
            return f"user {row.payee_id} ({row.payee})"
        account = row.account if hasattr(row, "account") else destination_of_party(row.reference)
        return "—" if account is None else f"{account.kind} {account.masked}"
