"""Public-sector projects: whose they are, what belongs to them, and that nobody is named."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from reportlab import rl_config

from audit.models import AuditEntry
from audit.tests.together import run_together
from escrow.models import (
    Domain,
    Escrow,
    Milestone,
    MilestoneStatus,
    Project,
    ProjectEscrow,
    ProjectManager,
    ProjectStatus,
)
from escrow.services.projects import add_manager, attach_escrow, close_project
from escrow.tests.factories import attach, make_escrow, make_project
from escrow.tests.http import api, fields
from kobatela.accounts.models import User
from kobatela.accounts.tests.factories import make_caller, make_key, make_staff, make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Scope
from kobatela.kernel.errors import InvalidState
from kobatela.rest.tests.client import Answer, Api

pytestmark = pytest.mark.django_db

BODY = {
    "label": "Wells of the north",
    "project_type": "water",
    "country": "sn",
    "city": "Podor",
    "domain": "aid",
}


def ngo(**values: Any) -> User:
    return make_user(public_tag="ONG", **values)


def aid_escrow(client: User, **options: Any) -> Escrow:
    return make_escrow(client=client, domain=Domain.AID, **options)


def entries(action: str) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(action=action).order_by("pk"))


# --- Who may come in ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/kct_public/projects", "/kct_public/mandates"])
@pytest.mark.parametrize(
    ("scope", "tag", "code"),
    [
        (Scope.SENDER, "private", "PUBLIC_ACCESS_FORBIDDEN"),
        (Scope.PROVIDER, "private", "PUBLIC_ACCESS_FORBIDDEN"),
        (Scope.ADMIN, "private", "PUBLIC_ACCESS_FORBIDDEN"),
        (Scope.ADMIN, None, "PUBLIC_USER_NOT_FOUND"),
        (Scope.SUPPORT, "GOV", "INSUFFICIENT_SCOPE"),
    ],
)
def test_only_public_bodies_come_in(path: str, scope: Scope, tag: str | None, code: str) -> None:
    user = make_user(public_tag=tag) if tag else None

    answer = Api(make_key(scope, user=user)[1]).get(path)

    assert (answer.status, answer.code) == (403, code)
    assert entries("projects.listed") == entries("project_mandates.listed") == []


@pytest.mark.parametrize("scope", [Scope.SENDER, Scope.PROVIDER])
@pytest.mark.parametrize("tag", ["GOV", "ONG"])
def test_a_key_of_any_party_scope_comes_in_where_its_user_is_public(scope: Scope, tag: str) -> None:
    answer = api(scope, make_user(public_tag=tag)).get("/kct_public/projects")

    assert (answer.status, answer.json) == (200, {"items": [], "next": None})


# --- Projects and their managers ------------------------------------------------------------------


def test_who_makes_a_project_manages_it() -> None:
    maker = ngo()

    answer = api(Scope.SENDER, maker).post("/kct_public/projects", json=BODY)

    assert answer.status == 201
    project = Project.objects.get()
    assert answer.json == {
        "id": project.pk,
        "label": "Wells of the north",
        "project_type": "water",
        "country": "SN",
        "city": "Podor",
        "domain": "aid",
        "status": "active",
        "total_amount": None,
        "released_amount": None,
        "remaining_amount": None,
        "currency": None,
        "current_milestone": None,
        "totals": [],
        "created_at": answer.json["created_at"],
        "updated_at": answer.json["updated_at"],
    }
    manager = ProjectManager.objects.get()
    assert (manager.user, manager.role, manager.is_primary) == (maker, "project_manager", True)
    (entry,) = entries("project.created")
    assert entry.subject == f"project:{project.pk}"
    assert "Podor" not in entry.body


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"label": "ab"}, "label"),
        ({"country": "SEN"}, "country"),
        ({"country": "5\u0661"}, "country"),
        ({"domain": "private"}, "domain"),
        ({"project_type": ""}, "project_type"),
        ({"city": "x" * 101}, "city"),
    ],
)
def test_a_project_that_is_not_valid_is_refused(change: dict[str, Any], field: str) -> None:
    answer = api(Scope.SENDER, ngo()).post("/kct_public/projects", json=BODY | change)

    assert set(fields(answer)) == {field}
    assert not Project.objects.exists()


def test_a_manager_is_added_once_and_sees_the_project() -> None:
    first, second = ngo(), ngo()
    project = make_project(first)
    path, body = f"/kct_public/projects/{project.pk}", {"user_id": second.pk, "role": "auditor"}
    added = api(Scope.SENDER, first).post(f"{path}/managers", json=body)
    again = api(Scope.SENDER, first).post(f"{path}/managers", json=body | {"role": "finance"})
    unknown = api(Scope.SENDER, first).post(f"{path}/managers", json=body | {"role": "king"})

    assert (added.status, added.json["status"]) == (201, "added")
    assert (again.status, again.json["status"]) == (201, "exists")
    assert set(fields(unknown)) == {"role"}
    kept = ProjectManager.objects.filter(user=second).values_list("role", "is_primary")
    assert list(kept) == [("auditor", False)]
    assert len(entries("project.manager_added")) == 1
    assert api(Scope.SENDER, second).get(path).status == 200
    listed = api(Scope.SENDER, first).get("/kct_public/projects").json["items"]
    assert [item["id"] for item in listed] == [project.pk]


def test_a_new_primary_manager_takes_the_place_of_the_former() -> None:
    first, second = ngo(), ngo()
    project = make_project(first)

    api(Scope.SENDER, first).post(
        f"/kct_public/projects/{project.pk}/managers",
        json={"user_id": second.pk, "is_primary": True},
    )

    assert ProjectManager.objects.get(is_primary=True).user == second
    assert ProjectManager.objects.filter(project=project).count() == 2


def test_d33_an_unknown_manager_is_named_as_a_field() -> None:
    maker = ngo()
    path = f"/kct_public/projects/{make_project(maker).pk}/managers"
    for user_id in (9_007_199_254_740_993, make_user(is_active=False).pk):
        answer = api(Scope.SENDER, maker).post(path, json={"user_id": user_id})
        assert fields(answer) == {"user_id": "unknown"}
    assert ProjectManager.objects.count() == 1


# --- Which escrows belong to a project ------------------------------------------------------------


def test_an_own_escrow_is_attached_once() -> None:
    maker = ngo()
    project, escrow = make_project(maker), aid_escrow(maker)
    path = f"/kct_public/projects/{project.pk}/mandates"

    first, second = (
        api(Scope.SENDER, maker).post(path, json={"escrow_id": escrow.pk}) for _ in range(2)
    )

    assert (first.status, first.json["status"]) == (201, "attached")
    assert (second.status, second.json["status"]) == (201, "exists")
    assert ProjectEscrow.objects.get().escrow == escrow
    (entry,) = entries("project.escrow_attached")
    assert (entry.subject, entry.stream) == (f"project:{project.pk}", f"escrow:{escrow.pk}")


def _attach(by: User, project: Project, escrow: Escrow) -> Answer:
    path = f"/kct_public/projects/{project.pk}/mandates"
    return api(Scope.SENDER, by).post(path, json={"escrow_id": escrow.pk})


def test_d08_a_foreign_escrow_is_not_there() -> None:
    maker, project = (one := ngo()), make_project(one)
    foreign = aid_escrow(ngo())

    answer = _attach(maker, project, foreign)

    assert (answer.status, answer.code) == (404, "ESCROW_NOT_FOUND")
    missing = _attach(maker, project, Escrow(pk=9_007_199_254_740_993))
    assert answer.json["error"]["message"] == missing.json["error"]["message"]
    assert not ProjectEscrow.objects.exists()


def test_d08_who_is_only_the_provider_attaches_nothing() -> None:
    maker = ngo()
    escrow = aid_escrow(ngo(), provider=maker)

    answer = _attach(maker, make_project(maker), escrow)

    assert (answer.status, answer.code) == (403, "ESCROW_ROLE_FORBIDDEN")
    assert not ProjectEscrow.objects.exists()


def test_a_granted_escrow_is_attached_until_the_grant_is_withdrawn() -> None:
    client, other = make_user(public_tag="GOV"), ngo()
    project = make_project(other)
    granted, kept = aid_escrow(client), aid_escrow(client)
    given = [
        api(Scope.SENDER, client).post(
            "/kct_public/grants", json={"escrow_id": escrow.pk, "user_id": other.pk}
        )
        for escrow in (granted, kept, granted)
    ]
    assert [answer.status for answer in given] == [201, 201, 201]
    assert given[0].json == given[2].json
    assert len(entries("escrow_grant.given")) == 2
    seen = api(Scope.SENDER, other).get("/kct_public/grants").json["items"]
    assert [item["escrow_id"] for item in seen] == [kept.pk, granted.pk]
    assert _attach(other, project, granted).status == 201

    # Whom it was given to cannot take it back, the client can.
    grant_path = f"/kct_public/grants/{given[1].json['id']}"
    assert api(Scope.SENDER, other).delete(grant_path).status == 404
    assert api(Scope.SENDER, client).delete(grant_path).status == 204

    assert _attach(other, project, kept).status == 404
    assert ProjectEscrow.objects.get().escrow == granted
    assert len(entries("escrow_grant.withdrawn")) == 1


def test_only_the_client_grants_and_no_private_escrow() -> None:
    client, provider, other = ngo(), ngo(), ngo()
    escrow = aid_escrow(client, provider=provider)
    private = make_escrow(client=client)

    def grant(by: User, escrow: Escrow) -> str:
        body = {"escrow_id": escrow.pk, "user_id": other.pk}
        return api(Scope.SENDER, by).post("/kct_public/grants", json=body).code

    assert grant(provider, escrow) == "ESCROW_ROLE_FORBIDDEN"
    assert grant(other, escrow) == "ESCROW_NOT_FOUND"
    assert grant(client, private) == "DOMAIN_MISMATCH"
    assert entries("escrow_grant.given") == []


def test_an_escrow_of_another_domain_or_project_or_for_a_closed_one_is_refused() -> None:
    maker = ngo()
    project, other, closed = make_project(maker), make_project(maker), make_project(maker)
    escrow = aid_escrow(maker)
    attach(other, escrow)
    close_project(actor="staff:1", project_id=closed.pk)

    refused = [
        _attach(maker, project, make_escrow(client=maker)),
        _attach(maker, project, make_escrow(client=maker, domain=Domain.PUBLIC)),
        _attach(maker, project, escrow),
        _attach(maker, closed, aid_escrow(maker)),
    ]

    assert [(answer.status, answer.code) for answer in refused] == [
        (422, "DOMAIN_MISMATCH"),
        (422, "DOMAIN_MISMATCH"),
        (409, "ESCROW_ALREADY_ATTACHED"),
        (409, "INVALID_STATE"),
    ]
    assert ProjectEscrow.objects.get().project == other


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_of_eight_projects_that_attach_one_escrow_at_once_one_has_it() -> None:
    maker = ngo()
    escrow, caller = aid_escrow(maker), make_caller(Scope.SENDER, maker)
    projects = [make_project(maker) for _ in range(8)]

    results = run_together(
        [
            partial(attach_escrow, caller=caller, project_id=project.pk, escrow_id=escrow.pk)
            for project in projects
        ]
    )

    assert results.count(True) == 1
    refused = [getattr(result, "code", None) for result in results if result is not True]
    assert refused == ["ESCROW_ALREADY_ATTACHED"] * 7
    assert ProjectEscrow.objects.count() == len(entries("project.escrow_attached")) == 1


@pytest.mark.parametrize("current", ProjectStatus)
@pytest.mark.parametrize("target", ProjectStatus)
def test_a_project_moves_only_where_the_table_says(
    current: ProjectStatus, target: ProjectStatus
) -> None:
    project = Project(pk=1, status=current)
    if (current, target) == (ProjectStatus.ACTIVE, ProjectStatus.CLOSED):
        project.transition_to(target)
        assert project.status == target
    else:
        with pytest.raises(InvalidState):
            project.transition_to(target)
        assert project.status == current


# --- What is shown --------------------------------------------------------------------------------


def test_a_public_mandate_has_exactly_its_fields() -> None:
    maker = ngo()
    project = make_project(maker, city="Podor")
    escrow = aid_escrow(maker, milestones=[4_000, 6_000], amount_total_minor=20_000)
    attach(project, escrow)
    paid = Milestone.objects.get(sequence_index=1)
    later = clock.now() + timedelta(minutes=5)
    Milestone.objects.filter(pk=paid.pk).update(status=MilestoneStatus.PAID, updated_at=later)
    Escrow.objects.filter(pk=escrow.pk).update(released_minor=4_000)

    answer = api(Scope.SENDER, maker).get("/kct_public/mandates")

    assert answer.json == {
        "items": [
            {
                "reference": f"escrow:{escrow.pk}",
                "escrow_id": escrow.pk,
                "project_id": project.pk,
                "project": "Wells of the north",
                "domain": "aid",
                "country": "SN",
                "city": "Podor",
                "status": "FUNDED",
                "currency": "EUR",
                "total": "200.00",
                "released": "40.00",
                "remaining": "160.00",
                "milestones_paid": 1,
                "milestones_total": 2,
                "current_milestone": 2,
                "updated_at": later.isoformat().replace("+00:00", "Z"),
            }
        ],
        "next": None,
        "totals": [
            {
                "currency": "EUR",
                "escrows": 1,
                "total": "200.00",
                "funded": "200.00",
                "released": "40.00",
                "refunded": "0.00",
                "remaining": "160.00",
            }
        ],
    }


@pytest.fixture
def three() -> dict[str, Any]:
    """A manager of two projects in two countries, with escrows in two currencies."""
    maker = ngo()
    wells = make_project(maker, country="SN")
    roads = make_project(maker, country="ML", domain="public")
    with clock.frozen(clock.now() - timedelta(days=2)):
        old = aid_escrow(maker)
    new = aid_escrow(maker, currency="XOF", amount_total_minor=5_000)
    road = make_escrow("REFUNDED", client=maker, domain=Domain.PUBLIC)
    attach(wells, old, new)
    attach(roads, road)
    foreign = ngo()
    attach(make_project(foreign), aid_escrow(foreign))
    return {"maker": maker, "wells": wells, "roads": roads, "old": old, "new": new, "road": road}


@pytest.mark.parametrize(
    ("query", "found", "currencies"),
    [
        ("", ["road", "new", "old"], ["EUR", "XOF"]),
        ("?domain=aid", ["new", "old"], ["EUR", "XOF"]),
        ("?domain=public", ["road"], ["EUR"]),
        ("?country=ml", ["road"], ["EUR"]),
        ("?status=REFUNDED", ["road"], ["EUR"]),
        ("?currency=XOF", ["new"], ["XOF"]),
        ("?project_id={wells}&currency=EUR", ["old"], ["EUR"]),
        ("?updated_since={yesterday}", ["road", "new"], ["EUR", "XOF"]),
        ("?status=DISPUTED", [], []),
    ],
)
def test_mandates_are_filtered_and_summed(
    three: dict[str, Any], query: str, found: list[str], currencies: list[str]
) -> None:
    yesterday = (clock.now() - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    asked = query.format(wells=three["wells"].pk, yesterday=yesterday)

    answer = api(Scope.SENDER, three["maker"]).get(f"/kct_public/mandates{asked}")

    assert [item["escrow_id"] for item in answer.json["items"]] == [three[n].pk for n in found]
    assert [total["currency"] for total in answer.json["totals"]] == currencies


def test_sums_count_all_pages_and_nothing_remains_of_what_ended(three: dict[str, Any]) -> None:
    answer = api(Scope.SENDER, three["maker"]).get("/kct_public/mandates?limit=1")

    assert len(answer.json["items"]) == 1
    euros, francs = answer.json["totals"]
    assert (euros["escrows"], euros["total"], euros["refunded"]) == (2, "200.00", "100.00")
    assert euros["remaining"] == "100.00"
    assert (francs["escrows"], francs["total"], francs["remaining"]) == (1, "5000", "5000")
    second = api(Scope.SENDER, three["maker"]).get(
        f"/kct_public/mandates?limit=1&cursor={answer.json['next']}"
    )
    assert second.json["items"][0]["escrow_id"] == three["new"].pk


def test_a_project_in_two_currencies_has_sums_and_no_single_amount(three: dict[str, Any]) -> None:
    items = api(Scope.SENDER, three["maker"]).get("/kct_public/projects").json["items"]

    roads, wells = items
    assert (roads["currency"], roads["total_amount"], roads["remaining_amount"]) == (
        "EUR",
        "100.00",
        "0.00",
    )
    assert (wells["currency"], wells["total_amount"], wells["released_amount"]) == (None,) * 3
    assert [(total["currency"], total["total"]) for total in wells["totals"]] == [
        ("EUR", "100.00"),
        ("XOF", "5000"),
    ]
    filtered = api(Scope.SENDER, three["maker"]).get("/kct_public/projects?domain=public")
    assert [item["id"] for item in filtered.json["items"]] == [three["roads"].pk]


def test_a_page_of_projects_costs_the_same_however_many_there_are() -> None:
    maker = ngo()
    caller = api(Scope.SENDER, maker)

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert caller.get("/kct_public/projects").status == 200
        return len(captured)

    attach(make_project(maker), aid_escrow(maker))
    queries()
    with_one = queries()
    for _ in range(4):
        attach(make_project(maker), aid_escrow(maker))
    assert queries() == with_one


# --- Nobody is named, everything is told ----------------------------------------------------------


def test_no_answer_names_a_party(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rl_config, "pageCompression", 0)
    people = [
        make_user(
            username=f"Canary {word}", email=f"{word}@canary.example.org", phone=f"+22507{n}",
            public_tag="ONG",
        )
        for n, word in enumerate(("awa", "moussa", "fatou"), start=7_000_001)
    ]  # fmt: skip
    client, provider, manager = people
    project = make_project(client)
    escrow = aid_escrow(
        client,
        provider=provider,
        milestones=[{"amount_minor": 4_000, "label": "Roof of Canary moussa"}],
        release_conditions={"pay": "Canary moussa"},
    )
    attach(project, escrow)
    by, path = api(Scope.SENDER, client), f"/kct_public/projects/{project.pk}"
    answers = [
        by.post(f"{path}/managers", json={"user_id": manager.pk}),
        by.post("/kct_public/grants", json={"escrow_id": escrow.pk, "user_id": manager.pk}),
        by.post(f"{path}/mandates", json={"escrow_id": escrow.pk}),
        by.get("/kct_public/grants"),
        by.get("/kct_public/projects"),
        by.get(path),
        by.get("/kct_public/mandates"),
        by.get(f"{path}/report"),
        by.get(f"{path}/report?format=pdf"),
    ]

    for answer in answers:
        assert answer.status in {200, 201}
        for person in people:
            for word in (person.username, person.email, person.phone, person.username[7:]):
                assert word.encode() not in answer.body, (word, answer.body)


def test_every_look_is_in_the_trail(three: dict[str, Any]) -> None:
    maker = three["maker"]
    by = api(Scope.SENDER, maker)

    by.get("/kct_public/projects?country=SN")
    by.get(f"/kct_public/projects/{three['wells'].pk}")
    by.get("/kct_public/mandates?currency=XOF")

    assert [entry.body for entry in entries("projects.listed")] == ['{"filters":{"country":"SN"}}']
    assert [entry.subject for entry in entries("project.read")] == [f"project:{three['wells'].pk}"]
    (listed,) = entries("project_mandates.listed")
    assert (listed.subject, listed.body) == (
        f"user:{maker.pk}",
        '{"filters":{"currency":"XOF"}}',
    )


@pytest.mark.console
def test_support_reads_a_project_at_the_console_and_an_admin_closes_it(
    three: dict[str, Any],
) -> None:
    support, admin = Client(), Client()
    support.force_login(make_staff("support"))
    admin.force_login(make_staff("admin"))
    project = three["wells"]
    page = reverse("admin:escrow_project_change", args=[project.pk])
    close = reverse("admin:escrow_project_close", args=[project.pk])

    shown = support.get(page).content.decode()
    assert f"#{three['old'].pk}" in shown
    assert "5000 XOF: funded 5000" in shown
    assert three["maker"].username in shown
    assert support.post(close).status_code == 403
    assert admin.post(close, {"x": "1"}, follow=True).status_code == 200

    project.refresh_from_db()
    assert project.status == "closed"
    assert len(entries("project.closed")) == 1


@pytest.mark.console
def test_an_admin_removes_a_manager_at_the_console_but_not_the_last_one() -> None:
    first, second = ngo(), ngo()
    project = make_project(first)
    add_manager(
        caller=make_caller(Scope.SENDER, first),
        project_id=project.pk,
        user_id=second.pk,
        role="field",
    )
    page = reverse("admin:escrow_project_remove_manager", args=[project.pk])
    support, admin = Client(), Client()
    support.force_login(make_staff("support"))
    admin.force_login(make_staff("admin"))
    assert support.post(page, {"user_id": first.pk}).status_code == 403

    for user in (first, first, second):
        admin.post(page, {"user_id": user.pk}, follow=True)

    left = ProjectManager.objects.filter(project=project).values_list("user", "is_primary")
    assert list(left) == [(second.pk, True)]
    assert [entry.body for entry in entries("project.manager_removed")] == [
        f'{{"manager_id":{first.pk},"was_primary":true}}'
    ]
    assert api(Scope.SENDER, first).get(f"/kct_public/projects/{project.pk}").status == 404
    assert api(Scope.SENDER, second).get(f"/kct_public/projects/{project.pk}").status == 200
