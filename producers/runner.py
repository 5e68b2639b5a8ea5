"""The runner: starts a run's own source when the run starts, and ends it with the decision.

It keeps nothing: at each start it reads the control topic and goes on with the sources of the live runs, each from the
sequence number that the log ends with. Members of one group share the partitions, so a second runner is a reserve.
"""

import signal
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from producers import reading
from producers.client import Client
from producers.connection import closing, consumer
from producers.feed import Feed
from producers.instruments import Instruments
from producers.runs import KINDS, Runs
from producers.webhooks import WebhookConfig, telling
from schemas.instruments import new_registry, serving
from schemas.topics import Topics

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RunnerConfig:
    """What a runner needs; `files` is the only folder that `csv` sources read from, `webhook` is told of verdicts."""

    kafka: Mapping[str, str]
    topics: Topics = field(default_factory=Topics)
    files: Path = field(default_factory=Path)
    group: str = "waldstream-runner"
    webhook: WebhookConfig | None = None
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None


def run(config: RunnerConfig, stop: threading.Event | None = None) -> None:
    """Run until SIGTERM or SIGINT, or until `stop` is set; every source has ended on return.

    Raises
    ------
    UnreachableError
        If no broker answers at the start.
    MissingTopicError
        If the topics do not exist.
    schemas.instruments.MetricsPortError
        If the port of the metrics is taken.
    """
    ended = threading.Event() if stop is None else stop
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.set())
    registry = new_registry()
    instruments = Instruments(registry)
    group = f"{config.group}-webhooks"
    webhook = telling(config.webhook, config.kafka, config.topics, group, ended, instruments=instruments)
    with (
        serving(registry, config.metrics_host, config.metrics_port),
        Client(config.kafka, config.topics, source="runner", actor="runner") as client,
        webhook,
    ):
        _Runner(config, client, instruments).follow(ended)


@dataclass
class _Partition:
    """What is known of one partition; sources start once its history has been read to the end."""

    runs: Runs = field(default_factory=Runs)
    is_current: bool = False
    feeds: dict[tuple[str, int], Feed] = field(default_factory=dict)


class _Runner:
    def __init__(self, config: RunnerConfig, client: Client, instruments: Instruments) -> None:
        self._config = config
        self._instruments = instruments
        self._client = client
        self._owned: dict[int, _Partition] = {}

    def follow(self, ended: threading.Event) -> None:
        """Follow the control topic until told to end."""
        reader = consumer(
            self._config.kafka,
            group_id=self._config.group,
            enable_partition_eof=True,
            session_timeout_ms=10_000,  # a runner that was killed is replaced after this long
            heartbeat_interval_ms=3_000,
        )
        with closing(reader):
            reader.subscribe([self._config.topics.control], on_assign=self._assigned, on_revoke=self._revoked)
            log.info("runner_ready", group=self._config.group)
            while not ended.is_set():
                for message in reader.consume(500, 0.1):
                    partition = message.partition()
                    if partition is None:
                        raise KafkaException(message.error())
                    owned = self._owned.get(partition)
                    if owned is None:
                        continue
                    if (error := message.error()) is None:
                        event = reading.control_event(message.value(), *KINDS)
                        if event is not None:
                            owned.runs.see(event)
                    elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  librdkafka's own code
                        owned.is_current = True
                    else:
                        raise KafkaException(error)
                self._reconcile()
            self._release(self._owned)

    def _reconcile(self) -> None:
        """Start and end sources, so that they are those of the live runs where the history is known."""
        for owned in self._owned.values():
            if not owned.is_current:
                continue
            wanted = {(run.experiment_id, run.run): run for run in owned.runs.wanted.values()}
            for key in owned.feeds.keys() - wanted.keys():
                owned.feeds.pop(key).end()
            for key, run in wanted.items():
                if key not in owned.feeds:
                    owned.feeds[key] = Feed(self._client, run, self._config.files, self._instruments)
                    owned.feeds[key].start()
                owned.feeds[key].pause(run.is_paused)

    def _assigned(self, reader: Consumer, partitions: list[TopicPartition]) -> None:
        for part in partitions:
            part.offset = OFFSET_BEGINNING  # nothing is kept between starts
            self._owned[part.partition] = _Partition()
        reader.assign(partitions)

    def _revoked(self, _reader: Consumer, partitions: list[TopicPartition]) -> None:
        self._release([part.partition for part in partitions])

    def _release(self, partitions: Iterable[int]) -> None:
        released = [self._owned.pop(number) for number in list(partitions) if number in self._owned]
        feeds = [feed for owned in released for feed in owned.feeds.values()]
        for feed in feeds:
            feed.end()
        for feed in feeds:
            feed.join(5.0)
