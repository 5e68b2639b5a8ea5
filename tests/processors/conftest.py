from collections.abc import Iterator

import pytest

from tests.processors.installation import Installation


@pytest.fixture(scope="module")
def installation(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with one worker, shared by the tests of a module: use experiment ids of your own."""
    made = Installation(kafka, tmp_path_factory.mktemp("worker"))
    with made.working():
        yield made
    made.close()
