"""The broker dies and comes back: the worker waits, or ends and is started again; the count stays exact."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from processors.failing import EXIT_CODE
from tests.faults.oracle import assert_exact, judge
from tests.faults.workload import Workload, end
from tests.processors.installation import Installation, Worker, until

pytestmark = [pytest.mark.stack, pytest.mark.faults, pytest.mark.timeout(400)]


class Supervised:
    """A worker that is started again whenever it ends with the code for it."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self.worker = installation.start()
        self.restarts = 0

    def look(self) -> Worker:
        code = self.worker.process.poll()
        if code is not None:
            assert code in (1, EXIT_CODE), self.worker.words()
            self.worker = self._installation.start()
            self.restarts += 1
        return self.worker

    def until_grown(self, by: int) -> None:
        """Return once so many more records were counted, by whichever worker."""
        before = sum(self._installation.counted().values())

        def look() -> list[Worker]:
            worker = self.look()
            return [worker] if sum(self._installation.counted().values()) >= before + by else []

        until(look, 120)


def test_a_broker_killed_under_load_and_started_again_changes_nothing(
    own_kafka: Callable[..., Any], tmp_path: Path
) -> None:
    node = own_kafka()
    installation = Installation(node.bootstrap_servers, tmp_path)
    supervised = Supervised(installation)
    workload = Workload(installation, seed=21, rate=2000)
    workload.define()
    with workload:
        for _ in range(2):
            supervised.until_grown(2_000)
            node.kill()
            node.start()
            supervised.until_grown(2_000)
    end(installation, supervised.look())
    assert_exact(judge(installation))
    installation.close()
