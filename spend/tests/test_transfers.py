"""Restricted transfers: allowed by the list or a certification, refused with a trace, no money."""

import json
from functools import partial
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from audit.models import Alert, AuditEntry
from audit.tests.together import run_together
from kobatela.accounts.models import User
from kobatela.accounts.tests.factories import ROOT, make_key, make_staff, make_user
from kobatela.kernel.caller import Scope
from kobatela.kernel.errors import InvalidState
from kobatela.kernel.money import Money
from kobatela.rest.tests.client import Answer, Api
from payments.ledger.models import Transfer as LedgerTransfer
from payments.models import Payment
from spend.errors import UnauthorizedTransfer
from spend.models import AllowedRecipient, CertifiedAccount, Level, Transfer, TransferStatus
from spend.services import transfers

NOBODY = 9_007_199_254_740_993
pytestmark = pytest.mark.django_db


def admin() -> Api:
    return Api(make_key(Scope.ADMIN)[1])


def transfer(api: Api, sender: User, receiver: User, *, key: str = "t1", **body: Any) -> Answer:
    asked = {"sender_id": sender.pk, "receiver_id": receiver.pk, "amount": "10.00",
             "currency": "EUR"}  # fmt: skip
    return api.post("/transactions", json=asked | body, idempotency_key=key)


def fields(answer: Answer) -> dict[str, str]:
    assert answer.status == 422, answer.body
    return {item["field"]: item["code"] for item in answer.json["error"]["details"]["fields"]}


def entries(action: str) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(action=action).order_by("pk"))


def test_a_pair_on_the_allowlist_may_transfer_and_no_money_moves() -> None:
    api, sender, receiver = admin(), make_user(), make_user()
    pair = {"owner_id": sender.pk, "recipient_id": receiver.pk}
    added, again = (api.post("/allowlist", json=pair) for _ in range(2))
    assert (added.status, added.json["status"]) == (201, "added")
    assert (again.status, again.json["status"]) == (201, "exists")

    answer = transfer(api, sender, receiver)

    assert answer.status == 201
    made = Transfer.objects.get()
    assert answer.json == {
        "id": made.pk,
        "sender_id": sender.pk,
        "receiver_id": receiver.pk,
        "amount": "10.00",
        "currency": "EUR",
        "status": "COMPLETED",
        "moves_money": False,
        "basis": "allowlist",
        "created_at": answer.json["created_at"],
        "updated_at": answer.json["updated_at"],
    }
    assert not LedgerTransfer.objects.exists()
    assert not Payment.objects.exists()
    (entry,) = entries("transfer.recorded")
    assert json.loads(entry.body)["amount_minor"] == 1_000
    assert len(entries("allowlist.added")) == 1
    # The other way round is another pair.
    assert transfer(api, receiver, sender, key="t2").code == "UNAUTHORIZED_TRANSFER"


@pytest.mark.parametrize("level", ["BASIC", "gold"])
def test_a_certified_receiver_takes_transfers_from_anybody(level: str) -> None:
    api, receiver = admin(), make_user()
    created = api.post("/certified", json={"user_id": receiver.pk, "level": level})
    assert (created.status, created.json["status"]) == (201, "created")
    assert created.json["level"] == level.upper()

    for number in range(2):
        answer = transfer(api, make_user(), receiver, key=f"t{number}")
        assert (answer.status, answer.json["basis"]) == (201, "certified")


def test_a_level_is_changed_and_the_same_level_changes_nothing() -> None:
    api, user = admin(), make_user()
    api.post("/certified", json={"user_id": user.pk, "level": "BASIC"})
    before = CertifiedAccount.objects.values().get()

    same = api.post("/certified", json={"user_id": user.pk, "level": "BASIC"})
    assert CertifiedAccount.objects.values().get() == before
    changed = api.post("/certified", json={"user_id": user.pk, "level": "GOLD"})

    assert [same.json["status"], changed.json["status"]] == ["updated", "updated"]
    assert CertifiedAccount.objects.get().level == Level.GOLD
    assert [json.loads(entry.body)["level"] for entry in entries("certification.set")] == [
        "BASIC",
        "GOLD",
    ]


def test_what_was_taken_back_authorises_nothing_and_can_be_given_again() -> None:
    api, sender, receiver = admin(), make_user(), make_user()
    pair = {"owner_id": sender.pk, "recipient_id": receiver.pk}
    allowed = api.post("/allowlist", json=pair).json["id"]
    certified = api.post("/certified", json={"user_id": receiver.pk, "level": "GOLD"}).json["id"]

    assert api.delete(f"/allowlist/{allowed}").status == 204
    assert transfer(api, sender, receiver).json["basis"] == "certified"
    assert api.delete(f"/certified/{certified}").status == 204
    assert transfer(api, sender, receiver, key="t2").status == 403

    assert api.delete(f"/allowlist/{allowed}").code == "ALLOWED_RECIPIENT_NOT_FOUND"
    assert api.delete(f"/certified/{certified}").code == "CERTIFICATION_NOT_FOUND"
    assert api.get("/allowlist").json["items"] == api.get("/certified").json["items"] == []
    assert api.post("/allowlist", json=pair).json["status"] == "added"
    assert transfer(api, sender, receiver, key="t2").status == 201
    assert AllowedRecipient.objects.count() == 2
    assert len(entries("allowlist.removed")) == len(entries("certification.removed")) == 1


def test_d33_unknown_users_are_named_as_fields() -> None:
    api, user, gone = admin(), make_user(), make_user(is_active=False)
    pair = {"owner_id": NOBODY, "recipient_id": gone.pk}
    assert fields(api.post("/allowlist", json=pair)) == {
        "owner_id": "unknown",
        "recipient_id": "unknown",
    }
    assert fields(api.post("/certified", json={"user_id": NOBODY, "level": "GOLD"})) == {
        "user_id": "unknown"
    }
    assert fields(transfer(api, user, gone)) == {"receiver_id": "unknown"}
    assert fields(transfer(api, gone, user, key="t2")) == {"sender_id": "unknown"}
    assert fields(transfer(api, user, user, key="t3")) == {"receiver_id": "same_user"}
    assert not AllowedRecipient.objects.exists()
    assert not CertifiedAccount.objects.exists()
    assert not Alert.objects.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"amount": "0"}, "amount"),
        ({"amount": "-1.00"}, "amount"),
        ({"amount": "1.005"}, "amount"),
        ({"amount": "5.5", "currency": "XOF"}, "amount"),
        ({"currency": "CHF"}, "currency"),
    ],
)
def test_an_amount_that_cannot_be_is_refused(body: dict[str, Any], field: str) -> None:
    assert set(fields(transfer(admin(), make_user(), make_user(), **body))) == {field}


def test_a_transaction_needs_a_key_and_a_repeat_is_the_same() -> None:
    api, sender, receiver = admin(), make_user(), make_user()
    transfers.certify_account(caller=ROOT, user_id=receiver.pk, level=Level.BASIC)
    body = {"sender_id": sender.pk, "receiver_id": receiver.pk, "amount": "1", "currency": "EUR"}
    refused = api.post("/transactions", json=body)
    assert (refused.status, refused.code) == (400, "IDEMPOTENCY_KEY_REQUIRED")

    first, second = (transfer(api, sender, receiver) for _ in range(2))

    assert first.body == second.body
    assert second.headers["Idempotent-Replayed"] == "true"
    assert Transfer.objects.count() == 1


def test_transactions_are_listed_filtered_and_read_with_a_trace() -> None:
    api, receiver = admin(), make_user()
    transfers.certify_account(caller=ROOT, user_id=receiver.pk, level=Level.BASIC)
    senders = [make_user(), make_user()]
    made = [transfer(api, sender, receiver, key=f"t{sender.pk}").json["id"] for sender in senders]

    def listed(query: str) -> list[int]:
        return [item["id"] for item in api.get(f"/transactions{query}").json["items"]]

    assert listed("") == made[::-1]
    assert listed(f"?sender_id={senders[0].pk}") == made[:1]
    assert listed(f"?receiver_id={receiver.pk}&currency=EUR&status=COMPLETED") == made[::-1]
    assert listed("?currency=XOF") == []
    read = api.get(f"/transactions/{made[0]}")
    assert (read.status, read.json["moves_money"]) == (200, False)
    assert [entry.subject for entry in entries("transfer.read")] == [f"transfer:{made[0]}"]
    missing = api.get(f"/transactions/{NOBODY}")
    assert (missing.status, missing.code) == (404, "TRANSACTION_NOT_FOUND")


@pytest.mark.parametrize("path", ["/allowlist", "/certified", "/transactions"])
@pytest.mark.parametrize("scope", [Scope.SENDER, Scope.PROVIDER, Scope.SUPPORT])
def test_only_admins_see_them(path: str, scope: Scope) -> None:
    answer = Api(make_key(scope)[1]).get(path)

    assert (answer.status, answer.code) == (403, "INSUFFICIENT_SCOPE")


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """What must survive a rollback is written over its own connection, as in production."""
    monkeypatch.setattr(settings, "AUDIT_APART_DATABASE", "apart")


@pytest.mark.django_db(transaction=True, databases=["default", "apart"])
@pytest.mark.usefixtures("apart")
def test_d41_a_refused_transfer_leaves_an_entry_and_one_folded_alert() -> None:
    api, sender, receivers = admin(), make_user(), [make_user(), make_user()]

    answers = [transfer(api, sender, to, key=f"t{to.pk}", amount="99.00") for to in receivers]

    assert [(answer.status, answer.code) for answer in answers] == [
        (403, "UNAUTHORIZED_TRANSFER")
    ] * 2
    assert not Transfer.objects.exists()
    kept = entries("transfer.refused")
    assert [json.loads(entry.body)["receiver_id"] for entry in kept] == [u.pk for u in receivers]
    assert {entry.subject for entry in kept} == {f"user:{sender.pk}"}
    alert = Alert.objects.get()
    assert (alert.type, alert.subject, alert.count) == (
        "UNAUTHORIZED_TRANSFER_ATTEMPT",
        f"user:{sender.pk}",
        2,
    )
    assert alert.actor_user_id == sender.pk
    first, last = (
        {
            "sender_id": sender.pk,
            "attempted_receiver_id": user.pk,
            "amount": "99.00",
            "currency": "EUR",
        }
        for user in receivers
    )
    # Whom the first one was for is not forgotten.
    assert alert.payload == last | {"earlier": [first]}
    # The refusal is not kept under the key: once allowed, the same request goes through.
    transfers.certify_account(caller=ROOT, user_id=receivers[0].pk, level=Level.BASIC)
    assert (
        transfer(api, sender, receivers[0], key=f"t{receivers[0].pk}", amount="99.00").status == 201
    )


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_what_is_made_by_eight_at_once_is_made_once() -> None:
    owner, recipient = make_user(), make_user()
    allow = partial(
        transfers.allow_recipient, caller=ROOT, owner_id=owner.pk, recipient_id=recipient.pk
    )
    certify = partial(
        transfers.certify_account, caller=ROOT, user_id=recipient.pk, level=Level.GOLD
    )

    results = run_together([allow] * 8 + [certify] * 8)

    assert [result for result in results if isinstance(result, Exception)] == []
    assert sum(result.is_new for result in results) == 2
    assert AllowedRecipient.objects.count() == CertifiedAccount.objects.count() == 1
    assert len(entries("allowlist.added")) == len(entries("certification.set")) == 1


def test_a_transfer_stays_what_it_is() -> None:
    with pytest.raises(InvalidState):
        Transfer(pk=1).transition_to(TransferStatus.COMPLETED)


def test_a_service_refuses_as_the_api_does() -> None:
    with pytest.raises(UnauthorizedTransfer):
        transfers.record_transfer(
            caller=ROOT,
            sender_id=make_user().pk,
            receiver_id=make_user().pk,
            money=Money(1, "EUR"),
        )


@pytest.mark.console
def test_an_admin_allows_certifies_and_takes_back_at_the_console() -> None:
    client, support = Client(), Client()
    client.force_login(make_staff("admin"))
    support.force_login(make_staff("support"))
    one, other = make_user(), make_user()
    add = reverse("admin:spend_allowedrecipient_add")
    allow = reverse("admin:spend_allowedrecipient_allow")
    certify = reverse("admin:spend_certifiedaccount_certify")
    pair = {"owner_id": one.pk, "recipient_id": other.pk}

    assert client.get(add).status_code == 403
    assert support.post(allow, pair).status_code == 403
    assert b"allowlist" in client.post(allow, pair, follow=True).content
    client.post(certify, {"user_id": other.pk, "level": "GOLD"})
    refused = client.post(allow, {"owner_id": one.pk, "recipient_id": NOBODY})
    assert b"VALIDATION_ERROR" in refused.content

    row, account = AllowedRecipient.objects.get(), CertifiedAccount.objects.get()
    for page, record in (("allowedrecipient", row), ("certifiedaccount", account)):
        path = reverse(f"admin:spend_{page}_remove", args=[record.pk])
        assert client.post(path, {"x": "1"}, follow=True).status_code == 200
        record.refresh_from_db()
        assert record.removed_at is not None
        listed = support.get(reverse(f"admin:spend_{page}_changelist") + "?standing=gone")
        assert str(record.pk) in listed.content.decode()


@pytest.mark.console
def test_support_reads_transfers_at_the_console() -> None:
    client, receiver = Client(), make_user()
    client.force_login(make_staff("support"))
    transfers.certify_account(caller=ROOT, user_id=receiver.pk, level=Level.GOLD)
    made = transfers.record_transfer(
        caller=ROOT, sender_id=make_user().pk, receiver_id=receiver.pk, money=Money(1_234, "EUR")
    )

    assert b"12.34 EUR" in client.get(reverse("admin:spend_transfer_changelist")).content
    shown = client.get(reverse("admin:spend_transfer_change", args=[made.pk]))
    assert b'name="_save"' not in shown.content
