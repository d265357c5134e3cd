"""What stops the start."""

from typing import Any

import pytest

from payments import checks, hooks
from payments.tests.stub_psp import StubPsp


def ids(found: list[Any]) -> list[str]:
    """The ids of what a check found."""
    return [message.id for message in found]


def test_everything_is_in_order_here() -> None:
    for check in (checks.check_handlers, checks.check_psp, checks.check_webhook_secret):
        assert check() == []
    assert checks.check_times() == []


def test_a_kind_of_payment_nobody_follows_stops_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hooks, "_payment_handlers", {"payout": object()})
    monkeypatch.setattr(hooks, "_funding_handlers", [])

    found = checks.check_handlers()

    assert ids(found) == ["payments.E001"] * 4
    for error, kind in zip(found, ("refund", "spend", "purchase", "funding"), strict=True):
        assert kind in str(error.msg)
    with pytest.raises(RuntimeError):
        hooks.payment_handler("refund")
    with pytest.raises(RuntimeError):
        hooks.funding_handler()


def test_a_second_handler_is_a_mistake(psp: StubPsp) -> None:
    handler: Any = object()
    with pytest.raises(RuntimeError):
        hooks.register_payment_handler("payout", handler)
    with pytest.raises(RuntimeError):
        hooks.register_funding_handler(handler)


@pytest.mark.parametrize(
    ("environment", "psp", "found"),
    [
        ("production", "fake", ["payments.E002"]),
        ("production", "manual", []),
        ("dev", "fake", []),
        ("test", "fake", []),
    ],
)
def test_the_sandbox_is_refused_in_production(
    settings: Any, environment: str, psp: str, found: list[str]
) -> None:
    settings.KOBATELA_ENV, settings.KOBATELA_PSP = environment, psp
    assert ids(checks.check_psp()) == found


@pytest.mark.parametrize(
    ("environment", "secret", "following", "found"),
    [
        ("production", "", "", ["payments.E003"]),
        ("production", "a", "", []),
        ("production", "", "b", []),
        ("dev", "", "", []),
    ],
)
def test_a_webhook_secret_is_needed_outside_dev_and_test(
    settings: Any, environment: str, secret: str, following: str, found: list[str]
) -> None:
    settings.KOBATELA_ENV = environment
    settings.PSP_WEBHOOK_SECRETS_FILE = ""
    settings.PSP_WEBHOOK_SECRET, settings.PSP_WEBHOOK_SECRET_NEXT = secret, following
    assert ids(checks.check_webhook_secret()) == found


def test_a_lease_outlasts_a_call_and_the_drift_is_positive(settings: Any) -> None:
    settings.KOBATELA_PAYMENT_LEASE_S, settings.KOBATELA_PSP_TIMEOUT_S = 30, 30
    settings.PSP_WEBHOOK_MAX_DRIFT_SECONDS = 0
    assert ids(checks.check_times()) == ["payments.E004", "payments.E005"]


def test_no_payment_is_given_up_while_a_call_for_it_may_be_on_its_way(settings: Any) -> None:
    settings.KOBATELA_PAYMENT_LEASE_S = 2 * 3600
    assert ids(checks.check_times()) == ["payments.E007"]
