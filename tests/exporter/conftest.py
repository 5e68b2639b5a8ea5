"""Archives that many tests read and none changes."""

from pathlib import Path

import pytest

from tests.exporter.installation import Installation, installed
from tests.exporter.runs import Run, bits, decided, definition, records


@pytest.fixture(scope="session")
def h1_run() -> Run:
    """A run that accepts H1, one value per record."""
    return decided(definition(), records([[x] for x in bits(0.62, 1500)]))


@pytest.fixture(scope="session")
def h1_folder(h1_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of that run: read it, copy it, never change it."""
    return h1_run.published(tmp_path_factory.mktemp("archives"))


@pytest.fixture
def installation(kafka: str, tmp_path: Path) -> Installation:
    """Topics of its own on the session's broker, and a folder for archives."""
    return installed(kafka, tmp_path / "archives")
