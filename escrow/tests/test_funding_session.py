"""Starting a PSP's collection of what an escrow still needs."""

import pytest

from escrow.models import Escrow, EscrowStatus
from escrow.services.fundings import EscrowFundings
from escrow.tests.factories import make_escrow
from escrow.tests.http import api, client_of, provider_of
from kobatela.accounts.tests.factories import make_user
from kobatela.kernel.caller import Scope
from payments.psp import registry
from payments.psp.base import PspDown
from payments.tests.stub_psp import StubPsp

pytestmark = pytest.mark.django_db
E = EscrowStatus


@pytest.fixture(autouse=True)
def psp(monkeypatch: pytest.MonkeyPatch) -> StubPsp:
    stub = StubPsp()
    monkeypatch.setattr(registry, "get_psp", lambda _name: stub)
    return stub


def path(escrow: Escrow) -> str:
    return f"/escrows/{escrow.pk}/funding-session"


def test_a_session_asks_for_exactly_what_is_missing() -> None:
    escrow = make_escrow(E.DRAFT, funded=4_000)
    answer = client_of(escrow).post(path(escrow))
    assert answer.status == 201, answer.body
    assert set(answer.json) == {"funding_id", "client_secret", "amount", "currency"}
    assert (answer.json["amount"], answer.json["currency"]) == ("60.00", "EUR")
    assert answer.json["client_secret"]
    escrow.refresh_from_db()
    assert escrow.funded_minor == 4_000


def test_the_secret_is_shown_once() -> None:
    escrow = make_escrow(E.DRAFT)
    sender = client_of(escrow)
    first = sender.post(path(escrow), idempotency_key="k")
    again = sender.post(path(escrow), idempotency_key="k")
    assert first.json["client_secret"]
    assert again.json == first.json | {"client_secret": None}


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (E.FUNDED, "ESCROW_OVER_FUNDED"),
        (E.RELEASABLE, "ESCROW_OVER_FUNDED"),
        (E.DISPUTED, "INVALID_STATE"),
        (E.RELEASED, "ESCROW_CLOSED"),
        (E.CANCELLED, "ESCROW_CLOSED"),
    ],
)
def test_d19_no_session_where_no_money_is_taken(
    status: EscrowStatus, code: str, psp: StubPsp
) -> None:
    escrow = make_escrow(status)
    answer = client_of(escrow).post(path(escrow))
    assert (answer.status, answer.code) == (409, code)
    assert psp.fundings == {}


def test_only_the_clients_side_and_an_admin_in_its_name_start_one(psp: StubPsp) -> None:
    escrow = make_escrow(E.DRAFT)
    assert provider_of(escrow).post(path(escrow)).code == "INSUFFICIENT_SCOPE"
    assert api(Scope.SENDER).post(path(escrow)).status == 404
    admin = api(Scope.ADMIN, make_user())
    assert admin.post(path(escrow)).code == "ON_BEHALF_OF_REQUIRED"
    assert psp.fundings == {}
    named = {"X-On-Behalf-Of": str(escrow.client_id)}
    assert admin.post(path(escrow), headers=named).status == 201


def test_a_psp_that_is_down_is_told_and_a_retry_works(psp: StubPsp) -> None:
    escrow = make_escrow(E.DRAFT)
    sender = client_of(escrow)
    psp.funding_error = PspDown("no answer")
    down = sender.post(path(escrow), idempotency_key="k")
    assert (down.status, down.code) == (503, "PSP_UNAVAILABLE")
    psp.funding_error = None
    assert sender.post(path(escrow), idempotency_key="k").status == 201


def test_a_session_that_fails_takes_nothing_out() -> None:
    escrow = make_escrow(E.DRAFT, funded=4_000)
    handler = EscrowFundings()
    handler.lock_owner(escrow.pk)
    handler.failed(None)
    escrow.refresh_from_db()
    assert escrow.funded_minor == 4_000
