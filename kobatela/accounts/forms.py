"""The forms of the console's commands on users and keys."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm

from kobatela.accounts.models import Language, PublicTag
from kobatela.accounts.services.logins import locked_until
from kobatela.accounts.services.staff import STAFF_GROUPS
from kobatela.kernel.caller import Scope
from kobatela.rest.address import client_address


class ContactForm(forms.Form):
    """How a user is called and reached."""

    username = forms.CharField(max_length=100)
    email = forms.EmailField(label="E-mail", max_length=254)
    phone = forms.CharField(max_length=30, required=False)
    language = forms.ChoiceField(choices=[(item.value, item.value) for item in Language])


class TagForm(forms.Form):
    """What kind of body a user stands for."""

    public_tag = forms.ChoiceField(choices=[(item.value, item.value) for item in PublicTag])


class ManagerForm(forms.Form):
    """Whose keys act for a user."""

    managed_by = forms.IntegerField(
        label="Id of the manager", required=False, min_value=1, help_text="Empty for none."
    )


class UserForm(ContactForm, TagForm, ManagerForm):
    """A new user."""


class RoleForm(forms.Form):
    """What a member of staff may do."""

    role = forms.ChoiceField(
        required=False, choices=[("", "none"), *((name, name) for name in STAFF_GROUPS)]
    )


class PasswordForm(forms.Form):
    """A password for a member of staff."""

    password = forms.CharField(
        max_length=200,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


class KeyForm(forms.Form):
    """A new key."""

    name = forms.CharField(max_length=100)
    scope = forms.ChoiceField(choices=[(item.value, item.value) for item in Scope])
    user_id = forms.IntegerField(
        label="Id of the user",
        required=False,
        min_value=1,
        help_text="Needed for sender and provider.",
    )
    days_valid = forms.IntegerField(
        label="Days valid", required=False, min_value=1, initial=90, help_text="Empty for no end."
    )
    allowed_ips = forms.CharField(
        label="Allowed addresses",
        required=False,
        help_text="Addresses or networks, with commas between; empty for any.",
    )
    may_confirm_deposits = forms.BooleanField(
        required=False, help_text="For a client system that collects the money itself."
    )
    confirm_limit = forms.CharField(
        label="Limits of deposits to confirm",
        required=False,
        help_text="As in EUR=5000.00,XOF=3000000; empty for the installation's own.",
    )
    reason = forms.CharField(
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Why the key may confirm deposits.",
    )

    def clean_allowed_ips(self) -> list[str]:
        """The addresses as a list."""
        return [
            text.strip() for text in self.cleaned_data["allowed_ips"].split(",") if text.strip()
        ]

    def clean_confirm_limit(self) -> dict[str, Any] | None:
        """The limits by currency; the service judges the amounts."""
        limits: dict[str, str | Decimal] = {}
        for part in filter(None, self.cleaned_data["confirm_limit"].split(",")):
            currency, equals, amount = (text.strip() for text in part.partition("="))
            if not equals:
                raise forms.ValidationError("Write CURRENCY=amount, with commas between.")
            limits[currency] = amount
        return limits or None


class SignInForm(AdminAuthenticationForm):
    """The console's login; who has guessed too often is told until when nothing is looked at."""

    def get_invalid_login_error(self) -> forms.ValidationError:
        """Django's own words, unless the name is locked from this address."""
        until = locked_until(
            username=self.cleaned_data.get("username", ""),
            address=client_address(self.request) if self.request is not None else "",
        )
        if until is None:
            return super().get_invalid_login_error()
        # Rounded up: at the minute that is named the next try counts.
        minute = (until + timedelta(minutes=1)).strftime("%H:%M")
        return forms.ValidationError(
            f"Too many wrong passwords from here. Even the right one is not looked at before "
            f"{minute} UTC; anybody else, or another address, may sign in meanwhile.",
            code="locked",
        )
