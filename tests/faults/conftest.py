from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processors.installation import Installation


@pytest.fixture
def installation(kafka: str, tmp_path: Path) -> Iterator[Installation]:
    """An installation without a worker; whatever a test starts in it is ended."""
    made = Installation(kafka, tmp_path)
    yield made
    made.close()
