"""A wrong or missing variable stops the start and names itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.check_production import NEEDED, made_up_environment

CHECKOUT = Path(__file__).resolve().parents[3]


def _start(command: str, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run Python code in a process with exactly this environment."""
    return subprocess.run(
        [sys.executable, "-c", command],
        cwd=CHECKOUT,
        env={"PATH": os.environ["PATH"]} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def _manage(environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    code = "import sys, manage; sys.argv = ['manage.py', 'version']; manage.main()"
    return _start(code, environment)


def test_an_empty_environment_is_production_and_names_everything_that_is_missing() -> None:
    result = _manage({})
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    for name in NEEDED:
        assert f"- {name} is not set" in result.stderr


@pytest.mark.parametrize("name", NEEDED)
def test_one_missing_variable_stops_the_start_and_is_the_only_one_named(name: str) -> None:
    environment = made_up_environment()
    del environment[name]
    result = _manage(environment)
    assert result.returncode == 1
    assert [line for line in result.stderr.splitlines() if line.startswith("  - ")] == [
        line for line in result.stderr.splitlines() if line.startswith(f"  - {name} ")
    ]
    assert name in result.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://nobody@nowhere/nothing"),
        ("DATABASE_POOL_SIZE", "many"),
        ("DATABASE_LOCK_TIMEOUT_S", "1.5"),
        ("KOBATELA_SCHEDULER_ENABLED", "perhaps"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "poem"),
        ("SECRET_KEY_FILE", "/nowhere/secret"),
        ("TRUST_X_FORWARDED_PROTO", "2"),
    ],
)
def test_a_wrong_variable_stops_the_start_and_names_itself(name: str, value: str) -> None:
    result = _manage(made_up_environment() | {name: value})
    assert result.returncode == 1
    assert name in result.stderr


def test_a_complete_environment_starts() -> None:
    result = _manage(made_up_environment())
    assert (result.returncode, result.stderr) == (0, "")


def test_an_unknown_environment_is_refused() -> None:
    result = _manage({"KOBATELA_ENV": "prodution"})
    assert result.returncode == 1
    assert "KOBATELA_ENV is 'prodution'" in result.stderr


@pytest.mark.parametrize("module", ["dev", "test"])
def test_lax_settings_are_not_loaded_where_production_is_meant(module: str) -> None:
    result = _start(
        f"import kobatela.settings.{module}",
        made_up_environment() | {"KOBATELA_ENV": "production"},
    )
    assert result.returncode != 0
    assert "KOBATELA_ENV says production" in result.stderr


def test_development_settings_need_their_name_said() -> None:
    result = _start("import kobatela.settings.dev", made_up_environment())
    assert result.returncode != 0
    assert "KOBATELA_ENV says production" in result.stderr


@pytest.mark.parametrize(
    "entry", ["import kobatela.wsgi", "from kobatela.celery import app; app.conf.broker_url"]
)
def test_web_and_worker_do_not_start_either(entry: str) -> None:
    result = _start(entry, {})
    assert result.returncode != 0
    for name in NEEDED:
        assert name in result.stderr


def test_production_never_loads_the_embedded_servers(tmp_path: Path) -> None:
    code = (
        "import sys, kobatela.wsgi, kobatela.celery;"
        "sys.exit([name for name in sys.modules if 'kobatela.embedded' in name] or 0)"
    )
    # The web server warns when it finds no style sheets, so it gets a folder for them.
    result = _start(code, made_up_environment() | {"KOBATELA_STATIC_DIR": str(tmp_path)})
    assert (result.returncode, result.stderr) == (0, "")


def test_production_only_tightens() -> None:
    code = """
import kobatela.settings.production as tight, kobatela.settings.base as base
names = [name for name in dir(base) if name.isupper() and name[0] != "_"]
longer = {"KOBATELA_DESTINATION_COOLING_S", "KOBATELA_REQUIRE_COVERAGE"}
longer |= {"KOBATELA_STAFF_ACCESS_COOLING_S"}
closed = {"KOBATELA_METRICS_PUBLIC"}
changed = {name for name in names if getattr(base, name) != getattr(tight, name)}
assert changed <= longer | closed, changed
assert all(getattr(tight, name) > getattr(base, name) for name in changed & longer)
assert not any(getattr(tight, name) for name in closed)
assert tight.DEBUG is False
assert tight.SECURE_SSL_REDIRECT and tight.SESSION_COOKIE_SECURE and tight.CSRF_COOKIE_SECURE
assert tight.SECURE_HSTS_SECONDS >= 31536000
assert not hasattr(tight, "SECURE_PROXY_SSL_HEADER")
assert tight.CORS_ALLOWED_ORIGINS == []
"""
    result = _start(code, made_up_environment())
    assert result.returncode == 0, result.stderr


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    environment = made_up_environment()
    for name in ("SECRET_KEY", "API_KEY_PEPPER", "DATABASE_URL", "REDIS_URL"):
        path = tmp_path / name
        path.write_text(environment.pop(name) + "\n")
        environment[f"{name}_FILE"] = str(path)
    result = _manage(environment)
    assert (result.returncode, result.stderr) == (0, "")
