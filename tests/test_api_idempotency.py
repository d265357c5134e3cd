"""The 26 idempotency cases on real endpoints: money, secrets and files.

A twin of each request, about another object, is sent first: so a case knows how many traces one
effect leaves in the audit trail, the ledger and the outbox.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.files.uploadedfile import SimpleUploadedFile
from pytest_django import Settings

from kobatela.accounts.models import ApiKey
from kobatela.accounts.services.keys import revoke_key
from kobatela.accounts.tests.factories import ROOT, make_key
from kobatela.kernel.caller import Scope
from kobatela.rest.tests.client import Api
from kobatela.rest.tests.idempotency_kit import Case, Request, Scenario, cases_for
from proofs.tests.factories import photo, site_escrow, vague_photo
from tests.house import PspServer
from tests.matrix import NEW, ROWS, Asked, Endpoint, World, api_of, endpoints

pytestmark = pytest.mark.django_db

_BY_NAME = {str(endpoint): endpoint for endpoint in endpoints()}
# What the use of a key and a refusal leave behind is no effect of the command.
_NO_EFFECT = ("apikey.used", "apikey.refused", "access.refused", "apikey.revoked")


@dataclass(frozen=True)
class Tried:
    """An endpoint under trial. `changed`, `invalid`, `refused`: fields that replace the body's."""

    name: str
    changed: Mapping[str, Any]
    invalid: Mapping[str, Any] | None = None
    refused: Mapping[str, Any] | None = None
    secrets: frozenset[str] = frozenset()
    lacks: str = "stranger other_file"

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint of that name."""
        return _BY_NAME[self.name]

    def __str__(self) -> str:
        return self.name


REQUIRED = (
    Tried(
        "POST /escrows/<int:escrow_id>/deposit",
        changed={"amount": "11.00"},
        invalid={"amount": "ten"},
        refused={"amount": "100000.00"},
    ),
    Tried(
        "POST /escrows/<int:escrow_id>/refund",
        changed={"note": "for another reason"},
        invalid={"amount": "ten"},
        refused={"amount": "100000.00"},
        lacks="stranger other_file wrong_scope elsewhere",
    ),
    Tried(
        "POST /escrows/<int:escrow_id>/resolve",
        changed={"release": "50.00", "refund": "50.00"},
        invalid={"release": None},
        refused={"release": "99.00"},
        lacks="stranger other_file elsewhere rotated",
    ),
)
OPTIONAL = (
    Tried(
        "POST /escrows",
        changed={"amount_total": "200.00"},
        invalid={"currency": "???"},
        lacks="stranger other_file refused",
    ),
    Tried(
        "POST /escrows/<int:escrow_id>/client-approve",
        changed={"note": "otherwise"},
        invalid={"note": ["a"]},
        lacks="stranger other_file refused",
    ),
    Tried(
        "POST /proofs",
        changed={"sha256": "cd" * 32},
        invalid={"type": "SONG"},
        lacks="stranger other_file refused elsewhere",
    ),
    Tried(
        "POST /apikeys",
        changed={"name": "another till"},
        invalid={"scope": "king"},
        secrets=frozenset({"key"}),
        lacks="stranger other_file refused elsewhere rotated",
    ),
)


@pytest.fixture(autouse=True)
def _ground(settings: Settings, tmp_path: Path, psp: PspServer) -> None:
    """Files of the test's own, and a PSP that answers."""
    settings.KOBATELA_FILES_DIR = tmp_path / "private"
    settings.FAKE_PSP_URL = psp.url


def effects() -> int:
    """How many traces all effects have left so far."""
    entries: int = apps.get_model("audit.AuditEntry").objects.exclude(action__in=_NO_EFFECT).count()
    rows = ("ledger.Transfer", "payments.Payment", "audit.OutboxEvent", "uploads.Upload")
    others: int = sum(apps.get_model(name).objects.count() for name in rows)
    return entries + others


def one_effect(send: Callable[[], Any], success: int) -> int:
    """How many traces the twin of a request leaves."""
    before = effects()
    assert send().status == success
    after: int = effects()
    return after - before


def scenario_of(tried: Tried) -> Scenario:
    """The endpoint used by its owner about a fresh object, after its twin."""
    world = World.make()
    row, endpoint = {**ROWS, **NEW}[tried.name], tried.endpoint
    api_key, secret = make_key(row.scope, user=world.owner(row.scope), **row.key_options)
    api = Api(secret)
    twin, asked = row.arrange(world), row.arrange(world)

    def request(about: Asked, changes: Mapping[str, Any] | None = None) -> Request:
        return Request(
            endpoint.path(about.ids), {**(about.json or {}), **(changes or {})}, endpoint.method
        )

    count = one_effect(lambda: request(twin).send(api, "twin"), asked.success)
    party = world.owner(row.scope)
    return Scenario(
        api=api,
        request=request(asked),
        success=asked.success,
        effects=effects,
        one_effect=count,
        changed=request(asked, tried.changed),
        invalid=None if tried.invalid is None else request(asked, tried.invalid),
        refused=None if tried.refused is None else request(asked, tried.refused),
        elsewhere=Request("/escrows/1/cancel", {}) if row.scope is Scope.SENDER else None,
        rotated=api_of(row.scope, party) if party is not None else None,
        wrong_scope=_wrong_scope(endpoint),
        revoke=lambda: _revoke(api_key),
        secrets=tried.secrets,
    )


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
    count = one_effect(lambda: form(vague_photo()).send(api, "twin"), 201)
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


def pairs(
    tried: tuple[Tried, ...],
    *,
    required: bool,
    commits: bool = False,
) -> list[tuple[Tried, Case]]:
    """Every endpoint with every case that it can show."""
    return [
        (endpoint, case)
        for endpoint in tried
        for case in cases_for(required=required, commits=commits, lacks=endpoint.lacks)
    ]


def _wrong_scope(endpoint: Endpoint) -> Api | None:
    others = sorted(set(Scope) - endpoint.scopes - {Scope.ADMIN})
    return api_of(others[0], None) if others else None


def _revoke(api_key: ApiKey) -> None:
    revoke_key(caller=ROOT, key_id=api_key.pk)


@pytest.mark.parametrize(("tried", "case"), pairs(REQUIRED, required=True), ids=str)
def test_a_command_that_moves_money_keeps_every_rule(tried: Tried, case: Case) -> None:
    case.run(scenario_of(tried))


@pytest.mark.parametrize(("tried", "case"), pairs(OPTIONAL, required=False), ids=str)
def test_a_command_with_an_optional_key_keeps_every_rule(tried: Tried, case: Case) -> None:
    case.run(scenario_of(tried))


@pytest.mark.parametrize(
    "case",
    cases_for(required=False, commits=False, lacks="json invalid elsewhere stranger"),
    ids=str,
)
def test_a_photo_in_a_form_keeps_every_rule(case: Case) -> None:
    case.run(file_scenario())


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("tried", "case"), pairs(REQUIRED, required=True, commits=True), ids=str)
def test_a_command_that_moves_money_keeps_the_rules_of_real_commits(
    tried: Tried, case: Case
) -> None:
    case.run(scenario_of(tried))


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("case", cases_for(required=False, commits=True), ids=str)
def test_a_photo_in_a_form_keeps_the_rules_of_real_commits(case: Case) -> None:
    case.run(file_scenario())
