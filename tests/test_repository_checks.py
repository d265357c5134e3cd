"""The checks that `make lint` runs find what they are there for."""

import subprocess
from pathlib import Path

import pytest

from scripts import check_deployment, check_requirements, check_shape, dockerfile

CHECKOUT = Path(__file__).resolve().parents[1]
GOOD_DOCKERFILE = """
FROM python:3.11-slim AS build
COPY manage.py ./
FROM python:3.11-slim
COPY --from=build /app /app
USER 10001
HEALTHCHECK CMD ["true"]
CMD ["granian", \\
     "kobatela.wsgi:application"]
"""


def test_the_deployment_files_of_the_repository_are_sound() -> None:
    documented = check_deployment.example_names((CHECKOUT / ".env.example").read_text())
    compose = (CHECKOUT / "docker-compose.yml").read_text()
    assert list(check_deployment.compose_problems(compose, CHECKOUT, documented)) == []
    assert list(dockerfile.problems((CHECKOUT / "Dockerfile").read_text(), CHECKOUT)) == []


def test_a_sound_dockerfile_has_no_problems() -> None:
    assert list(dockerfile.problems(GOOD_DOCKERFILE, CHECKOUT)) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("USER 10001\n", "", "the image runs as root"),
        ("USER 10001", "USER root", "the image runs as root"),
        ("--from=build", "--from=nowhere", "there is no stage nowhere"),
        ("manage.py", "missing.py", "missing.py does not exist"),
        ("FROM python:3.11-slim AS build", "FROM python AS build", "FROM names no version"),
        ("COPY manage.py ./", "ADD http://x/y ./", "ADD may fetch from anywhere"),
        ("COPY manage.py ./", "ENV SECRET_KEY=abc", "a secret would stay in the image"),
        ("COPY manage.py ./", "COPPY manage.py ./", "COPPY is not an instruction"),
        ('CMD ["granian"', 'CMD granian ["granian"', "CMD is not a list of words"),
        ('HEALTHCHECK CMD ["true"]\n', "", "the image lacks HEALTHCHECK"),
        ('application"]\n', 'application"] \\\n', "ends in the middle"),
    ],
)
def test_a_mistake_in_a_dockerfile_is_found(old: str, new: str, problem: str) -> None:
    assert old in GOOD_DOCKERFILE
    found = list(dockerfile.problems(GOOD_DOCKERFILE.replace(old, new), CHECKOUT))
    assert any(problem in line for line in found), found


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("services:", "services: {", "it is not YAML"),
        ("  beat:\n", "  clock:\n", "the service beat is missing"),
        ("  redis: { condition", "  cache: { condition", "depends on cache, which does not exist"),
        ("${POSTGRES_PASSWORD:?see .env.example}", "letmein", "POSTGRES_PASSWORD holds a secret"),
        ("${SECRET_KEY:?see .env.example}", "${SECRET_KEY:-abc}", "SECRET_KEY holds a secret"),
        ("./ops/postgres/roles.sql", "./ops/roles.sql", "./ops/roles.sql is neither"),
        ("profiles: [dev]", "profiles: []", "the profile dev only"),
        ("${LOG_LEVEL:-}", "${LOG_LEVELS:-}", "LOG_LEVELS is not in .env.example"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_compose_file_is_found(old: str, new: str, problem: str) -> None:
    compose = (CHECKOUT / "docker-compose.yml").read_text()
    assert old in compose
    documented = check_deployment.example_names((CHECKOUT / ".env.example").read_text())
    found = list(
        check_deployment.compose_problems(compose.replace(old, new, 1), CHECKOUT, documented)
    )
    assert any(problem in line for line in found), found


def test_a_long_function_and_a_long_module_are_found() -> None:
    function = "def long():\n" + "    x = 1\n" * 60
    assert list(check_shape.oversized(Path("a.py"), function)) == [
        "a.py:1: long has 61 lines; a function has at most 60"
    ]
    assert list(check_shape.oversized(Path("a.py"), "x = 1\n" * 401)) == [
        "a.py: 401 lines; a module has at most 400"
    ]
    assert list(check_shape.oversized(Path("tests/test_a.py"), "x = 1\n" * 600)) == []


@pytest.mark.parametrize(
    ("pinned", "problem"),
    [
        ("django>=5\n", "not one pinned package"),
        ("--extra-index-url https://somewhere\ndjango==5.2\n", "names a place"),
        ("django==5.2  # /home/somebody\n", "names a place"),
        ("celery==5\n", "requirements.txt lacks django"),
    ],
)
def test_requirements_that_do_not_fit_are_found(pinned: str, problem: str) -> None:
    found = list(check_requirements.problems_of("Django~=5.2", pinned, "", ""))
    assert any(problem in line for line in found), found


def test_two_pins_of_one_package_must_agree() -> None:
    found = list(check_requirements.problems_of("a", "a==1\n", "-c requirements.txt\n", "A==2\n"))
    assert found == ["a is 1 in one file and 2 in the other"]


def test_the_makefile_explains_every_target() -> None:
    shown = subprocess.run(
        ["make", "-s", "help"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout
    targets = {line.split()[1] for line in shown.splitlines()}
    assert targets == {
        "help",
        "install",
        "demo",
        "up",
        "test",
        "soak",
        "chaos",
        "lint",
        "bench",
        "requirements",
    }
