"""The 26 idempotency cases on real endpoints: money, secrets and files.

The endpoints come from the URL configuration and their requests from the matrix. A twin of each
request, in a world of its own, is sent first: so a case knows how many traces one effect leaves in
the audit trail, the ledger and the outbox.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.apps import apps
from django.core.files.uploadedfile import SimpleUploadedFile

from conftest import SCALE
from kobatela.accounts.models import ApiKey
from kobatela.accounts.services.keys import revoke_key
from kobatela.accounts.tests.factories import ROOT, make_key
from kobatela.kernel.caller import Scope
from kobatela.rest.idempotency import Idempotency
from kobatela.rest.tests.client import Api
from kobatela.rest.tests.idempotency_kit import Case, Request, Scenario, cases_for
from proofs.tests.factories import photo, site_escrow, vague_photo
from tests.matrix import NEW, ROWS, Asked, Endpoint, World, api_of, endpoints

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("ground")]

# A path of another command that a key of the scope may call.
_ELSEWHERE = {
    Scope.SENDER: "/escrows/1/cancel",
    Scope.PROVIDER: "/escrows/1/mark-delivered",
    Scope.SUPPORT: "/proofs/1/request-info",
    Scope.ADMIN: "/users",
}
# What the use of a key and a refusal leave behind is no effect of the command.
_NO_EFFECT = (
    "apikey.used",
    "apikey.refused",
    "access.refused",
    "apikey.revoked",
    "purchase.refused",
    "spending.refused",
)


def _mode(endpoint: Endpoint) -> Idempotency:
    return endpoint.view.idempotency.get(endpoint.action, Idempotency.OPTIONAL)


def _takes_key(endpoint: Endpoint) -> bool:
    """Whether it is a command of a caller whose key counts."""
    is_public = endpoint.action in endpoint.view.public
    return endpoint.is_command and not is_public and _mode(endpoint) is not Idempotency.NONE


COMMANDS = [endpoint for endpoint in endpoints() if _takes_key(endpoint)]


@dataclass(frozen=True)
class Tried:
    """What the cases need to know of one endpoint besides its row in the matrix.

    changed, invalid, refused: fields that replace the body's, for another request that succeeds,
    one that field validation refuses and one that the domain refuses. secrets: shown once.
    lacks: what the endpoint cannot show, by the names of `needs`. skips: numbers of cases that
    do not hold for it, with the reason beside them.
    """

    # A field that nobody reads makes another request of any.
    changed: Mapping[str, Any] = field(default_factory=lambda: {"unread": 1})
    invalid: Mapping[str, Any] | None = None
    refused: Mapping[str, Any] | None = None
    secrets: frozenset[str] = frozenset()
    lacks: frozenset[str] = frozenset()
    skips: frozenset[int] = frozenset()


# Every command is tried with what its row says; these can show more, or less.
TRIED: Mapping[str, Tried] = {
    # How many had run out says nothing of whose they were.
    "POST /mandates/cleanup": Tried(lacks=frozenset({"stranger"})),
    "POST /spend/purchases": Tried(
        changed={"amount": "11.00"}, invalid={"amount": "ten"}, refused={"amount": "1000.00"}
    ),
    "POST /spend": Tried(
        changed={"amount": "11.00"}, invalid={"amount": "ten"}, refused={"amount": "1000.00"}
    ),
    # A change refuses what it does not know, so that there is no field that nobody reads.
    "PATCH /users/<int:user_id>": Tried(changed={"language": "en"}, skips=frozenset({13})),
    "PATCH /spend/categories/<int:category_id>": Tried(
        changed={"label": "Others"}, skips=frozenset({13})
    ),
    "PATCH /spend/merchants/<int:merchant_id>": Tried(
        changed={"name": "Others"}, skips=frozenset({13})
    ),
    "PATCH /spend/allowed/<int:payee_id>": Tried(
        changed={"label": "Others"}, skips=frozenset({13})
    ),
    "POST /escrows/<int:escrow_id>/deposit": Tried(
        changed={"amount": "11.00"},
        invalid={"amount": "ten"},
        refused={"amount": "100000.00"},
    ),
    "POST /escrows/<int:escrow_id>/refund": Tried(
        changed={"note": "for another reason"},
        invalid={"amount": "ten"},
        refused={"amount": "100000.00"},
    ),
    "POST /escrows/<int:escrow_id>/resolve": Tried(
        changed={"release": "50.00", "refund": "50.00"},
        invalid={"release": None},
        refused={"release": "99.00"},
    ),
    "POST /escrows/<int:escrow_id>/client-approve": Tried(invalid={"note": ["a"]}),
    # What a PSP was asked for stands although the command failed: a retry finds it again.
    "POST /escrows/<int:escrow_id>/funding-session": Tried(
        secrets=frozenset({"client_secret"}), skips=frozenset({10})
    ),
    "POST /escrows": Tried(changed={"amount_total": "200.00"}, invalid={"currency": "???"}),
    "POST /proofs": Tried(changed={"sha256": "cd" * 32}, invalid={"type": "SONG"}),
    "POST /apikeys": Tried(
        changed={"name": "another till"},
        invalid={"scope": "king"},
        secrets=frozenset({"key"}),
    ),
    "POST /apikeys/<int:key_id>/rotate": Tried(secrets=frozenset({"key"})),
    "POST /users/<int:user_id>/psp/stripe/account-link": Tried(
        secrets=frozenset({"url"}), skips=frozenset({10})
    ),
    # Its lines are taken one by one, each in a transaction of its own.
    "POST /payments/batches/<int:batch_id>/statement": Tried(
        lacks=frozenset({"json"}), skips=frozenset({10})
    ),
    "POST /files/proofs": Tried(lacks=frozenset({"json"})),
    # The first of two callers collects what both would.
    "POST /payments/batches": Tried(lacks=frozenset({"stranger"})),
}


def effects() -> int:
    """How many traces all effects have left so far."""
    entries: int = apps.get_model("audit.AuditEntry").objects.exclude(action__in=_NO_EFFECT).count()
    rows = ("ledger.Transfer", "payments.Payment", "audit.OutboxEvent", "uploads.Upload")
    others: int = sum(apps.get_model(name).objects.count() for name in rows)
    return entries + others


def effect_of(send: Callable[[], Any], success: int) -> int:
    """How many traces a request leaves."""
    before = effects()
    answer = send()
    assert answer.status == success, answer.body
    after: int = effects()
    return after - before


def request_of(
    endpoint: Endpoint, asked: Asked, changes: Mapping[str, Any] | None = None
) -> Request:
    """The request of a row, perhaps with other fields."""
    body = {**(asked.json or {}), **(changes or {})}
    return Request(endpoint.path(asked.ids), body, endpoint.method, asked.files)


def caller_of(endpoint: Endpoint) -> tuple[World, ApiKey, Api]:
    """A fresh world, and the key with which its owner succeeds."""
    world, row = World.make(), {**ROWS, **NEW}[str(endpoint)]
    api_key, secret = make_key(row.scope, user=world.owner(row.scope), **row.key_options)
    return world, api_key, Api(secret)


def scenario_of(endpoint: Endpoint, case: Case) -> Scenario:
    """The endpoint used by its owner about a fresh object, after a twin in another world."""
    tried, row = tried_of(endpoint), {**ROWS, **NEW}[str(endpoint)]
    twin_world, _, twin_api = caller_of(endpoint)
    twin = row.arrange(twin_world)
    count = effect_of(lambda: request_of(endpoint, twin).send(twin_api, "twin"), twin.success)

    world, api_key, api = caller_of(endpoint)
    asked = row.arrange(world)
    party = world.owner(row.scope)

    def variant(changes: Mapping[str, Any] | None) -> Request | None:
        return None if changes is None else request_of(endpoint, asked, changes)

    return Scenario(
        api=api,
        request=request_of(endpoint, asked),
        success=asked.success,
        effects=effects,
        one_effect=count,
        changed=variant(tried.changed),
        invalid=variant(tried.invalid),
        refused=variant(tried.refused),
        elsewhere=Request(_ELSEWHERE[row.scope], {}),
        stranger=_stranger(endpoint) if "stranger" in case.needs else None,
        rotated=api_of(row.scope, party, **row.key_options) if party is not None else None,
        wrong_scope=_wrong_scope(endpoint),
        revoke=lambda: _revoke(api_key),
        secrets=tried.secrets,
    )


def _stranger(endpoint: Endpoint) -> tuple[Api, Request]:
    """Somebody else, with a good request about something of their own."""
    world, _, api = caller_of(endpoint)
    return api, request_of(endpoint, {**ROWS, **NEW}[str(endpoint)].arrange(world))


def tried_of(endpoint: Endpoint) -> Tried:
    """What is known of an endpoint besides its row."""
    return TRIED.get(str(endpoint), Tried())


def lacks_of(endpoint: Endpoint) -> frozenset[str]:
    """What an endpoint cannot show, by the names of `needs`."""
    tried, row = tried_of(endpoint), {**ROWS, **NEW}[str(endpoint)]
    found = {"other_file"} | tried.lacks
    found |= {name for name in ("invalid", "refused") if getattr(tried, name) is None}
    if row.scope in {Scope.SUPPORT, Scope.ADMIN}:
        # These keys are nobody's, so a second one is another caller.
        found |= {"rotated"}
    if endpoint.scopes >= set(Scope) - {Scope.ADMIN}:
        found |= {"wrong_scope"}
    return frozenset(found)


def file_scenario() -> Scenario:
    """A photo of the site, sent in a form."""
    world = World.make()
    api_key, secret = make_key(Scope.PROVIDER, user=world.provider)
    api = Api(secret)

    def form(content: bytes) -> Request:
        fields = {"escrow_id": escrow.pk, "milestone_idx": 1, "type": "PHOTO"}
        return Request(
            "/proofs", fields, files=lambda: {"file": SimpleUploadedFile("site.jpg", content)}
        )

    escrow = site_escrow(50_000, **world.parties)
    count = effect_of(lambda: form(vague_photo()).send(api, "twin"), 201)
    escrow = site_escrow(50_000, **world.parties)
    return Scenario(
        api=api,
        request=form(vague_photo()),
        success=201,
        effects=effects,
        one_effect=count,
        changed=form(vague_photo()),
        other_file=form(photo()),
        refused=form(photo((6.0, -4.0))),
        # A photo that is refused for what it shows is audited, once.
        refusal_effect=1,
        rotated=api_of(Scope.PROVIDER, world.provider),
        wrong_scope=api_of(Scope.SUPPORT, None),
        revoke=lambda: _revoke(api_key),
    )


def pairs(*, commits: bool) -> list[tuple[Endpoint, Case]]:
    """Every command with every case that it can show.

    One mechanism serves them all, so on every change those that must have a key show everything
    and each of the others a part, a different one; all show all of it before a release.
    """
    found: list[tuple[Endpoint, Case]] = []
    for turn, endpoint in enumerate(COMMANDS):
        required, tried = _mode(endpoint) is Idempotency.REQUIRED, tried_of(endpoint)
        lacks = " ".join(lacks_of(endpoint))
        cases = cases_for(required=required, commits=commits, lacks=lacks)
        cases = [case for case in cases if case.number not in tried.skips]
        if not required and SCALE != "soak":
            cases = [] if commits else cases[turn % 4 :: 4]
        found += [(endpoint, case) for case in cases]
    return found


def _wrong_scope(endpoint: Endpoint) -> Api | None:
    others = sorted(set(Scope) - endpoint.scopes - {Scope.ADMIN})
    return api_of(others[0], None) if others else None


def _revoke(api_key: ApiKey) -> None:
    revoke_key(caller=ROOT, key_id=api_key.pk)


def test_every_command_is_tried_and_nothing_else() -> None:
    untried = {str(endpoint) for endpoint in endpoints() if _takes_key(endpoint)}
    assert {str(endpoint) for endpoint in COMMANDS} == untried
    assert set(TRIED) <= untried


@pytest.mark.parametrize(("endpoint", "case"), pairs(commits=False), ids=str)
def test_a_command_keeps_every_rule(endpoint: Endpoint, case: Case) -> None:
    case.run(scenario_of(endpoint, case))


@pytest.mark.parametrize(
    "case",
    cases_for(required=False, commits=False, lacks="json invalid elsewhere stranger"),
    ids=str,
)
def test_a_photo_in_a_form_keeps_every_rule(case: Case) -> None:
    case.run(file_scenario())


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("endpoint", "case"), pairs(commits=True), ids=str)
def test_a_command_keeps_the_rules_of_real_commits(endpoint: Endpoint, case: Case) -> None:
    case.run(scenario_of(endpoint, case))


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("case", cases_for(required=False, commits=True), ids=str)
def test_a_photo_in_a_form_keeps_the_rules_of_real_commits(case: Case) -> None:
    case.run(file_scenario())
