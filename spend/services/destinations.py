"""Where merchants and payees are paid: a user, or an account of their own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings

from audit.services.alerts import AlertType, Severity, raise_alert
from escrow.services.spends import Recipient
from kobatela.accounts.selectors import require_active_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.kernel.errors import ValidationFailed
from payments.services.party_accounts import set_account_of_party
from spend.models import AllowedPayee, Merchant

FIELD = "destination"
# Where the body of a request has what describes an account, by its kind.
_PLACES = {"bank": FIELD, "mobile_money": f"{FIELD}.mobile_money"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where a merchant or a payee is paid: a user, or an account (`kind`, `fields`, `holder`)."""

    user_id: int | None = None
    kind: str = ""
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)
    holder: str = ""


def user_of(destination: Destination | None) -> int | None:
    """The active user who is paid; None for an account. Raises ValidationFailed."""
    if destination is None or destination.user_id is None:
        return None
    return require_active_user(destination.user_id, field=f"{FIELD}.user_id").pk


def payable_from(user_id: int | None) -> datetime | None:
    """From when a user who is named now is paid. An account has a moment of its own."""
    if user_id is None:
        return None
    return clock.now() + timedelta(seconds=settings.KOBATELA_DESTINATION_COOLING_S)


def keep_account(
    *, caller: Caller, row: Merchant | AllowedPayee, destination: Destination | None, holder: str
) -> None:
    """Keep the account of `destination`, if it is one; `holder`: whose, where it names nobody.

    Raises ValidationFailed, which names the field as the request has it.
    """
    if destination is None or not destination.kind:
        return
    try:
        set_account_of_party(
            caller=caller,
            party=row.reference,
            kind=destination.kind,
            fields=destination.fields,
            holder=destination.holder or holder,
        )
    except ValidationFailed as error:
        raise error.within(_PLACES[destination.kind]) from error


def recipient_of(row: Merchant | AllowedPayee) -> Recipient:
    """Who is paid, for a payment that is ordered now."""
    from_when = row.payee_from
    is_over = from_when is None or from_when <= clock.now()
    return Recipient(row.reference, row.payee_id, None if is_over else from_when)


def alert_changed(row: Merchant | AllowedPayee, caller: Caller) -> None:
    """Tell staff that somebody else is paid from now on."""
    raise_alert(
        type=AlertType.DESTINATION_CHANGED,
        severity=Severity.WARNING,
        subject=row.reference,
        message="A merchant or a payee is paid to somebody else from now on.",
        payload={"payee_id": row.payee_id},
        actor_user_id=caller.user_id,
    )
