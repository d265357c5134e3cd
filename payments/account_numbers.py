"""Reading and masking account numbers. Pure; no message repeats what was sent."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from schwifty import IBAN
from schwifty.exceptions import SchwiftyException

from kobatela.kernel.errors import ValidationFailed
from payments.models import DestinationKind

_SEPARATORS = re.compile(r"[\s.\-()/]")
_E164 = re.compile(r"\+[1-9][0-9]{7,14}")
_OPERATOR = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .&-]{1,39}")
_IBAN = re.compile(r"[A-Za-z]{2}[0-9]{2}[A-Za-z0-9]{11,30}")
_LOCAL_ACCOUNT = re.compile(r"[A-Z0-9]{5,34}")
_BANK_CODE = re.compile(r"[A-Z0-9]{2,20}")
_STRIPE_ACCOUNT = re.compile(r"acct_[A-Za-z0-9]{8,48}")
_SHORT = 8


@dataclass(frozen=True, slots=True, repr=False)
class Account:
    """An account as it is stored; it has no text of its own, so that it is printed nowhere."""

    kind: DestinationKind
    account: str
    masked: str
    operator: str = ""
    bank_code: str = ""


def read_account(kind: DestinationKind, fields: Mapping[str, str]) -> Account:
    """The account that the fields of one kind describe.

    mobile_money: operator, number (E.164: + and the country code). bank: iban, or account_number
    with bank_code. stripe: stripe_account_id. Raises ValidationFailed, which names the field.
    """
    if kind is DestinationKind.MOBILE_MONEY:
        return _mobile_money(fields)
    if kind is DestinationKind.STRIPE:
        return _stripe(fields)
    if fields.get("iban") and fields.get("account_number"):
        raise ValidationFailed.of("account_number", "exclusive", "Send an IBAN or a local account.")
    return _local(fields) if fields.get("account_number") else _iban(fields)


def _mobile_money(fields: Mapping[str, str]) -> Account:
    operator = _required(fields, "operator").strip()
    if not _OPERATOR.fullmatch(operator):
        raise ValidationFailed.of("operator", "invalid", "The name of the operator is needed.")
    number = _SEPARATORS.sub("", _required(fields, "number"))
    if not _E164.fullmatch(number):
        raise ValidationFailed.of(
            "number", "invalid", "A number with + and the country code is needed."
        )
    return Account(DestinationKind.MOBILE_MONEY, number, mask(number), operator=operator.lower())


def _iban(fields: Mapping[str, str]) -> Account:
    account = _checked_iban(_SEPARATORS.sub("", _required(fields, "iban")))
    if account is None:
        raise ValidationFailed.of("iban", "invalid", "This is not a valid IBAN.")
    return Account(DestinationKind.BANK, account, mask(account, kept_in_front=2))


def _checked_iban(text: str) -> str | None:
    if not _IBAN.fullmatch(text):
        return None
    try:
        return str(IBAN(text))
    except SchwiftyException:
        # Its message quotes the number.
        return None


def _local(fields: Mapping[str, str]) -> Account:
    account = _SEPARATORS.sub("", fields["account_number"]).upper()
    if not _LOCAL_ACCOUNT.fullmatch(account):
        raise ValidationFailed.of("account_number", "invalid", "5 to 34 letters and digits.")
    bank_code = _SEPARATORS.sub("", _required(fields, "bank_code")).upper()
    if not _BANK_CODE.fullmatch(bank_code):
        raise ValidationFailed.of("bank_code", "invalid", "2 to 20 letters and digits.")
    return Account(DestinationKind.BANK, account, mask(account), bank_code=bank_code)


def _stripe(fields: Mapping[str, str]) -> Account:
    account = _required(fields, "stripe_account_id").strip()
    if not _STRIPE_ACCOUNT.fullmatch(account):
        raise ValidationFailed.of(
            "stripe_account_id", "invalid", "The id of a connected account is needed."
        )
    return Account(DestinationKind.STRIPE, account, mask(account, kept_in_front=5))


def mask(account: str, *, kept_in_front: int = 0) -> str:
    """What is shown of an account: its last four characters, two of a short one."""
    last = 4 if len(account) - kept_in_front >= _SHORT else 2
    return f"{account[:kept_in_front]}****{account[-last:]}"


def _required(fields: Mapping[str, str], name: str) -> str:
    value = fields.get(name)
    if not value:
        raise ValidationFailed.of(name, "required", "This field is required.")
    return value
