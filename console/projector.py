"""The projector: committed records of control, walks, archives and queues become the read model in Redis.

It only ever goes on from the offsets that lie in Redis beside the data; so when Redis was away or has lost its memory,
what is missing is replayed, and nothing is counted on but the log.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import redis
import structlog
from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from console.documents import Changes, Heartbeat
from console.instruments import ProjectorInstruments
from console.keys import Keys
from console.projection import MovedError, Projection, Record
from schemas.instruments import new_registry, serving
from schemas.topics import Topics

#: Raised when stored documents change shape: a model of another version is cleared and replayed.
MODEL_VERSION: Final = 2
_BATCH = 1000
_POLL_SECONDS = 0.05
_HEARTBEAT_SECONDS = 1.0
HEARTBEAT_EXPIRES_SECONDS: Final = 5
_METADATA_SECONDS = 10.0

_log = structlog.get_logger("projector")


class ProjectorError(RuntimeError):
    """The projector cannot work at all; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class ProjectorConfig:
    """Where the projector reads and writes.

    Parameters
    ----------
    kafka
        librdkafka client properties: `bootstrap.servers` and security.
    topics
        The catalog with its prefix.
    redis_url
        The read model's Redis, with its password.
    group
        The consumer group; several projectors in it share the partitions.
    metrics_host, metrics_port
        Where `/metrics` is served; without a port nowhere.
    """

    kafka: Mapping[str, str]
    topics: Topics
    redis_url: str
    group: str = "waldstream-projector"
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How much was replayed."""

    records: int
    seconds: float


def run(config: ProjectorConfig) -> None:
    """Keep the read model up to date until SIGTERM or SIGINT.

    Raises
    ------
    ProjectorError
        If the topics do not exist.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    registry = new_registry()
    with serving(registry, config.metrics_host, config.metrics_port):
        Projector(config, ProjectorInstruments(registry)).run(stop)


def rebuild(config: ProjectorConfig, progress: Callable[[int, int], None] | None = None) -> Rebuilt:
    """Clear the read model, replay the topics from their start and return how much that was.

    A running projector may go on: both continue from the offsets in Redis, so nothing is written twice.

    Parameters
    ----------
    config
        As for `run`.
    progress
        Called with the records replayed so far and the records there are.

    Raises
    ------
    ProjectorError
        If the topics do not exist.
    redis.RedisError
        If Redis cannot be reached.
    """
    return Projector(config, ProjectorInstruments(new_registry())).rebuild(progress)


class Projector:
    """One consumer and its way into Redis."""

    def __init__(self, config: ProjectorConfig, instruments: ProjectorInstruments) -> None:
        self._config = config
        self._instruments = instruments
        self._keys = Keys.of(config.topics)
        self._names = (config.topics.control, config.topics.walks, config.topics.archives, config.topics.queues)
        self._redis: redis.Redis = redis.Redis.from_url(
            config.redis_url, socket_timeout=10.0, socket_connect_timeout=2.0
        )
        self._consumer = Consumer(
            {
                **config.kafka,
                "group.id": config.group,
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",  # only for walks, whose log is cut off after its retention
                "partition.assignment.strategy": "range",  # one owner for an experiment's partition in all topics
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 50,
                "log_level": 3,
            }
        )
        self._positions: dict[tuple[str, int], int] = {}
        self._at_end: set[tuple[str, int]] = set()
        self._away = False
        self._next_heartbeat = 0.0
        self.records = 0

    def run(self, stop: threading.Event) -> None:
        """Project until `stop` is set."""
        try:
            partitions, cluster = self._look_around()
            projection = Projection(self._redis, self._config.topics, partitions)
            self._consumer.subscribe(list(self._names), on_assign=self._assigned, on_revoke=self._revoked)
            stamped = False
            while not stop.is_set():
                try:
                    if not stamped:
                        self._stamp(cluster)
                        stamped = True
                    if self._away:
                        self._return(projection)
                    self._step(projection)
                    self._beat()
                except redis.RedisError as error:
                    stamped = False
                    self._wait_for_redis(error, stop)
        finally:
            self._consumer.close()
            self._redis.close()

    def rebuild(self, progress: Callable[[int, int], None] | None) -> Rebuilt:
        """Clear the read model and project everything that is on the log now."""
        begun = time.monotonic()
        try:
            partitions, cluster = self._look_around()
            self._clear(cluster)
            projection = Projection(self._redis, self._config.topics, partitions)
            self._positions = {(name, part): 0 for name in self._names for part in range(partitions)}
            total = self._behind()
            self._consumer.assign([TopicPartition(name, part, OFFSET_BEGINNING) for name, part in self._positions])
            while len(self._at_end) < len(self._positions):
                self._step(projection)
                if progress is not None:
                    progress(max(total - self._behind(), 0), total)
        finally:
            self._consumer.close()
            self._redis.close()
        return Rebuilt(records=self.records, seconds=time.monotonic() - begun)

    def _look_around(self) -> tuple[int, str]:
        """Return the number of partitions and the cluster's id."""
        try:
            metadata = self._consumer.list_topics(timeout=_METADATA_SECONDS)
        except KafkaException as error:
            servers = self._config.kafka.get("bootstrap.servers")
            raise ProjectorError(f"Kafka does not answer at {servers}: {error.args[0].str()}") from error
        missing = [name for name in self._names if name not in metadata.topics]
        if missing:
            raise ProjectorError(f"missing topics: {', '.join(missing)}; create them with `waldstream topics create`")
        return len(metadata.topics[self._config.topics.control].partitions), str(metadata.cluster_id)

    def _stamp(self, cluster: str) -> None:
        """Clear a read model that another cluster or another version of this module has left."""
        if self._redis.get(self._keys.stamp) not in (None, self._mark(cluster)):
            _log.info("cleared", reason="the read model came from another cluster or another version")
            self._clear(cluster)
            self._reposition()
        self._redis.set(self._keys.stamp, self._mark(cluster))

    def _mark(self, cluster: str) -> bytes:
        return f"{MODEL_VERSION} {cluster}".encode()

    def _clear(self, cluster: str) -> None:
        found: list[bytes] = []
        own = f"{self._keys.root}:"
        nested = f"{own}*:stamp"  # other installations, whose topics have another prefix
        others = tuple(key.removesuffix(b"stamp") for key in self._redis.scan_iter(match=nested, count=1000))
        for key in self._redis.scan_iter(match=f"{own}*", count=1000):
            if not key.startswith(others):
                found.append(key)
            if len(found) >= 1000:
                self._redis.unlink(*found)
                found.clear()
        if found:
            self._redis.unlink(*found)
        self._redis.set(self._keys.stamp, self._mark(cluster))

    def _assigned(self, consumer: Consumer, given: Sequence[TopicPartition]) -> None:
        """Start each partition where the read model stands."""
        if self._away:
            consumer.assign([TopicPartition(it.topic, it.partition, OFFSET_BEGINNING) for it in given])
            consumer.pause(list(given))
            self._positions |= {(it.topic, it.partition): 0 for it in given}
            return
        try:
            starts = {(it.topic, it.partition): self._stored(it.topic, it.partition) for it in given}
        except redis.RedisError:
            starts = {(it.topic, it.partition): 0 for it in given}  # the first batch will be told where to go on
        self._positions |= starts
        consumer.assign([TopicPartition(topic, part, _start(offset)) for (topic, part), offset in starts.items()])

    def _revoked(self, consumer: Consumer, taken: Sequence[TopicPartition]) -> None:
        for it in taken:
            self._positions.pop((it.topic, it.partition), None)
            self._at_end.discard((it.topic, it.partition))
        consumer.unassign()

    def _stored(self, topic: str, partition: int) -> int:
        return int(self._redis.get(self._keys.offset(topic, partition)) or 0)

    def _step(self, projection: Projection) -> None:
        """Project what has come."""
        batches: dict[tuple[str, int], list[Record]] = {}
        for message in self._consumer.consume(_BATCH, timeout=_POLL_SECONDS):
            source = (str(message.topic()), int(message.partition() or 0))
            error = message.error()
            if error is None:
                self._at_end.discard(source)
                batches.setdefault(source, []).append(_record(message))
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  the library's name for it
                self._at_end.add(source)
            else:
                _judge(error)
        for (topic, partition), records in sorted(batches.items(), key=lambda item: self._names.index(item[0][0])):
            begin = self._positions.get((topic, partition))
            if begin is None:
                continue  # taken away meanwhile
            fresh = [record for record in records if record.offset >= begin]
            if not fresh:
                continue
            try:
                self._positions[topic, partition] = projection.apply(topic, partition, begin, fresh)
                self.records += len(fresh)
                self._instruments.projected(len(fresh))
            except MovedError as moved:
                self._seek(topic, partition, moved.offset)

    def _seek(self, topic: str, partition: int, offset: int) -> None:
        _log.info("moved", topic=topic, partition=partition, offset=offset)
        self._positions[topic, partition] = offset
        self._at_end.discard((topic, partition))
        self._consumer.seek(TopicPartition(topic, partition, _start(offset)))

    def _reposition(self) -> None:
        """Go on in each partition where the read model stands now."""
        self._positions = {source: self._stored(*source) for source in self._positions}
        self._at_end.clear()
        self._consumer.assign([TopicPartition(*source, _start(offset)) for source, offset in self._positions.items()])

    def _wait_for_redis(self, error: redis.RedisError, stop: threading.Event) -> None:
        """Keep the place in the group while Redis is away."""
        if not self._away:
            _log.warning("redis away", error=str(error).splitlines()[0] if str(error) else type(error).__name__)
            self._away = True
            self._instruments.answers(is_up=False)
            self._consumer.pause(self._consumer.assignment())
        for message in self._consumer.consume(1, timeout=0.5):  # paused: only events of the group come
            if (trouble := message.error()) is not None:
                _judge(trouble)
        stop.wait(0.1)

    def _return(self, projection: Projection) -> None:
        self._redis.ping()
        self._reposition()
        self._consumer.resume(self._consumer.assignment())
        self._away = False
        _log.info("redis back", positions=len(self._positions), first=projection.position(self._names[0], 0))

    def _beat(self) -> None:
        if time.monotonic() < self._next_heartbeat:
            return
        self._next_heartbeat = time.monotonic() + _HEARTBEAT_SECONDS
        behind = list(self._lags())
        self._instruments.lags(behind)
        beat = Heartbeat(at=datetime.now(UTC), behind=sum(records for _, _, records in behind))
        encoded = msgspec.json.encode(beat)
        self._redis.set(self._keys.heartbeat, encoded, ex=HEARTBEAT_EXPIRES_SECONDS)
        self._redis.publish(self._keys.changes, msgspec.json.encode(Changes(heartbeat=beat)))
        self._instruments.answers(is_up=True)

    def _behind(self) -> int:
        """Return about how many records lie before this projector; the markers of transactions count as such."""
        return sum(records for _, _, records in self._lags())

    def _lags(self) -> Iterator[tuple[str, int, int]]:
        """Yield topic, partition, and about how many records lie before this projector there."""
        known = bool(self._consumer.assignment())  # then fetches keep the watermarks, and nothing need be asked
        for (topic, partition), position in self._positions.items():
            waiting = 0
            if (topic, partition) not in self._at_end:
                asked = TopicPartition(topic, partition)
                low, high = self._consumer.get_watermark_offsets(asked, cached=known, timeout=10.0)
                waiting = max(high - max(position, low, 0), 0)
            yield topic, partition, waiting


def _start(offset: int) -> int:
    return offset or OFFSET_BEGINNING


def _record(message: Message) -> Record:
    kind, timestamp = message.timestamp()
    return Record(
        offset=int(message.offset() or 0),
        timestamp=0 if kind == TIMESTAMP_NOT_AVAILABLE else timestamp,
        value=_bytes(message.value()),
    )


def _bytes(value: Any) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


def _judge(error: KafkaError) -> None:
    """Let the client library mend what it can; anything else ends the projector with its message."""
    if error.fatal() or error.code() in _HOPELESS:
        raise ProjectorError(f"Kafka: {error.str()}")


_HOPELESS: Iterable[int] = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
)
