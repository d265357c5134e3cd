"""`.env.example` and docker-compose.yml name exactly what is read."""

import os
import subprocess
import sys
from pathlib import Path

import yaml

from scripts.check_deployment import compose_variables, example_names
from scripts.check_production import made_up_environment

CHECKOUT = Path(__file__).resolve().parents[1]
# Read by make, the supervisor, the demo and the tests themselves, not by the settings.
OUTSIDE_SETTINGS = {
    "KOBATELA_PORT", "WEB_WORKERS", "WEB_THREADS", "WORKER_PROCESSES",
    "DOCUMENT_PROCESSES", "DEMO_EXIT",
    "KOBATELA_TEST_SCALE", "KOBATELA_CRASHPOINT",
}  # fmt: skip
# What docker compose puts together itself, or what makes no sense in its containers.
NOT_FOR_CONTAINERS = {
    "DATABASE_OWNER_URL", "KOBATELA_TEST_DB", "KOBATELA_VAR_DIR", "KOBATELA_STATIC_DIR",
    "KOBATELA_FILES_DIR",
}  # fmt: skip


def _names_read_by_the_settings() -> set[str]:
    names: set[str] = {"KOBATELA_ENV"}
    for module in ("production", "test"):
        code = (
            f"import kobatela.settings.{module};"
            "from kobatela.settings.environment import env; print(*env.names_read)"
        )
        kept = {
            name: os.environ[name] for name in ("PATH", "KOBATELA_VAR_DIR") if name in os.environ
        }
        result = subprocess.run(
            [sys.executable, "-c", code],
            cwd=CHECKOUT,
            env=kept | made_up_environment() | {"KOBATELA_ENV": module},
            capture_output=True,
            text=True,
            check=True,
        )
        names |= set(result.stdout.split())
    return names


def _compose() -> str:
    return (CHECKOUT / "docker-compose.yml").read_text()


def _documented() -> set[str]:
    return example_names((CHECKOUT / ".env.example").read_text())


def test_every_variable_that_is_read_is_explained_and_no_other() -> None:
    read = _names_read_by_the_settings() | compose_variables(_compose()) | OUTSIDE_SETTINGS
    assert sorted(_documented() - read) == []
    assert sorted(read - _documented()) == []


def test_every_setting_reaches_the_containers() -> None:
    web = yaml.safe_load(_compose())["services"]["web"]["environment"]
    settings = {name for name in _names_read_by_the_settings() if not name.endswith("_FILE")}
    assert sorted(settings - NOT_FOR_CONTAINERS - set(web)) == []
