"""A private folder of its own for each test, and small pictures."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from kobatela.kernel import clock
from kobatela.uploads.tests.s3 import bucket
from proofs.tests.factories import NOW

__all__ = ["bucket"]


@pytest.fixture(autouse=True)
def files_dir(settings: Settings, tmp_path: Path) -> Path:
    """Where this test's files lie."""
    settings.KOBATELA_FILES_DIR = tmp_path / "private"
    return tmp_path / "private"


@pytest.fixture
def at_noon() -> Iterator[None]:
    """The clock stands at the moment of the test photos."""
    with clock.frozen(NOW):
        yield
