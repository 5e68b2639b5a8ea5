"""The exporter on the real Kafka, with the events and records of a run produced as the worker would."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from experiments.columns import RawRecord
from exporter import document
from exporter.service import ExporterConfig, serve
from exporter.source import Range, committed_reader, observations
from exporter.verify import verify
from processors.topics import create_topics
from schemas import codecs, events
from schemas.partitions import partition_of
from schemas.topics import Topics
from tests.exporter.runs import Run, bits, decided, definition, observation

pytestmark = pytest.mark.stack
PARTITIONS = 4
DEADLINE = 60.0


@dataclass
class Installation:
    """Topics of its own on the session's broker, and a folder for archives."""

    kafka: dict[str, str]
    topics: Topics
    archives: Path

    def config(self, **changes: Any) -> ExporterConfig:
        group = f"{self.topics.prefix}-exporter"
        return ExporterConfig(
            **{
                "kafka": self.kafka,
                "topics": self.topics,
                "partitions": PARTITIONS,
                "archives": self.archives,
                "group": group,
                **changes,
            }
        )

    @contextmanager
    def exporting(self, **changes: Any) -> Iterator[None]:
        """Inside the block an exporter runs."""
        stop, failed = threading.Event(), list[BaseException]()

        def target() -> None:
            try:
                serve(self.config(**changes), stop)
            except BaseException as error:  # noqa: BLE001 shown to the test below
                failed.append(error)

        thread = threading.Thread(target=target)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(DEADLINE)
        assert not failed, failed

    def produce(self, topic: str, key: str | None, values: list[bytes], at: str) -> None:
        """Produce to the partition of the experiment `at`."""
        producer = Producer({**self.kafka, "linger.ms": 5})
        for value in values:
            producer.produce(topic, key=key, value=value, partition=partition_of(at, PARTITIONS))
        assert producer.flush(DEADLINE) == 0

    def read(self, experiment_id: str) -> list[RawRecord]:
        """Return the experiment's observation records as they lie in Kafka."""
        reader, part = self._reader(), partition_of(experiment_id, PARTITIONS)
        place = TopicPartition(self.topics.observations, part)
        _, high = reader.get_watermark_offsets(place, timeout=10)
        span = Range(self.topics.observations, part, 0, high - 1)
        found = [record for some in observations(reader, span, experiment_id, threading.Event()) for record in some]
        reader.close()
        return found

    def publish(self, run: Run) -> None:
        """Produce the run's control records."""
        key = run.decision.experiment_id
        values = [codecs.encode_json(entry.event) for entry in run.timeline]
        self.produce(self.topics.control, key, values, key)

    def announced(self) -> list[events.ArchiveWritten]:
        """Return everything said on `sprt.archives`."""
        reader = self._reader()
        places = [TopicPartition(self.topics.archives, number, 0) for number in range(PARTITIONS)]
        reader.assign(places)
        left, found = set(range(PARTITIONS)), list[events.ArchiveWritten]()
        while left:
            for message in reader.consume(100, timeout=1.0):
                if message.error() is not None:
                    left.discard(message.partition())
                else:
                    found.append(codecs.decode(message.value(), events.ArchiveWritten))
        reader.close()
        return found

    def _reader(self) -> Consumer:
        return committed_reader(self.kafka, f"{self.topics.prefix}-test")


@pytest.fixture
def installation(kafka: str, tmp_path: Path) -> Installation:
    topics = Topics(prefix=f"t{uuid4().hex[:8]}")
    create_topics({"bootstrap.servers": kafka}, topics, PARTITIONS)
    return Installation({"bootstrap.servers": kafka}, topics, tmp_path / "archives")


def until(ask: Callable[[], Any]) -> Any:
    """Return the first answer that is something."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        if found := ask():
            return found
        time.sleep(0.1)
    pytest.fail(f"nothing came within {DEADLINE:g} s")


def measured(installation: Installation, key: str = "rng-bias", p: float = 0.62, seed: int = 7) -> Run:
    """Return a run over observations that were produced to Kafka, among records that are not its own."""
    values = [
        codecs.encode_avro(observation(number, [x], experiment_id=key, observed_at=None))
        for number, x in enumerate(bits(p, 600, seed))
    ]
    topic = installation.topics.observations
    installation.produce(topic, key, values[:20], key)
    installation.produce(topic, key, [b"not an observation"], key)
    installation.produce(topic, None, values[20:30], key)
    other = [codecs.encode_avro(observation(0, [1.0] * 50, experiment_id="another"))]
    installation.produce(topic, "another", other, key)
    installation.produce(topic, key, values[30:], key)
    read = installation.read(key)
    return decided(definition(id=key, title=""), read, partition=partition_of(key, PARTITIONS))


def test_a_decision_leads_to_an_archive_that_verifies_with_the_published_digest(installation: Installation) -> None:
    run = measured(installation)
    with installation.exporting():
        installation.publish(run)
        (written,) = until(installation.announced)
    folder = installation.archives / "rng-bias" / "1"
    assert (written.experiment_id, written.run, written.decision_id) == ("rng-bias", 1, "rng-bias/1")
    assert written.location == str(folder)
    assert not written.disputed
    proof = verify(folder, written.manifest_digest)
    assert proof.ok, proof.reasons
    read = document.decoded((folder / "experiment.json").read_bytes())
    assert read.decision == run.decision
    assert read.counts == {"applied": run.decision.n, "rejected": 1}
    assert [entry.event for entry in read.timeline] == [entry.event for entry in run.timeline]


def test_an_archive_that_stands_is_announced_again_but_not_written_again(installation: Installation) -> None:
    run = measured(installation)
    with installation.exporting():
        installation.publish(run)
        (first,) = until(installation.announced)
    before = (installation.archives / "rng-bias" / "1").stat()
    with installation.exporting(group=f"{installation.topics.prefix}-uncommitted"):
        again = until(lambda: installation.announced()[1:])
    assert [found.manifest_digest for found in again] == [first.manifest_digest]
    after = (installation.archives / "rng-bias" / "1").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_committed_decision_is_neither_written_nor_announced_again(installation: Installation) -> None:
    first, second = measured(installation), measured(installation, "second-one")
    with installation.exporting():
        installation.publish(first)
        until(installation.announced)
    with installation.exporting():
        installation.publish(second)
        until(lambda: len(installation.announced()) > 1)
    assert sorted(found.experiment_id for found in installation.announced()) == ["rng-bias", "second-one"]


def test_another_decision_than_the_replicas_is_archived_as_disputed(installation: Installation) -> None:
    run = measured(installation)
    wrong = run.with_decision(n=run.decision.n - 1, llr=run.decision.llr - 0.1)
    with installation.exporting():
        installation.publish(wrong)
        (written,) = until(installation.announced)
    assert written.disputed
    proof = verify(installation.archives / "rng-bias" / "1", written.manifest_digest)
    assert not proof.ok
    assert any("disputed: n: published" in reason for reason in proof.reasons)


def test_an_archive_of_another_decision_is_set_aside_not_overwritten(installation: Installation) -> None:
    old = measured(installation)
    standing = old.with_decision(version=99).published(installation.archives)
    digest = verify(standing)
    with installation.exporting():
        installation.publish(old)
        (written,) = until(installation.announced)
    assert verify(standing, written.manifest_digest).ok
    kept = [path for path in standing.parent.iterdir() if path != standing]
    assert len(kept) == 1
    assert verify(kept[0]).summary == digest.summary


def test_a_folder_that_cannot_be_written_delays_the_archive_and_loses_none(installation: Installation) -> None:
    run = measured(installation)
    installation.archives.parent.mkdir(exist_ok=True)
    installation.archives.write_text("a file where the folder should be")
    port = _free_port()
    with installation.exporting(metrics_port=port):
        installation.publish(run)
        until(lambda: 'sprt_archives_total{result="failed"}' in _metrics(port))
        assert installation.announced() == []
        installation.archives.unlink()
        (written,) = until(installation.announced)
        metrics = _metrics(port)
    assert verify(installation.archives / "rng-bias" / "1", written.manifest_digest).ok
    assert 'sprt_archives_total{result="written"} 1.0' in metrics
    assert "sprt_export_seconds_count 1.0" in metrics


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _metrics(port: int) -> str:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/metrics").text
    except httpx.TransportError:
        return ""  # not listening yet


def test_the_role_ends_with_exit_code_0_on_sigterm(installation: Installation) -> None:
    program = (
        "import sys; from pathlib import Path; from schemas.topics import Topics;"
        "from exporter.service import ExporterConfig, run;"
        "kafka, prefix, archives = sys.argv[1:];"
        "run(ExporterConfig({'bootstrap.servers': kafka}, Topics(prefix), 4, Path(archives), prefix))"
    )
    run = measured(installation)
    arguments = (installation.kafka["bootstrap.servers"], installation.topics.prefix, str(installation.archives))
    with subprocess.Popen((sys.executable, "-c", program, *arguments), stderr=subprocess.PIPE, env=os.environ) as role:
        installation.publish(run)
        until(installation.announced)
        role.send_signal(signal.SIGTERM)
        _, errors = role.communicate(timeout=DEADLINE)
    assert role.returncode == 0, errors.decode()
