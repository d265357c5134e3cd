"""The console pages of users, keys, the audit trail, alerts, jobs and switches."""

from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import PeriodicTask

from audit.actions import Action
from audit.alert_types import AlertType, Severity
from audit.schedule import ScheduledJob
from audit.selectors import alerts, entries
from audit.services.alerts import raise_alert
from audit.services.entries import record
from audit.services.jobs import run_exclusively
from audit.services.schedules import ensure_schedule
from audit.services.switches import is_on
from kobatela.accounts import hooks
from kobatela.accounts.models import ApiKey, Approval, User
from kobatela.accounts.services.approvals import require_approval
from kobatela.accounts.tests.factories import make_key, make_staff, make_staff_caller, make_user
from kobatela.kernel.money import Money

pytestmark = [pytest.mark.django_db, pytest.mark.console]

MODELS = [
    "accounts_user",
    "accounts_apikey",
    "accounts_approval",
    "audit_auditentry",
    "audit_alert",
    "audit_joblock",
    "audit_jobrun",
    "audit_switch",
    "audit_outboxevent",
]


@pytest.fixture(autouse=True)
def idle_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has an open escrow."""
    monkeypatch.setattr(hooks, "_open_escrow_checks", [lambda _user_id: False])


def _client(role: str) -> Client:
    client = Client()
    client.force_login(make_staff(role))
    return client


def _something_of_everything() -> None:
    make_key("sender", make_user(managed_by=make_user()), may_confirm_deposits=True)
    record(
        actor="a:1",
        action=Action.SWITCH_SET,
        subject="escrow:1",
        body={"note": "<script>"},
        event="x.done",
    )
    raise_alert(
        type=AlertType.PAYOUT_FAILED,
        severity=Severity.WARNING,
        subject="payment:1",
        message="<script>alert(1)</script>",
    )
    run_exclusively("sweep", lambda _heartbeat: {"swept": 1})
    require_approval(
        caller=make_staff_caller("support"),
        command="resolve",
        subject="escrow:1",
        escrow_id=1,
        money=Money(10**9, "EUR"),
        figures={},
    )


def _record_of(model: str) -> Any:
    app, name = model.split("_")
    return apps.get_model(app, name).objects.order_by("pk").last()


@pytest.mark.parametrize("role", ["support", "admin"])
@pytest.mark.parametrize("model", MODELS)
def test_every_list_and_record_can_be_read_and_nothing_edited(role: str, model: str) -> None:
    _something_of_everything()
    client = _client(role)
    found = _record_of(model)

    listed = client.get(reverse(f"admin:{model}_changelist"))
    shown = client.get(reverse(f"admin:{model}_change", args=[found.pk]))

    assert (listed.status_code, shown.status_code) == (200, 200)
    assert b"<script>alert" not in listed.content + shown.content
    assert b'name="_save"' not in shown.content
    assert client.get(reverse(f"admin:{model}_add")).status_code == 403
    assert client.post(reverse(f"admin:{model}_change", args=[found.pk]), {}).status_code == 403
    assert client.post(reverse(f"admin:{model}_delete", args=[found.pk])).status_code == 403


@pytest.mark.parametrize("model", MODELS)
def test_without_a_role_staff_see_nothing(model: str) -> None:
    client = Client()
    client.force_login(
        User.objects.create_user("bare", "bare@example.org", "password", is_staff=True)
    )

    assert client.get(reverse(f"admin:{model}_changelist")).status_code == 403


@pytest.mark.parametrize("model", MODELS)
def test_a_list_costs_the_same_with_many_rows(
    model: str, django_assert_max_num_queries: Any
) -> None:
    client = _client("admin")
    for _ in range(3):
        _something_of_everything()

    with django_assert_max_num_queries(12):
        client.get(reverse(f"admin:{model}_changelist"))


def test_a_user_is_created_by_an_admin() -> None:
    manager = make_user()
    values = {
        "username": "awa",
        "email": "Awa@example.org",
        "phone": "",
        "language": "fr",
        "public_tag": "ONG",
        "managed_by": manager.pk,
    }

    answer = _client("admin").post(reverse("admin:accounts_user_create"), values, follow=True)

    user = User.objects.get(username="awa")
    assert (user.email, user.public_tag, user.managed_by) == ("awa@example.org", "ONG", manager)
    assert b"The user awa was created." in answer.content
    assert entries(action="user.created").order_by("-pk")[0].actor.startswith("staff:")


def test_a_refusal_is_shown_on_the_form() -> None:
    make_user(username="awa")
    values = {
        "username": "awa",
        "email": "x@example.org",
        "language": "fr",
        "public_tag": "private",
    }

    answer = _client("admin").post(reverse("admin:accounts_user_create"), values)

    assert answer.status_code == 200
    assert b"USER_CREATE_FAILED" in answer.content


def _do(client: Client, command: str, record_id: int, **values: Any) -> bytes:
    # A browser always sends something: its token against forged requests.
    sent = values | {"csrfmiddlewaretoken": "x"}
    answer = client.post(reverse(f"admin:{command}", args=[record_id]), sent, follow=True)
    assert answer.status_code == 200
    return bytes(answer.content)


def test_an_admin_deactivates_tags_and_gives_a_manager() -> None:
    client, user, manager = _client("admin"), make_user(), make_user()

    _do(client, "accounts_user_tag", user.pk, public_tag="GOV")
    _do(client, "accounts_user_manager", user.pk, managed_by=manager.pk)
    _do(client, "accounts_user_deactivate", user.pk)

    user.refresh_from_db()
    assert (user.public_tag, user.managed_by, user.is_active) == ("GOV", manager, False)
    _do(client, "accounts_user_reactivate", user.pk)
    _do(client, "accounts_user_manager", user.pk, managed_by="")
    user.refresh_from_db()
    assert (user.managed_by, user.is_active) == (None, True)


def test_contact_is_changed_and_a_taken_address_refused() -> None:
    client, user = _client("admin"), make_user()
    make_user(email="taken@example.org")
    values = {"username": "awa", "email": "awa@example.org", "phone": "1", "language": "en"}

    _do(client, "accounts_user_contact", user.pk, **values)
    refused = _do(
        client, "accounts_user_contact", user.pk, **(values | {"email": "taken@example.org"})
    )

    user.refresh_from_db()
    assert (user.username, user.email, user.language) == ("awa", "awa@example.org", "en")
    assert b"USER_CREATE_FAILED" in refused


def test_a_member_of_staff_gets_a_role_and_a_password_and_signs_in() -> None:
    client, user = _client("admin"), make_user()

    _do(client, "accounts_user_role", user.pk, role="support")
    _do(client, "accounts_user_password", user.pk, password="A long and rare pass phrase")

    own = Client()
    login = {"username": user.username, "password": "A long and rare pass phrase"}
    assert own.post("/admin/login/", login | {"next": "/admin/"}).status_code == 302
    assert own.get(reverse("admin:audit_auditentry_changelist")).status_code == 200
    assert entries(action="staff.role_set").get().body == '{"after":["support"],"before":[]}'
    assert "rare" not in entries(action="staff.password_set").get().body

    _do(client, "accounts_user_role", user.pk, role="")
    assert own.get(reverse("admin:audit_auditentry_changelist")).status_code == 302


def test_a_weak_password_and_an_own_role_are_refused() -> None:
    admin = make_staff("admin")
    client = Client()
    client.force_login(admin)

    weak = _do(client, "accounts_user_password", admin.pk, password="12345678")
    own = _do(client, "accounts_user_role", admin.pk, role="support")

    assert b"VALIDATION_ERROR" in weak
    assert b"VALIDATION_ERROR" in own
    admin.refresh_from_db()
    assert admin.check_password("password")
    assert admin.groups.get().name == "admin"


def test_a_superuser_is_not_taken_over_by_an_admin() -> None:
    root = User.objects.create_superuser("root", "root@example.org", "password")
    client = _client("admin")

    for command, values in (
        ("accounts_user_password", {"password": "A long and rare pass phrase"}),
        ("accounts_user_role", {"role": ""}),
    ):
        assert b"VALIDATION_ERROR" in _do(client, command, root.pk, **values)

    root.refresh_from_db()
    assert root.check_password("password")
    assert root.is_staff


def _key_form(**values: Any) -> dict[str, Any]:
    return {
        "name": "shop",
        "scope": "admin",
        "user_id": "",
        "days_valid": "",
        "allowed_ips": "",
        "confirm_limit": "",
        "reason": "",
    } | values


def test_a_key_is_issued_and_its_secret_shown_once() -> None:
    client = _client("admin")
    user = make_user()
    values = _key_form(
        scope="sender",
        user_id=user.pk,
        allowed_ips="203.0.113.7, 198.51.100.0/24",
        may_confirm_deposits="on",
        confirm_limit="EUR=500.00, XOF=100000",
        reason="It collects cash.",
    )

    answer = client.post(reverse("admin:accounts_apikey_issue"), values)

    key = ApiKey.objects.get()
    assert answer.status_code == 200
    assert f"koba_test_{key.public_id}_".encode() in answer.content
    assert "no-store" in answer.headers["Cache-Control"]
    assert (key.user, key.expires_at) == (user, None)
    assert key.confirm_limit == {"EUR": 50000, "XOF": 100000}
    assert key.allowed_ips == ["203.0.113.7/32", "198.51.100.0/24"]
    shown = client.get(reverse("admin:accounts_apikey_change", args=[key.pk])).content
    assert f"koba_test_{key.public_id}_".encode() not in shown
    assert key.digest.encode() not in shown
    assert b"500.00 EUR, 100000 XOF" in shown


@pytest.mark.parametrize(
    "values",
    [
        {"scope": "sender"},
        {"confirm_limit": "many"},
        {"user_id": 10**9},
        {"allowed_ips": "here"},
    ],
)
def test_a_key_that_is_not_valid_is_not_issued(values: dict[str, Any]) -> None:
    answer = _client("admin").post(reverse("admin:accounts_apikey_issue"), _key_form(**values))

    assert answer.status_code == 200
    assert b"errorlist" in answer.content
    assert not ApiKey.objects.exists()


def test_a_key_is_rotated_and_revoked() -> None:
    client = _client("admin")
    key, _ = make_key("sender")

    rotated = _do(client, "accounts_apikey_rotate", key.pk)
    new = ApiKey.objects.get(rotation_of=key)
    assert f"koba_test_{new.public_id}_".encode() in rotated
    refused = _do(client, "accounts_apikey_rotate", key.pk)
    assert b"APIKEY_ROTATION_OPEN" in refused
    _do(client, "accounts_apikey_revoke", key.pk)

    key.refresh_from_db()
    assert key.revoked_at is not None
    assert new.revoked_at is None


@pytest.mark.parametrize(
    ("command", "model"),
    [
        ("accounts_user_contact", "user"),
        ("accounts_user_tag", "user"),
        ("accounts_user_manager", "user"),
        ("accounts_user_role", "user"),
        ("accounts_user_password", "user"),
        ("accounts_user_deactivate", "user"),
        ("accounts_user_reactivate", "user"),
        ("accounts_apikey_rotate", "key"),
        ("accounts_apikey_revoke", "key"),
        ("audit_switch_turn", "switch"),
        ("accounts_user_create", ""),
        ("accounts_apikey_issue", ""),
    ],
)
def test_support_finds_no_command_of_an_admin(command: str, model: str) -> None:
    client = _client("support")
    key, _ = make_key("sender")
    ids: dict[str, list[Any]] = {"user": [key.user_id], "key": [key.pk], "switch": ["ocr"], "": []}
    url = reverse(f"admin:{command}", args=ids[model])

    assert client.get(url).status_code == 403
    assert client.post(url, {"public_tag": "GOV", "is_on": "off", "reason": "x"}).status_code == 403
    page = client.get(reverse("admin:accounts_user_changelist")).content
    assert b"Create a user" not in page
    assert is_on("ocr")


def test_a_switch_is_turned_with_a_reason() -> None:
    client = _client("admin")

    answer = client.post(
        reverse("admin:audit_switch_turn", args=["payouts_paused"]),
        {"is_on": "on", "reason": "The PSP is down."},
        follow=True,
    )

    assert b"The switch payouts_paused is now on." in answer.content
    assert is_on("payouts_paused")
    assert entries(action="switch.set").get().actor.startswith("staff:")


def test_the_trail_is_searched_by_subject_actor_and_action() -> None:
    client = _client("support")
    record(actor="a:1", action=Action.SWITCH_SET, subject="payment:3", stream="escrow:12")
    record(actor="staff:7", action=Action.USER_READ, subject="escrow:1")

    def found(term: str) -> int:
        page = client.get(reverse("admin:audit_auditentry_changelist"), {"q": term})
        return int(page.content.count(b"field-actor"))

    terms = ("escrow:12", "payment:3", "staff:7", "user.read")
    assert [found(term) for term in terms] == [1] * 4
    assert found("escrow") == 0
    page = client.get(reverse("admin:audit_auditentry_changelist"), {"stream": "escrow:12"})
    assert page.content.count(b"field-actor") == 1


def test_approvals_of_one_person_are_not_listed() -> None:
    require_approval(
        caller=make_staff_caller("support"),
        command="approve_proof",
        subject="proof:1",
        escrow_id=1,
        money=Money(1, "EUR"),
        figures={},
    )

    page = _client("support").get(reverse("admin:accounts_approval_changelist"))

    assert Approval.objects.count() == 1
    assert b"proof:1" not in page.content
    assert not alerts().exists()


def test_an_admin_switches_a_job_off_with_a_reason_and_nobody_edits_adds_or_deletes_one() -> None:
    ensure_schedule([ScheduledJob("sweep", "payments.tasks.sweep", every_s=60)])
    job = PeriodicTask.objects.get()
    admin, support = _client("admin"), _client("support")
    base = "admin:django_celery_beat_periodictask"
    page = admin.get(reverse(f"{base}_change", args=[job.pk]))
    assert b'name="_save"' not in page.content
    assert admin.post(reverse(f"{base}_delete", args=[job.pk])).status_code == 403
    assert admin.get(reverse(f"{base}_add")).status_code == 403
    assert admin.get("/admin/django_celery_beat/intervalschedule/").status_code == 404

    off = reverse(f"{base}_switch_off", args=[job.pk])
    assert support.post(off, {"note": "quiet"}).status_code == 403
    admin.post(off, {"note": ""})
    job.refresh_from_db()
    assert job.enabled
    admin.post(off, {"note": "The PSP is being moved."})
    job.refresh_from_db()
    assert not job.enabled
    assert alerts().get().subject == "job:sweep"
