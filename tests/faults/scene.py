"""What a fault scenario is played on: an installation, a workload that goes on all the while, workers, the verdict."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, TopicPartition

from processors.failing import EXIT_CODE
from tests.faults.ground import Ground
from tests.faults.oracle import Verdict, assert_exact, judge
from tests.faults.report import Report
from tests.faults.warm import WarmWorker
from tests.faults.workload import Workload
from tests.processors.installation import Installation, Worker, until

_LONG = 120.0

#: How often a fault is repeated in a scenario; fewer only to try something out.
REPEATS = int(os.environ.get("FAULTS_REPEATS", "20"))


def one_in(number: int) -> int:
    """Return how often a fault is repeated that takes long, or kills nobody: one time in so many, at least once."""
    return max(1, REPEATS // number)


class Scene:
    """One scenario on one cluster.

    Parameters
    ----------
    name
        What the report calls it.
    options
        Of every worker, as of `WorkerConfig`; `prepare` bends its process.
    load
        Of the workload.
    is_noted
        Whether the verdict stands in the report.
    """

    def __init__(
        self,
        ground: Ground,
        folder: Path,
        name: str,
        report: Report,
        *,
        seed: int,
        partitions: int = 2,
        load: dict[str, Any] | None = None,
        is_noted: bool = True,
        **options: Any,
    ) -> None:
        self.ground = ground
        self.name = name
        self._report, self._is_noted = report, is_noted
        self._options = {"session_seconds": 2.0, **options}
        self.installation = Installation(
            ground.bootstrap, folder, partitions, replicas=ground.replicas, launch=WarmWorker
        )
        self.workload = Workload(self.installation, seed, **(load or {}))

    def start(self, **options: Any) -> Worker:
        """Start a worker; one without a name of its own is `w`, so that it takes over from its namesake at once."""
        return self.installation.start(**{"instance_id": "w", **self._options, **options})

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send the workload inside the block, its experiments started by a worker that then ends."""
        worker = self.start()
        self.workload.define()
        stop(worker)
        with self.workload:
            yield

    def counted(self) -> int:
        """Return the records counted so far."""
        return sum(self.installation.counted().values())

    def grown(self, by: int, look: Callable[[], object] = lambda: None, seconds: float = _LONG) -> None:
        """Return once so many more records were counted; `look` is called all the while."""
        self.installation.grown(by, look, seconds)

    def until_all_read(self, look: Callable[[], object] = lambda: None) -> None:
        """Return once the committed positions are behind every record and every command that was sent."""
        installation, topics = self.installation, self.installation.topics
        names = {topics.observations: "observations", topics.control: "control"}
        tail = installation.consumer()
        tail.assign(
            [
                TopicPartition(topic, partition, low)
                for topic in names
                for partition, (low, _) in installation.bounds(tail, topic).items()
            ]
        )
        sent: dict[tuple[str, int], int] = {}
        ended: set[tuple[str, int]] = set()

        def done() -> list[bool]:
            look()
            installation.counted()
            for message in tail.consume(50_000, 0.1):
                at, error = (message.topic() or "", message.partition() or 0), message.error()
                if error is not None:
                    if error.code() == KafkaError._PARTITION_EOF:
                        ended.add(at)
                    continue
                ended.discard(at)
                if at[0] == topics.observations or not message.headers():  # facts have some
                    sent[at] = message.offset() or 0
            positions = installation.positions
            is_read = len(ended) == len(names) * installation.partitions and all(
                offset < positions.get(partition, {}).get(names[topic], 0)
                for (topic, partition), offset in sent.items()
            )
            return [True] if is_read else []

        until(done, self.workload.patience_seconds)
        tail.close()

    def end(self, repeats: int, worker: Worker | None = None) -> Verdict:
        """Let a worker count all that was sent, judge, and note the result."""
        supervised = Supervised(self, worker)
        self.until_all_read(supervised.look)
        stop(supervised.look())
        return self.judged(repeats)

    def must_outlive_kills(self, records: int, repeats: int = REPEATS) -> None:
        """Kill a worker whenever it has counted so many records, again and again; fail unless all is exact."""
        with self.running():
            for _ in range(repeats):
                worker = self.start()
                self.grown(records)
                kill(worker)
        self.must_be_exact(repeats)

    def judged(self, repeats: int, acknowledged: int | None = -1) -> Verdict:
        """Judge what is committed now, and note the verdict; -1 stands for what the workload has acknowledged."""
        verdict = judge(self.installation, self.workload.acknowledged if acknowledged == -1 else acknowledged)
        if self._is_noted:
            self._report.add(self.ground.number, self.name, repeats, verdict)
        return verdict

    def must_be_exact(self, repeats: int, worker: Worker | None = None) -> None:
        """Let a worker count all that was sent; fail unless all is exact."""
        assert_exact(self.end(repeats, worker))

    def close(self) -> None:
        self.installation.close()
        self.installation.delete()


class Supervised:
    """A worker that is started again whenever it ends with the code for it, as a supervisor does."""

    def __init__(self, scene: Scene | Installation, worker: Worker | None = None, **options: Any) -> None:
        self._scene = scene
        self._options = options
        self.restarts = 0
        self.worker = worker if worker is not None and worker.process.poll() is None else scene.start(**options)

    def look(self) -> Worker:
        """Return the worker, started again if it has ended."""
        code = self.worker.process.poll()
        if code is not None:
            # 3 is the command line's; the process of the tests ends with 1 when no broker answers at its start
            assert code in (1, EXIT_CODE, -signal.SIGKILL), self.worker.words()[-3000:]
            self.worker = self._scene.start(**self._options)
            self.restarts += 1
            time.sleep(0.2)  # a supervisor's own pause
        return self.worker


def stop(worker: Worker) -> None:
    """End a worker in good order."""
    worker.process.terminate()
    code = worker.wait(30)
    assert code == 0, worker.words()[-3000:]


def kill(worker: Worker) -> None:
    """End a worker as kill -9 does."""
    worker.signal(signal.SIGKILL)
    worker.wait(30)
