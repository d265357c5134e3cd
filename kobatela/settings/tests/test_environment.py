"""Reading the environment: strictly, and with every problem told at once."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from kobatela.settings.environment import Environment


@pytest.fixture
def env() -> Environment:
    return Environment()


def _set(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def test_nothing_is_said_when_nothing_is_wrong(env: Environment) -> None:
    assert env.int("KOBATELA_NO_SUCH", default=7) == 7
    env.finish()


def test_every_problem_is_told_at_once(env: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, COUNT="many", SWITCH="perhaps", WORD="purple")
    env.secret("PASSWORD_OF_NOBODY")
    env.list("HOSTS_OF_NOBODY")
    env.int("COUNT", default=1)
    env.bool("SWITCH", default=True)
    env.one_of("WORD", ("red", "green"), default="red")
    with pytest.raises(ImproperlyConfigured) as refusal:
        env.finish()
    for name in ("PASSWORD_OF_NOBODY", "HOSTS_OF_NOBODY", "COUNT", "SWITCH", "WORD"):
        assert f"- {name} is" in str(refusal.value)


def test_a_wrong_value_is_told_without_a_secret_in_it(
    env: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set(monkeypatch, PLACE_URL="mysql://user:hush@somewhere/data")
    assert env.database("PLACE_URL") == {}
    with pytest.raises(ImproperlyConfigured, match="PLACE_URL is not a postgresql:// URL") as said:
        env.finish()
    assert "hush" not in str(said.value)


def test_problems_told_once_are_not_told_again(env: Environment) -> None:
    env.secret("PASSWORD_OF_NOBODY")
    with pytest.raises(ImproperlyConfigured):
        env.finish()
    env.finish()


@pytest.mark.parametrize("word", ["true", "True", "1", "yes", "on"])
def test_words_for_on(env: Environment, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    _set(monkeypatch, SWITCH=word)
    assert env.bool("SWITCH", default=False) is True
    env.finish()


@pytest.mark.parametrize("word", ["false", "FALSE", "0", "no", "off"])
def test_words_for_off(env: Environment, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    _set(monkeypatch, SWITCH=word)
    assert env.bool("SWITCH", default=True) is False
    env.finish()


def test_an_empty_variable_counts_as_unset(
    env: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set(monkeypatch, COUNT="", PASSWORD="")
    assert env.int("COUNT", default=3) == 3
    env.secret("PASSWORD")
    assert env.problems == ["PASSWORD is not set, nor is PASSWORD_FILE"]


def test_a_value_that_looks_like_the_name_of_another_is_taken_as_it_is(
    env: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set(monkeypatch, PASSWORD="$HOME", WORD="$HOME")
    assert env.secret("PASSWORD") == "$HOME"
    assert env.str("WORD", default="") == "$HOME"


def test_a_secret_is_read_from_a_file_without_its_line_end(
    env: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("s3cret\n")
    _set(monkeypatch, PASSWORD="other", PASSWORD_FILE=str(tmp_path / "password"))
    assert env.secret("PASSWORD") == "s3cret"
    env.finish()


def test_a_secret_file_that_is_missing_or_empty_is_told(
    env: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "empty").touch()
    _set(monkeypatch, A_FILE=str(tmp_path / "none"), B_FILE=str(tmp_path / "empty"))
    assert (env.secret("A"), env.secret("B")) == ("", "")
    with pytest.raises(ImproperlyConfigured, match="A_FILE cannot be read") as refusal:
        env.finish()
    assert "B_FILE names an empty file" in str(refusal.value)


def test_fallbacks_stand_in_for_what_is_not_set(
    env: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set(monkeypatch, COUNT="5")
    env.fall_back_to({"COUNT": "7", "PASSWORD": "made up", "HOSTS": "a,b"})
    assert env.int("COUNT") == 5
    assert env.secret("PASSWORD") == "made up"
    assert env.list("HOSTS") == ["a", "b"]
    env.finish()


def test_it_remembers_what_was_asked_for(env: Environment) -> None:
    env.int("COUNT", default=1)
    env.secret("PASSWORD", default="")
    assert env.names_read == {"COUNT", "PASSWORD", "PASSWORD_FILE"}


def test_a_database_url_becomes_settings(env: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, DATABASE_URL="postgresql://me:pa%24s@10.0.0.1:5433/house")
    database = env.database("DATABASE_URL")
    assert (database["ENGINE"], database["NAME"]) == ("django.db.backends.postgresql", "house")
    assert (database["HOST"], database["PORT"]) == ("10.0.0.1", 5433)
    assert (database["USER"], database["PASSWORD"]) == ("me", "pa$s")
