"""System checks of the accounts app."""

import pytest
from django.conf import settings

from kobatela.accounts import hooks
from kobatela.accounts.checks import open_escrows_are_known, pepper_is_its_own_secret


def test_a_start_without_an_answer_about_open_escrows_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hooks, "_open_escrow_checks", [])
    assert [problem.id for problem in open_escrows_are_known(None)] == ["accounts.E001"]

    hooks.register_open_escrow_check(lambda _user_id: False)
    assert open_escrows_are_known(None) == []


def test_the_pepper_is_not_the_secret_key(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pepper_is_its_own_secret(None) == []

    monkeypatch.setattr(settings, "API_KEY_PEPPER", settings.SECRET_KEY)

    assert [problem.id for problem in pepper_is_its_own_secret(None)] == ["accounts.E002"]
