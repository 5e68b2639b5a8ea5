"""One worker for the tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.waldstream.installation import System, installed


@pytest.fixture(scope="session")
def with_worker(kafka: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One worker and no runner: use experiment ids of your own."""
    with installed(kafka, redis_url, tmp_path_factory.mktemp("worker"), ("worker",)) as system:
        yield system
