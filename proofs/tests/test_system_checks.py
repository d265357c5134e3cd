"""Limits that cannot be meant stop the start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from proofs.system_checks import (
    check_advisor,
    check_day_limits,
    check_ocr_pages,
    check_review_sample,
)
from scripts.check_production import made_up_environment


@pytest.mark.parametrize(("share", "errors"), [(0, 0), (0.5, 0), (1, 0), (-0.1, 1), (1.1, 1)])
def test_the_drawn_share_lies_between_none_and_all(
    settings: Settings, share: float, errors: int
) -> None:
    settings.KOBATELA_REVIEW_SAMPLE = share

    assert len(check_review_sample()) == errors


@pytest.mark.parametrize(("pages", "errors"), [(1, 0), (5, 0), (30, 0), (0, 1), (-1, 1), (31, 1)])
def test_ocr_looks_at_some_pages_and_at_no_more_than_there_are(
    settings: Settings, pages: int, errors: int
) -> None:
    settings.OCR_MAX_PAGES = pages

    assert len(check_ocr_pages()) == errors


def test_nan_is_no_share(settings: Settings) -> None:
    settings.KOBATELA_REVIEW_SAMPLE = float("nan")

    assert [error.id for error in check_review_sample()] == ["proofs.E001"]


@pytest.mark.parametrize(("days", "errors"), [({"EUR": 200}, 0), ({"EUR": 199}, 1), ({}, 1)])
def test_a_day_holds_at_least_one_photo(
    settings: Settings, days: dict[str, int], errors: int
) -> None:
    settings.KOBATELA_AUTO_APPROVE_MAX_MINOR = {"EUR": 200}
    settings.KOBATELA_AUTO_APPROVE_DAY_MAX_MINOR = days

    assert len(check_day_limits()) == errors


# --- The advisor ----------------------------------------------------------------------------------


@pytest.fixture
def advisor(settings: Settings) -> Settings:
    """An advisor that is on and set up."""
    settings.AI_PROOF_ADVISOR_ENABLED = True
    settings.OPENAI_API_KEY = "sk-test"
    return settings


def advisor_errors() -> list[str | None]:
    return [error.id for error in check_advisor()]


def test_an_advisor_that_is_set_up_may_start(advisor: Settings) -> None:
    assert advisor_errors() == []


@pytest.mark.parametrize("key", ["", "   ", "\n"])
def test_r5_ai1_an_advisor_without_a_key_stops_the_start(advisor: Settings, key: str) -> None:
    advisor.OPENAI_API_KEY = key

    assert advisor_errors() == ["proofs.E003"]

    advisor.AI_PROOF_ADVISOR_ENABLED = False
    assert advisor_errors() == []


@pytest.mark.parametrize(
    ("environment", "url", "is_safe"),
    [
        ("production", "https://api.openai.com/v1", True),
        ("production", "http://127.0.0.1:8000/v1", True),
        ("production", "http://localhost:8000/v1", True),
        ("production", "http://models.example.org/v1", False),
        ("test", "http://models.example.org/v1", True),
        ("test", "ftp://models.example.org", False),
        ("test", "models.example.org", False),
    ],
)
def test_what_is_sent_to_the_model_cannot_be_read_on_the_way(
    advisor: Settings,
    environment: str,
    url: str,
    is_safe: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    advisor.KOBATELA_ENV = environment
    advisor.AI_BASE_URL = url

    assert advisor_errors() == ([] if is_safe else ["proofs.E004"])


@pytest.mark.parametrize("timeout_s", [0, 0.5, 61, float("nan")])
def test_a_try_ends_long_before_the_sweeper_comes(advisor: Settings, timeout_s: float) -> None:
    advisor.AI_PROOF_TIMEOUT_SECONDS = timeout_s

    assert advisor_errors() == ["proofs.E005"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AI_PROOF_MAX_IMAGE_RESOLUTION_X", 0),
        ("AI_PROOF_MAX_PDF_PAGES", 0),
        ("AI_BREAKER_FAILURES", 0),
        ("AI_BREAKER_OPEN_SECONDS", 0),
        ("AI_PROOF_ADVISOR_MODEL", ""),
    ],
)
def test_limits_of_the_advisor_that_allow_nothing_stop_the_start(
    advisor: Settings, name: str, value: object
) -> None:
    setattr(advisor, name, value)

    assert advisor_errors() == ["proofs.E006"]


@pytest.mark.parametrize("entry", ["import kobatela.wsgi", "worker"])
def test_r5_neither_web_nor_worker_starts_with_an_advisor_and_no_key(entry: str) -> None:
    command = [sys.executable, "-c", entry]
    if entry == "worker":
        command = [sys.executable, "-m", "celery", "-A", "kobatela.celery", "worker", "-P", "solo"]
    environment = made_up_environment() | {"AI_PROOF_ADVISOR_ENABLED": "true"}

    result = subprocess.run(
        command,
        cwd=Path(__file__).resolve().parents[2],
        env={"PATH": os.environ["PATH"]} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )

    assert result.returncode != 0
    assert "proofs.E003" in result.stderr
    assert "OPENAI_API_KEY" in result.stderr


def test_the_web_server_does_not_load_the_models_library(tmp_path: Path) -> None:
    code = "import sys, kobatela.wsgi; sys.exit(bool({'openai', 'httpx2'} & set(sys.modules)))"
    # The web server warns when it finds no style sheets, so it gets a folder for them.
    environment = made_up_environment() | {"KOBATELA_STATIC_DIR": str(tmp_path)}

    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).resolve().parents[2],
        env={"PATH": os.environ["PATH"]} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )

    assert (result.returncode, result.stderr) == (0, "")
