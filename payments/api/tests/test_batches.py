"""Payments by hand over HTTP: account, batch, two people, file, statement."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from kobatela.accounts.tests.factories import make_key, make_staff, make_user
from kobatela.rest.tests.client import Api
from payments.models import Batch
from payments.tests.accounts import next_number
from payments.tests.batches import read_file, statement_of
from payments.tests.books import assert_in_order
from payments.tests.factories import funded_escrow, make_payout

pytestmark = pytest.mark.django_db


def provider_paid_by_phone(number: str) -> tuple[Any, Api]:
    """A provider who has named a mobile money account, and their key."""
    user = make_user()
    api = Api(make_key("provider", user)[1])
    body = {"kind": "mobile_money", "operator": "orange", "number": number, "currency": "XOF"}
    answer = api.post(f"/users/{user.pk}/destinations", json=body)
    assert answer.status == 201
    assert number[-6:] not in answer.body.decode()
    return user, api


def one_of_staff() -> Api:
    return Api(make_key("support", make_staff("support"))[1])


def take(staff: Api, batch: Batch, *outcomes: str) -> Any:
    file = SimpleUploadedFile("statement.csv", statement_of(batch, *outcomes))
    path = f"/payments/batches/{batch.pk}/statement"
    return staff.post(path, files={"file": file}).json


def test_a_batch_of_mobile_money_in_xof_goes_from_waiting_to_settled() -> None:
    numbers = [next_number(), next_number()]
    sides = [provider_paid_by_phone(number) for number in numbers]
    payments = [make_payout(funded_escrow(5_000, "XOF", provider=user), 5_000) for user, _ in sides]
    first, second = one_of_staff(), one_of_staff()

    made = first.post("/payments/batches", json={"currency": "XOF", "kind": "mobile_money"})
    assert made.status == 201
    assert (made.json["lines"], made.json["total"]) == (2, "10000")
    path = f"/payments/batches/{made.json['id']}"
    for approver, given in ((first, 1), (first, 1), (second, 2)):
        assert approver.get(f"{path}/file").code == "INVALID_STATE"
        answer = approver.post(f"{path}/approve")
        assert answer.json["approvals"] == {"given": given, "needed": 2}
    assert sides[0][1].get(path).status in {403, 404}

    file = first.get(f"{path}/file")
    assert [row["account"] for row in read_file(file.body)] == [
        number.removeprefix("+") for number in numbers
    ]
    assert statuses(sides, payments) == ["SENT", "SENT"]

    batch = Batch.objects.get()
    told = take(first, batch, "settled")
    assert (told["settled"], told["status"]) == (1, "IMPORTED")
    assert statuses(sides, payments) == ["SETTLED", "SENT"]
    told = take(second, batch, "settled", "settled")
    assert (told["settled"], told["unchanged"], told["status"]) == (1, 1, "CLOSED")

    assert statuses(sides, payments) == ["SETTLED", "SETTLED"]
    assert_in_order()


def statuses(sides: list[tuple[Any, Api]], payments: list[Any]) -> list[str]:
    """The state of each payment, as its payee reads it."""
    return [
        api.get(f"/payments/{payment.pk}").json["status"]
        for (_, api), payment in zip(sides, payments, strict=True)
    ]
