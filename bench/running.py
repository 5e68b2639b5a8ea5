"""Runs one subject on one backlog and says how fast it was, what it counted, and what it took of the machine.

The first fifth of the records is left out of every rate: there programs warm up, and clients join their groups.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import numpy as np
import psutil
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from bench.backlog import BEGUN, PARTITIONS, Backlog
from experiments.rows import POSITION_KEY
from schemas import avro, codecs, events

ROOT: Final = Path(__file__).parent.parent
#: Under lag a step of ours is committed about this often, so the others commit as often.
COMMIT_SECONDS: Final = 0.1
_STREAMS: Final = ROOT / "bench" / "kafka_streams"
_PATIENCE: Final = 240.0


@dataclass
class Measured:
    """One run: records and observations counted, records per second, CPU seconds, and the largest memory (bytes)."""

    system: str
    backlog: Backlog
    counted: int = 0
    observations: int = 0
    rate: float = 0.0
    cpu_per_record: float = 0.0
    memory: int = 0
    what: str = ""
    series: list[tuple[int, int]] = field(default_factory=list, repr=False)

    @property
    def is_complete(self) -> bool:
        """Return whether everything that was produced was counted, once."""
        return self.counted == self.backlog.records

    def close(self, *watches: "Watch") -> None:
        """Work out the rates from the series of (records, nanoseconds of the clock)."""
        begin = next(at for at in self.series if at[0] >= self.backlog.records / 5)
        records, nanoseconds = (b - a for a, b in zip(begin, self.series[-1], strict=True))
        self.rate = records / nanoseconds * 1e9 if nanoseconds else 0.0
        spent = sum(watch.cpu_between(begin[1], self.series[-1][1]) for watch in watches)
        self.cpu_per_record = spent / max(records, 1)
        self.memory = max(watch.memory for watch in watches)


class Watch:
    """Looks after a process: its largest memory and its processor time, taken every now and then."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = psutil.Process(process.pid)
        self._ended = threading.Event()
        self.memory = 0
        self.spent: list[tuple[int, float]] = []
        self.sizes: list[tuple[int, int]] = []
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._ended.wait(0.1):
            with suppress(psutil.Error):
                at, size = time.time_ns(), self._process.memory_info().rss
                self.memory = max(self.memory, size)
                self.sizes.append((at, size))
                self.spent.append((at, self.cpu()))

    def cpu(self) -> float:
        """Return the seconds of processor time so far."""
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def cpu_between(self, begin: int, end: int) -> float:
        """Return the seconds of processor time between two times of the clock (nanoseconds)."""
        at = [when for when, _ in self.spent]
        return float(np.diff(np.interp((begin, end), at, [seconds for _, seconds in self.spent]))[0])

    def end(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join()


@contextmanager
def own_topics(kafka: Mapping[str, str]) -> Iterator[None]:
    """Topics made inside the block end with it: what a broker still has to compact takes from whoever is next."""
    admin = AdminClient({**kafka})
    before = admin.list_topics(timeout=20).topics.keys()
    yield
    made = [name for name in admin.list_topics(timeout=20).topics.keys() - before if not name.startswith("__")]
    for deleted in admin.delete_topics(made).values():
        deleted.result(30)


@contextmanager
def process(command: Sequence[str], **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command whose output is read; it is ended with the block."""
    with tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(  # noqa: S603  our own commands
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ, **environment}
        )
        try:
            yield child
        except BaseException:
            errors.seek(0)
            sys.stderr.write(errors.read()[-4000:])
            raise
        finally:
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def python(subject: str, given: Mapping[str, Any]) -> list[str]:
    """Return the command that runs a subject."""
    return [sys.executable, "-m", "bench.subjects", subject, json.dumps(given)]


def told(system: str, backlog: Backlog, command: Sequence[str], **environment: str) -> Measured:
    """Return what a subject that tells of itself did."""
    measured = Measured(system, backlog)
    with process(command, **environment) as child:
        watch = Watch(child)
        assert child.stdout is not None  # noqa: S101 asked for above
        give_up = threading.Timer(_PATIENCE, child.kill)
        give_up.start()
        for line in child.stdout:
            word, *numbers = line.split()
            if word == "progress":
                measured.series.append((int(numbers[0]), int(numbers[1])))
            elif word == "counted":
                measured.counted, measured.observations = map(int, numbers)
                break
        else:
            raise RuntimeError(f"{system} ended before it had counted everything")
        give_up.cancel()
        watch.end()
        measured.close(watch)
    return measured


def floor(kind: str, kafka: Mapping[str, str], backlog: Backlog) -> Measured:
    """Return what a plain loop of a client does: it only reads."""
    given = {
        "servers": kafka["bootstrap.servers"],
        "topic": backlog.topics.observations,
        "group": f"floor-{uuid4().hex[:8]}",
        "records": backlog.records,
    }
    return told(f"{kind} loop", backlog, python(kind, given))


def stock_faust(kafka: Mapping[str, str], backlog: Backlog) -> Measured:
    """Return what a stock Faust agent with a table does."""
    with tempfile.TemporaryDirectory() as folder:
        given = {
            "servers": kafka["bootstrap.servers"],
            "topic": backlog.topics.observations,
            "group": f"faust-{uuid4().hex[:8]}",
            "records": backlog.records,
            "partitions": PARTITIONS,
            "interval": COMMIT_SECONDS,
            "folder": folder,
        }
        return told("stock Faust, table", backlog, python("faust", given))


def has_streams() -> bool:
    """Return whether the Java program is built, building it where Maven is."""
    if (_STREAMS / "target" / "libs").is_dir():
        return True
    try:
        done = subprocess.run(["mvn", "-q", "-B", "package"], cwd=_STREAMS, check=False)  # noqa: S607  from PATH
    except FileNotFoundError:
        return False
    return done.returncode == 0


def kafka_streams(guarantee: str, kafka: Mapping[str, str], backlog: Backlog) -> Measured:
    """Return what Kafka Streams does, one thread, RocksDB with caching."""
    fingerprint = avro.fingerprint(avro.committed()["observation"][1]).hex()
    with tempfile.TemporaryDirectory() as folder:
        command = [
            "java",
            "-Xms1g",
            "-Xmx1g",
            "-XX:+UseG1GC",
            "-cp",
            os.pathsep.join((str(_STREAMS / "target" / "classes"), str(_STREAMS / "target" / "libs" / "*"))),
            "bench.Sprt",
            kafka["bootstrap.servers"],
            backlog.topics.observations,
            f"streams-{uuid4().hex[:8]}",
            guarantee,
            str(backlog.records),
            folder,
            str(int(COMMIT_SECONDS * 1000)),
        ]
        return told(f"Kafka Streams, {guarantee}", backlog, command, FINGERPRINT=fingerprint)


def ours(kafka: Mapping[str, str], backlog: Backlog, workers: int = 1) -> Measured:
    """Return what the worker does, or several of them; the rows say what was counted and when."""
    measured = Measured("waldstream" if workers == 1 else f"waldstream, {workers} workers", backlog)
    given = {
        "kafka": dict(kafka),
        "prefix": backlog.topics.prefix,
        "partitions": PARTITIONS,
        "app_id": f"ours-{uuid4().hex[:8]}",
    }
    rows = Rows(kafka, backlog)
    with ExitStack() as opened:
        children = [opened.enter_context(process(python("worker", given))) for _ in range(workers)]
        watches = [Watch(child) for child in children]
        give_up = time.monotonic() + _PATIENCE
        while rows.counted() < backlog.records:
            if time.monotonic() > give_up or any(child.poll() is not None for child in children):
                raise RuntimeError(f"waldstream has counted {rows.counted()} of {backlog.records}")
        measured.series = rows.series
        measured.counted, measured.observations = rows.counted(), rows.observations()
        for watch in watches:
            watch.end()
        measured.close(*watches)
    rows.close()
    return measured


class Rows:
    """What a worker has committed, as a consumer of its rows sees it."""

    def __init__(self, kafka: Mapping[str, str], backlog: Backlog) -> None:
        self._backlog = backlog
        self._consumer = Consumer(
            {
                **kafka,
                "group.id": "bench-rows",
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 20,
            }
        )
        topic = backlog.topics.state
        self._consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
        self._counts: dict[int, dict[str, int]] = {}
        self._hot: dict[bytes, bytes | None] = {}
        self.series: list[tuple[int, int]] = [(0, 0)]

    def counted(self) -> int:
        """Return the records counted so far, after reading what has been committed."""
        for message in self._consumer.consume(50_000, 0.01):
            if message.error() is not None:
                continue
            key, value = message.key() or b"", message.value()
            if key == POSITION_KEY:
                self._counts[message.partition() or 0] = codecs.decode(value, events.PositionRow).counts
                self.series.append((self._total(), (message.timestamp()[1]) * 1_000_000))
            elif key.endswith(b"\x00hot"):
                self._hot[key] = value
        return self._total()

    def _total(self) -> int:
        return sum(sum(counts.values()) for counts in self._counts.values())

    def observations(self) -> int:
        """Return the observations folded so far, from the rows of the experiments."""
        return sum(codecs.decode(value, events.HotRow).observations - BEGUN for value in self._hot.values())

    def close(self) -> None:
        """End the consumer."""
        self._consumer.close()
