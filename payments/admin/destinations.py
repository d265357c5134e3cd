"""Where users and parties are paid, in the console. Nobody sees an account in full."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest

from kobatela.accounts.services.callers import staff_caller
from kobatela.kernel.admin import Command, ConsoleAdmin
from payments.models import Destination
from payments.services.destinations import verify_destination


def _verify(request: HttpRequest, destination: Destination, _data: Mapping[str, Any]) -> str:
    caller = staff_caller(request.user)  # type: ignore[arg-type]  # the console lets only staff in
    verify_destination(caller=caller, destination_id=destination.pk)
    return "It is noted that the account is theirs."


def _no_verifying(destination: Destination) -> str | None:
    if destination.deactivated_at is not None:
        return "It is not in force any more."
    return "It was noted before." if destination.verified else None


@admin.register(Destination)
class DestinationAdmin(ConsoleAdmin):
    """Accounts, masked: whose, since when, and what took their place."""

    list_display = (
        "id",
        "user",
        "party",
        "kind",
        "masked",
        "currency",
        "is_verified",
        "usable_from",
        "usable_until",
        "deactivated_at",
    )
    list_filter = (
        "kind",
        "currency",
        ("verified_at", admin.EmptyFieldListFilter),
        ("deactivated_at", admin.EmptyFieldListFilter),
    )
    search_fields = ("=id", "=user__id", "=user__username", "=party")
    list_select_related = ("user",)
    ordering = ("-id",)
    exclude = ("account",)
    commands: ClassVar[Sequence[Command]] = (
        Command(
            "verify",
            "It is theirs",
            _verify,
            help_text="Notes that you have seen that the account belongs to the person or party.",
            refusal=_no_verifying,
        ),
    )

    @admin.display(description="verified", boolean=True, ordering="verified_at")
    def is_verified(self, destination: Destination) -> bool:
        """Whether somebody has seen that the account is theirs."""
        return destination.verified
