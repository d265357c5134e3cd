"""Escrows over HTTP: shapes, codes, who sees what."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from audit import selectors as audit_selectors
from escrow.models import Deposit, Escrow, EscrowStatus, Milestone
from escrow.tests.factories import make_escrow
from escrow.tests.http import (
    ESCROW_READ,
    MILESTONE_READ,
    api,
    body,
    client_of,
    fields,
    milestone_body,
    provider_of,
    support,
)
from kobatela.accounts.tests.factories import make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.rest.tests.client import Answer

pytestmark = pytest.mark.django_db
E = EscrowStatus

# --- creating -----------------------------------------------------------------------------------


def test_an_escrow_is_created_with_its_milestones_and_read_in_its_shape() -> None:
    client, provider = make_user(), make_user()
    sender = api(Scope.SENDER, client)
    fence = {"geofence_lat": 14.716677, "geofence_lng": -17.467686, "geofence_radius_m": 50.5}
    sent = body(
        client,
        provider,
        milestones=[
            milestone_body(**fence, proof_requirements={"expected_amount": "30.00"}),
            milestone_body(sequence_index=2, amount=20, max_age_minutes=None),
        ],
    )
    answer = sender.post("/escrows", json=sent)
    assert answer.status == 201, answer.body
    shown = answer.json
    assert set(shown) >= ESCROW_READ
    assert shown["status"] == "DRAFT"
    assert shown["amount_total"] == "100.00"
    assert shown["release_conditions_json"] == {"phase": 1, "share": 0.25}
    assert (shown["inspection_hours"], shown["on_deadline"]) == (72, "refund")
    assert (shown["funded_total"], shown["held_total"]) == ("0.00", "0.00")
    items = sender.get(f"/escrows/{shown['id']}/milestones").json["items"]
    assert set(items[0]) >= MILESTONE_READ
    assert [item["amount"] for item in items] == ["30.00", "20.00"]
    assert items[0]["geofence_lat"] == 14.716677
    assert (items[0]["max_age_minutes"], items[1]["max_age_minutes"]) == (120, None)
    one = sender.get(f"/escrows/milestones/{items[0]['id']}").json
    assert one == items[0]


def test_money_follows_the_digits_of_its_currency() -> None:
    client = make_user()
    answer = api(Scope.SENDER, client).post(
        "/escrows", json=body(client, make_user(), amount_total=5000, currency="XOF")
    )
    assert answer.json["amount_total"] == "5000"


@pytest.mark.parametrize(
    ("overrides", "field"),
    [
        ({"amount_total": "0"}, "amount_total"),
        ({"amount_total": "-1"}, "amount_total"),
        ({"amount_total": "1e3"}, "amount_total"),
        ({"amount_total": True}, "amount_total"),
        ({"amount_total": None}, "amount_total"),
        ({"currency": "CHF"}, "currency"),
        ({"currency": "eur"}, "currency"),
        ({"client_id": "x"}, "client_id"),
        ({"client_id": 2**63}, "client_id"),
        ({"provider_id": 2**62}, "provider_id"),
        ({"deadline_at": "2001-01-01T00:00:00Z"}, "deadline_at"),
        ({"deadline_at": "2030-01-01T00:00:00"}, "deadline_at"),
        ({"deadline_at": "9999-12-31T23:59:59Z"}, "deadline_at"),
        ({"inspection_hours": 23}, "inspection_hours"),
        ({"inspection_hours": 721}, "inspection_hours"),
        ({"inspection_hours": 2**70}, "inspection_hours"),
        ({"on_deadline": "keep"}, "on_deadline"),
        ({"domain": "secret"}, "domain"),
        ({"release_conditions": []}, "release_conditions"),
        ({"milestones": {}}, "milestones"),
        ({"milestones": ["x"]}, "milestones.0"),
        ({"milestones": [milestone_body(label="")]}, "milestones.0.label"),
        ({"milestones": [milestone_body(label="x" * 201)]}, "milestones.0.label"),
        ({"milestones": [milestone_body(label="a\x00b")]}, "milestones.0.label"),
        ({"milestones": [milestone_body(sequence_index=0)]}, "milestones.0.sequence_index"),
        ({"milestones": [milestone_body(amount="0")]}, "milestones.0.amount"),
        ({"milestones": [milestone_body(amount="-5")]}, "milestones.0.amount"),
        ({"milestones": [milestone_body(proof_kind="photo")]}, "milestones.0.proof_kind"),
        ({"milestones": [milestone_body(validator="ME")]}, "milestones.0.validator"),
        ({"milestones": [milestone_body(geofence_lat=91)]}, "milestones.0.geofence_lat"),
        ({"milestones": [milestone_body(geofence_lng=1)]}, "milestones.0.geofence_lat"),
        ({"milestones": [milestone_body(max_age_minutes=0)]}, "milestones.0.max_age_minutes"),
        (
            {"milestones": [milestone_body(proof_requirements={"gps_required": "yes"})]},
            "milestones.0.proof_requirements.gps_required",
        ),
    ],
)
def test_d33_what_is_not_valid_is_named_and_nothing_is_made(
    overrides: Mapping[str, Any], field: str
) -> None:
    client = make_user()
    answer = api(Scope.SENDER, client).post("/escrows", json=body(client, make_user(), **overrides))
    assert field in fields(answer)
    assert Escrow.objects.count() == 0


def test_d22_more_digits_than_the_currency_has_are_refused() -> None:
    client = make_user()
    sender = api(Scope.SENDER, client)
    for overrides in (
        {"amount_total": "100.001"},
        {"amount_total": "100.5", "currency": "XOF"},
        {"milestones": [milestone_body(amount="1.005")]},
    ):
        answer = sender.post("/escrows", json=body(client, make_user(), **overrides))
        assert (answer.status, answer.code) == (422, "AMOUNT_PRECISION")
    assert Escrow.objects.count() == 0


def test_d40_an_offset_is_converted_and_not_dropped() -> None:
    client = make_user()
    answer = api(Scope.SENDER, client).post(
        "/escrows", json=body(client, make_user(), deadline_at="2036-01-01T10:00:00+05:00")
    )
    assert answer.json["deadline_at"] == "2036-01-01T05:00:00Z"


def test_a_public_escrow_needs_a_public_body() -> None:
    client = make_user()
    answer = api(Scope.SENDER, client).post(
        "/escrows", json=body(client, make_user(), domain="public")
    )
    assert (answer.status, answer.code) == (403, "PUBLIC_DOMAIN_FORBIDDEN")
    ngo = make_user(public_tag="ONG")
    created = api(Scope.SENDER, ngo).post("/escrows", json=body(ngo, make_user(), domain="aid"))
    assert created.json["domain"] == "aid"


def test_d05_the_client_is_one_whom_the_key_acts_for() -> None:
    client = make_user()
    answer = api(Scope.SENDER).post("/escrows", json=body(client, make_user()))
    assert fields(answer) == {"client_id": "unknown"}


def test_milestones_that_exceed_the_total_are_refused() -> None:
    client = make_user()
    sent = body(client, make_user(), milestones=[milestone_body(amount="100.01")])
    answer = api(Scope.SENDER, client).post("/escrows", json=sent)
    assert (answer.status, answer.code) == (422, "MILESTONES_EXCEED_TOTAL")
    other = body(client, make_user(), milestones=[milestone_body(currency="USD")])
    answer = api(Scope.SENDER, client).post("/escrows", json=other)
    assert (answer.status, answer.code) == (422, "CURRENCY_MISMATCH")


# --- seeing -------------------------------------------------------------------------------------

READS = ["", "/summary", "/timeline", "/payments", "/milestones", "/deposits"]
COMMANDS: Mapping[str, Any] = {
    "deposit": {"amount": "1.00"},
    "funding-session": None,
    "mark-delivered": {},
    "client-approve": {},
    "client-reject": {},
    "cancel": {},
    "dispute": {},
    "refund": {},
    "check-deadline": None,
    "milestones": milestone_body(),
}


@pytest.mark.parametrize("path", READS)
def test_d03_a_foreign_escrow_is_not_there(path: str) -> None:
    escrow = make_escrow()
    for stranger in (api(Scope.SENDER), api(Scope.PROVIDER)):
        foreign = stranger.get(f"/escrows/{escrow.pk}{path}")
        nothing = stranger.get(f"/escrows/{2**40}{path}")
        assert (foreign.status, foreign.code) == (404, "ESCROW_NOT_FOUND")
        assert foreign.json["error"]["message"] == nothing.json["error"]["message"]
    for friend in (client_of(escrow), provider_of(escrow), support(), api(Scope.ADMIN)):
        assert friend.get(f"/escrows/{escrow.pk}{path}").status == 200


@pytest.mark.parametrize(("command", "sent"), COMMANDS.items())
def test_d03_a_foreign_escrow_takes_no_command(command: str, sent: Any) -> None:
    escrow = make_escrow(E.DRAFT)
    answer = api(Scope.SENDER).post(
        f"/escrows/{escrow.pk}/{command}", json=sent, idempotency_key="k"
    )
    assert (answer.status, answer.code) == (404, "ESCROW_NOT_FOUND")
    escrow.refresh_from_db()
    assert escrow.status == E.DRAFT
    assert not Deposit.objects.exists()
    assert not Milestone.objects.exists()


def test_a_foreign_milestone_is_not_there() -> None:
    escrow = make_escrow(milestones=[3_000])
    path = f"/escrows/milestones/{escrow.milestones.get().pk}"
    assert api(Scope.SENDER).get(path).code == "MILESTONE_NOT_FOUND"
    assert provider_of(escrow).get(path).status == 200


@pytest.mark.parametrize("command", ["deposit", "client-approve", "client-reject", "cancel"])
def test_d06_the_provider_cannot_use_the_clients_commands(command: str) -> None:
    escrow = make_escrow(E.DRAFT)
    sent = COMMANDS[command]
    by_scope = provider_of(escrow).post(
        f"/escrows/{escrow.pk}/{command}", json=sent, idempotency_key="k"
    )
    assert (by_scope.status, by_scope.code) == (403, "INSUFFICIENT_SCOPE")
    by_side = api(Scope.SENDER, escrow.provider).post(
        f"/escrows/{escrow.pk}/{command}", json=sent, idempotency_key="k"
    )
    assert (by_side.status, by_side.code) == (403, "ESCROW_ROLE_FORBIDDEN")


def test_an_admin_key_gives_a_partys_command_only_in_its_name() -> None:
    escrow = make_escrow()
    admin = api(Scope.ADMIN, make_user())
    path = f"/escrows/{escrow.pk}/client-approve"
    refused = admin.post(path, json={})
    assert (refused.status, refused.code) == (403, "ON_BEHALF_OF_REQUIRED")
    done = admin.post(path, json={}, headers={"X-On-Behalf-Of": str(escrow.client_id)})
    assert (done.status, done.json["status"]) == (200, "RELEASED")
    entry = audit_selectors.entries(action="escrow.released").get()
    assert entry.on_behalf_of == escrow.client_id
    stranger = admin.post(path, json={}, headers={"X-On-Behalf-Of": str(make_user().pk)})
    assert stranger.status == 404


def test_the_provider_does_not_read_the_fence_or_what_is_expected() -> None:
    escrow = make_escrow(
        milestones=[
            {
                "amount_minor": 3_000,
                "geofence_lat": 1,
                "geofence_lng": 2,
                "geofence_radius_m": 3,
                "proof_requirements": {"expected_iban_last4": "0189", "gps_required": True},
            }
        ]
    )
    path = f"/escrows/{escrow.pk}/milestones"
    [masked] = provider_of(escrow).get(path).json["items"]
    assert masked["geofence_lat"] is masked["geofence_radius_m"] is None
    assert masked["proof_requirements"] == {"expected_iban_last4": None, "gps_required": True}
    for reader in (client_of(escrow), support()):
        [shown] = reader.get(path).json["items"]
        assert shown["geofence_radius_m"] == 3
        assert shown["proof_requirements"]["expected_iban_last4"] == "0189"
    summary = provider_of(escrow).get(f"/escrows/{escrow.pk}/summary").json
    assert summary["milestones"][0]["geofence_lat"] is None
    assert summary["current_milestone"]["geofence_lat"] is None


def test_d41_reading_an_escrow_is_audited_once() -> None:
    escrow = make_escrow()
    client_of(escrow).get(f"/escrows/{escrow.pk}")
    assert audit_selectors.entries(action="escrow.read").count() == 1


# --- listing ------------------------------------------------------------------------------------


def ids(answer: Answer) -> list[int]:
    assert answer.status == 200, answer.body
    return [item["id"] for item in answer.json["items"]]


def test_lists_are_filtered_and_paged_newest_first() -> None:
    client = make_user()
    draft = make_escrow(E.DRAFT, client=client)
    funded = make_escrow(client=client)
    as_provider_of = make_escrow(provider=client)
    make_escrow()
    sender = api(Scope.SENDER, client)
    everything = [as_provider_of.pk, funded.pk, draft.pk]
    assert ids(sender.get("/escrows")) == everything
    assert ids(sender.get("/escrows?status=DRAFT")) == [draft.pk]
    assert ids(sender.get("/escrows?role=client")) == [funded.pk, draft.pk]
    assert ids(sender.get("/escrows?role=sender")) == [funded.pk, draft.pk]
    assert ids(sender.get("/escrows?role=provider")) == [as_provider_of.pk]
    assert ids(sender.get(f"/escrows?q={draft.pk}"))[-1] == draft.pk
    assert ids(sender.get(f"/escrows?q={as_provider_of.client.username}")) == [as_provider_of.pk]
    soon = (clock.now() + timedelta(days=1)).isoformat().replace("+", "%2B")
    assert ids(sender.get(f"/escrows?deadline_before={soon}")) == []
    first = sender.get("/escrows?limit=2")
    assert ids(first) == everything[:2]
    rest = sender.get(f"/escrows?limit=2&cursor={first.json['next']}")
    assert (ids(rest), rest.json["next"]) == (everything[2:], None)
    assert len(ids(support().get("/escrows"))) == 4


@pytest.mark.parametrize(
    "query", ["status=OPEN", "role=owner", "deadline_before=tomorrow", "page=2", "limit=0"]
)
def test_filters_that_do_not_exist_are_refused(query: str) -> None:
    assert fields(api(Scope.SENDER).get(f"/escrows?{query}"))


def test_deposits_and_payments_of_an_escrow_are_listed_in_the_same_shape() -> None:
    escrow = make_escrow(E.DRAFT, funded=4_000)
    sender = client_of(escrow)
    sender.post(f"/escrows/{escrow.pk}/deposit", json={"amount": "1.00"}, idempotency_key="k")
    page = sender.get(f"/escrows/{escrow.pk}/deposits").json
    assert [(item["amount"], item["status"], item["source"]) for item in page["items"]] == [
        ("1.00", "PENDING", None),
        ("40.00", "CONFIRMED", "psp:fake"),
    ]
    sender.post(f"/escrows/{escrow.pk}/cancel", json={})
    payments = sender.get(f"/escrows/{escrow.pk}/payments").json
    assert [(item["kind"], item["amount"]) for item in payments["items"]] == [("refund", "40.00")]
    assert payments["next"] is None


def test_the_timeline_tells_the_story_with_its_words(
    django_assert_max_num_queries: Any,
) -> None:
    escrow = make_escrow(milestones=[3_000])
    sender = client_of(escrow)
    sender.post(f"/escrows/{escrow.pk}/dispute", json={"note": "The wall leans."})
    sender.get(f"/escrows/{escrow.pk}")
    with django_assert_max_num_queries(8):
        page = sender.get(f"/escrows/{escrow.pk}/timeline").json
    kinds = [item["kind"] for item in page["items"]]
    assert kinds == [
        "escrow.disputed",
        "escrow.funded",
        "deposit.confirmed",
        "milestone.created",
        "escrow.created",
    ]
    assert set(page["items"][0]) == {"at", "kind", "actor", "data"}
    assert page["items"][0]["data"]["note"] == "The wall leans."
    assert page["items"][2]["data"]["amount"] == "100.00"
    assert "source" not in page["items"][2]["data"]
    told_to_staff = support().get(f"/escrows/{escrow.pk}/timeline").json["items"]
    assert told_to_staff[2]["data"]["source"] == "psp:fake"


# --- the summary --------------------------------------------------------------------------------


def test_the_summary_tells_balances_actions_and_deadlines(settings: Any) -> None:
    settings.KOBATELA_FEE_BPS = 100
    escrow = make_escrow(milestones=[3_000, 2_000])
    shown = client_of(escrow).get(f"/escrows/{escrow.pk}/summary").json
    assert shown["escrow"]["status"] == "FUNDED"
    assert shown["balances"] == {
        "funded": "100.00",
        "held": "100.00",
        "free": "50.00",
        "released": "0.00",
        "refunded": "0.00",
        "frozen": "0.00",
        "in_transit": "0.00",
    }
    assert shown["current_milestone"]["sequence_index"] == 1
    assert "client_approve" in shown["allowed_actions"]
    assert "deposit" not in shown["allowed_actions"]
    assert "resolve" not in shown["allowed_actions"]
    assert shown["platform_fee"] == {"bps": 100, "amount": "1.00"}
    names = {item["name"]: item for item in shown["deadlines"]}
    assert names["deadline"]["outcome"] == "refund"
    assert names["inspection"]["started"] is False
    assert names["psp_hold"]["started"] is True


def test_what_the_summary_offers_is_accepted_and_what_it_does_not_is_refused() -> None:
    sent = {"refund": {"note": "x"}, "add_milestone": milestone_body(amount="1.00")}
    paths = {"add_milestone": "milestones"}
    offered_by = {
        "deposit": {"amount": "1.00"},
        "mark_delivered": {},
        "client_approve": {},
        "client_reject": {},
        "cancel": {},
        "dispute": {},
        **sent,
    }
    for status in E:
        for name, command_body in offered_by.items():
            escrow = make_escrow(status)
            sender = client_of(escrow)
            offered = sender.get(f"/escrows/{escrow.pk}/summary").json["allowed_actions"]
            path = paths.get(name, name.replace("_", "-"))
            answer = sender.post(
                f"/escrows/{escrow.pk}/{path}", json=command_body, idempotency_key="k"
            )
            assert (answer.status < 300) == (name in offered), (status, name, answer.body)


def test_the_summary_costs_the_same_for_many_milestones(
    django_assert_max_num_queries: Any,
) -> None:
    manager = make_user()
    escrow = make_escrow(milestones=[100] * 30, provider=make_user(managed_by=manager))
    reader = api(Scope.PROVIDER, manager)
    reader.get("/escrows")
    with django_assert_max_num_queries(12):
        assert len(reader.get(f"/escrows/{escrow.pk}/summary").json["milestones"]) == 30
