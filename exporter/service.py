"""The exporter: follows the control topic and writes the archive of every decision, then says so on `sprt.archives`.

At least once: the group's offset moves past a decision only when its archive stands and was announced. An archive that
already stands for the same decision is announced again, not written again.
"""

import signal
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from experiments.times import moment
from exporter.announce import Announcer
from exporter.archive import Entry, decision_of
from exporter.export import Exporter
from exporter.folder import Progress
from exporter.formats import Paper
from exporter.history import History
from exporter.instruments import Instruments
from exporter.reporter import ReportPlan, keep_reporting
from exporter.source import Range, StoppedError, committed_reader, everything
from schemas.instruments import new_registry, serving
from schemas.registry import Registry, RegistryUnavailableError
from schemas.topics import Topics

_FIRST_RETRY: Final = 1.0
_LONGEST_RETRY: Final = 60.0
_COMMIT_EVERY: Final = 5.0
_PATIENCE: Final = 10.0  # for a report that is being written when the process is to end

log = structlog.get_logger("exporter")


class ExporterError(Exception):
    """The exporter cannot go on; the message says why in one line."""


@dataclass(frozen=True, slots=True)
class ExporterConfig:
    """Where an exporter reads, where it writes.

    Parameters
    ----------
    kafka
        librdkafka's client properties, `bootstrap.servers` among them.
    archives
        The folder of the archives.
    group
        The consumer group; its members share the partitions.
    formats
        Which formats to write; None takes those of each definition.
    paper
        Paper size of the reports.
    plan
        When reports over all runs of a period are due, None for never.
    metrics_port
        Port of `/metrics`, None for none.
    registry
        Where the schemas of Confluent frames are asked for.
    """

    kafka: Mapping[str, str]
    topics: Topics
    partitions: int
    archives: Path
    group: str = "waldstream-exporter"
    formats: tuple[str, ...] | None = None
    paper: Paper = "a4"
    plan: ReportPlan | None = None
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None
    registry: Registry | None = None


def run(config: ExporterConfig) -> None:
    """Write archives until SIGTERM or SIGINT.

    Raises
    ------
    ExporterError
        If it cannot go on.
    """
    stop = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        serve(config, stop)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def serve(config: ExporterConfig, stop: threading.Event, progress: Progress = lambda _: None) -> None:
    """Write archives, and the reports that fall due, until `stop` is set.

    Parameters
    ----------
    progress
        Called with the name of each step of an archive as it is done: `begun`, `folded`, those of `folder.publish`,
        `announced`, `committed`.
    """
    registry = new_registry()
    follower = _Follower(config, stop, Instruments(registry), progress)
    reporting = None
    if config.plan is not None:
        told = (config.plan, config.kafka, config.topics, config.registry, stop)
        reporting = threading.Thread(target=keep_reporting, args=told, name="reports", daemon=True)
        reporting.start()
    try:
        with serving(registry, config.metrics_host, config.metrics_port):
            follower.follow()
    except StoppedError:
        pass
    except KafkaException as error:
        raise ExporterError(f"exporter: Kafka: {error.args[0].str()}") from error
    finally:
        follower.close()
        if reporting is not None and stop.is_set():
            reporting.join(_PATIENCE)


class _Follower:
    """The consumer of the control topic, with the history of each partition that it owns."""

    def __init__(
        self, config: ExporterConfig, stop: threading.Event, instruments: Instruments, progress: Progress
    ) -> None:
        self._config = config
        self._progress = progress
        self._stop = stop
        self._instruments = instruments
        self._histories: dict[int, History] = {}
        self._committed: dict[int, int] = {}
        self._next_commit = 0.0
        self._exporter = Exporter(
            config.kafka,
            config.topics,
            config.archives,
            f"{config.group}-reader",
            stop,
            paper=config.paper,
            registry=config.registry,
        )
        self._announcer = Announcer(config.kafka, config.topics, config.partitions, config.archives)
        self._consumer = Consumer(
            {
                **config.kafka,
                "group.id": config.group,
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "earliest",
                "max.poll.interval.ms": 1_800_000,  # a long run is written between two polls
            }
        )

    def follow(self) -> None:
        """Read and export until asked to stop."""
        topic = self._config.topics.control
        self._consumer.subscribe([topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked)
        while not self._stop.is_set():
            for message in self._consumer.consume(500, timeout=0.2):
                if self._stop.is_set():
                    return
                error = message.error()
                if error is None:
                    self._take(message)
                else:
                    _check(error)
            self._commit_progress()

    def close(self) -> None:
        """Leave the group; what was committed stays so."""
        self._consumer.close()
        self._exporter.close()

    def _assigned(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        """Read each partition from its beginning; what lies before the committed offset only fills the history."""
        for place in consumer.committed(places, timeout=60):
            self._committed[place.partition] = max(place.offset, 0)
            self._histories[place.partition] = History(place.partition, self._config.partitions, self._config.registry)
        consumer.assign([TopicPartition(place.topic, place.partition, OFFSET_BEGINNING) for place in places])

    def _revoked(self, _consumer: Consumer, places: list[TopicPartition]) -> None:
        for place in places:
            self._histories.pop(place.partition, None)
            self._committed.pop(place.partition, None)
            self._instruments.lost(place.topic, place.partition)

    def _take(self, message: Message) -> None:
        partition, offset = message.partition(), message.offset()
        if partition is None or offset is None or partition not in self._histories:
            return  # the partition was revoked while the record was on its way
        history = self._histories[partition]
        timeline = history.add(offset, moment(message.timestamp()[1] * 1000), message.value())
        if timeline is not None and offset >= self._committed[partition]:
            self._archive(timeline)
            self._commit(partition, offset + 1)
            self._progress("committed")
        if history.wanted is not None and offset >= self._committed[partition]:
            if (timeline := self._timeline_before(partition, offset, history.wanted)) is not None:
                self._archive(timeline)
            self._commit(partition, offset + 1)

    def _timeline_before(self, partition: int, offset: int, experiment_id: str) -> tuple[Entry, ...] | None:
        """Return the timeline of an experiment's newest decided run, read again: rarely asked for."""
        found = None
        history = History(partition, self._config.partitions, self._config.registry)
        with closing(committed_reader(self._config.kafka, f"{self._config.group}-reader")) as reader:
            for record in everything(reader, Range(self._config.topics.control, partition, 0, offset), self._stop):
                timeline = history.add(record.offset, moment(record.timestamp), record.value)
                if timeline is not None and decision_of(timeline).experiment_id == experiment_id:
                    found = timeline
        return found

    def _archive(self, timeline: tuple[Entry, ...]) -> None:
        """Write and announce one archive; what can pass is tried again until it does or the process is to end."""
        decision, began, pause = decision_of(timeline), time.monotonic(), _FIRST_RETRY
        run = {"experiment": decision.experiment_id, "run": decision.run}
        while True:
            try:
                done = self._exporter.export(timeline, self._config.formats, self._progress)
                break
            except (OSError, RegistryUnavailableError) as error:  # no space, another writer, records not there yet
                self._instruments.counted("failed")
                log.error("not archived, trying again", **run, error=str(error), seconds=pause)  # noqa: TRY400 one line, the error says all
            except StoppedError:
                raise
            except Exception:
                # one run must not keep all others from their archives; it is counted and can be exported again
                self._instruments.counted("failed")
                log.exception("not archived", **run)
                return
            if self._stop.wait(pause):
                raise StoppedError
            pause = min(2 * pause, _LONGEST_RETRY)
        self._announcer.announce(decision, done.written, self._stop)
        self._progress("announced")
        seconds = time.monotonic() - began
        self._instruments.exported(done.result, seconds)
        how = {"outcome": decision.outcome, "reason": decision.reason, "n": decision.n}
        log.info("archived", **run, **how, result=done.result, seconds=round(seconds, 3))
        if done.differences:
            log.error("disputed", **run, differences=done.differences)

    def _commit(self, partition: int, offset: int) -> None:
        if offset <= self._committed.get(partition, offset):
            return  # the history is being filled, or the partition was revoked
        place = TopicPartition(self._config.topics.control, partition, offset)
        try:
            self._consumer.commit(offsets=[place], asynchronous=False)
        except KafkaException as error:
            log.warning("offset not committed", partition=partition, offset=offset, error=error.args[0].str())
            return  # the next owner finds the archive complete
        self._committed[partition] = offset

    def _commit_progress(self) -> None:
        """Commit, now and then, how far the partitions were read, and show how much is left."""
        if time.monotonic() < self._next_commit:
            return
        self._next_commit = time.monotonic() + _COMMIT_EVERY
        topic = self._config.topics.control
        for partition, history in list(self._histories.items()):
            self._commit(partition, history.next)
            _, high = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), cached=True)
            self._instruments.lag(topic, partition, max(0, high - history.next))


def _check(error: KafkaError) -> None:
    """Raise on what does not pass by itself; a broker that is away comes back."""
    if error.fatal() or error.code() in {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED}:
        raise KafkaException(error)
    log.warning("kafka", error=error.str())
