"""Accounts are read strictly, and shown by their last characters only."""

import pytest

from kobatela.kernel.errors import ValidationFailed
from payments.account_numbers import mask, read_account
from payments.models import DestinationKind
from payments.tests.accounts import IBANS

MOBILE, BANK, STRIPE = DestinationKind.MOBILE_MONEY, DestinationKind.BANK, DestinationKind.STRIPE


@pytest.mark.parametrize("iban", IBANS)
def test_an_iban_is_stored_in_one_spelling(iban: str) -> None:
    spaced = " ".join(iban[i : i + 4] for i in range(0, len(iban), 4)).lower()

    account = read_account(BANK, {"iban": spaced})

    assert (account.account, account.bank_code, account.operator) == (iban, "", "")
    assert account.masked == f"{iban[:2]}****{iban[-4:]}"


@pytest.mark.parametrize(
    "number", ["+2250701020304", "+225 07 01 02 03 04", "+225-07.01.02.03.04", " +225(07)01020304 "]
)
def test_a_mobile_number_is_stored_in_one_spelling(number: str) -> None:
    account = read_account(MOBILE, {"operator": "Orange Money", "number": number})

    assert account.account == "+2250701020304"
    assert (account.operator, account.masked) == ("orange money", "****0304")


def test_a_local_account_needs_its_bank() -> None:
    account = read_account(BANK, {"account_number": "0123 4567-89", "bank_code": "ci 008"})
    assert (account.account, account.bank_code, account.masked) == (
        "0123456789",
        "CI008",
        "****6789",
    )


def test_a_connected_account_is_taken_as_it_is() -> None:
    account = read_account(STRIPE, {"stripe_account_id": "acct_1AbCdEfGhIjK"})
    assert (account.account, account.masked) == ("acct_1AbCdEfGhIjK", "acct_****hIjK")


@pytest.mark.parametrize(
    ("kind", "fields", "field"),
    [
        (MOBILE, {"number": "+2250701020304"}, "operator"),
        (MOBILE, {"operator": "=HYPERLINK()", "number": "+2250701020304"}, "operator"),
        (MOBILE, {"operator": "-", "number": "+2250701020304"}, "operator"),
        (MOBILE, {"operator": "orange"}, "number"),
        (MOBILE, {"operator": "orange", "number": "0701020304"}, "number"),
        (MOBILE, {"operator": "orange", "number": "+0701020304"}, "number"),
        (MOBILE, {"operator": "orange", "number": "+2251234"}, "number"),
        (MOBILE, {"operator": "orange", "number": "+2250701020304050607"}, "number"),
        (MOBILE, {"operator": "orange", "number": "+٢٢٥٠٧٠١٠٢٠٣٠٤"}, "number"),
        (BANK, {}, "iban"),
        (BANK, {"iban": "GB82WEST12345698765433"}, "iban"),
        (BANK, {"iban": "GB82WEST1234569876543"}, "iban"),
        (BANK, {"iban": "ZZ82WEST12345698765432"}, "iban"),
        (BANK, {"iban": "DE٨٩370400440532013000"}, "iban"),
        (BANK, {"iban": "A" * 5_000}, "iban"),
        (BANK, {"iban": IBANS[0], "account_number": "123456"}, "account_number"),
        (BANK, {"account_number": "123456"}, "bank_code"),
        (BANK, {"account_number": "1234", "bank_code": "CI008"}, "account_number"),
        (BANK, {"account_number": "=1+1+1", "bank_code": "CI008"}, "account_number"),
        (BANK, {"account_number": "123456", "bank_code": "x"}, "bank_code"),
        (STRIPE, {}, "stripe_account_id"),
        (STRIPE, {"stripe_account_id": "cus_1AbCdEfGhIjK"}, "stripe_account_id"),
    ],
)
def test_what_is_no_account_is_refused_by_its_field(
    kind: DestinationKind, fields: dict[str, str], field: str
) -> None:
    with pytest.raises(ValidationFailed) as refusal:
        read_account(kind, fields)

    (problem,) = refusal.value.details["fields"]
    assert problem["field"] == field
    # Not even a mistyped number may end in an answer or a log.
    assert not [value for value in fields.values() if value in str(refusal.value.details)]
    assert refusal.value.__cause__ is None


def test_a_short_account_shows_two_characters() -> None:
    assert mask("12345") == "****45"
    assert mask("1234567") == "****67"
    assert mask("12345678") == "****5678"


def test_an_account_is_never_printed() -> None:
    account = read_account(BANK, {"iban": IBANS[0]})
    assert IBANS[0] not in repr(account)
    assert IBANS[0] not in f"{account}"
