"""A private folder of its own for each test."""

from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from kobatela.uploads.tests.s3 import bucket

__all__ = ["bucket"]


@pytest.fixture(autouse=True)
def files_dir(settings: Settings, tmp_path: Path) -> Path:
    """Where this test's files lie."""
    settings.KOBATELA_FILES_DIR = tmp_path / "private"
    return tmp_path / "private"
