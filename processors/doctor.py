"""Looks a cluster over before it is trusted with an installation, and says what to change.

Everything is asked of the cluster itself; the one thing written is a record in a transaction that is then aborted, so
that no reader of ours ever sees it: it shows that transactions work and what time the brokers have.
"""

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicCollection,
    TopicPartition,
    libversion,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # documented as public, but not in its __all__
    AdminClient,
    ConfigResource,
    ResourceType,
    TopicDescription,
)

from processors import clients
from processors.takeover import fence
from processors.topics import reaching
from schemas.topics import Topic, Topics

Status = Literal["ok", "warning", "wrong"]

_SECONDS = 20.0
#: `observed_at` may be this far ahead of Kafka's clock; half of it is where a clock should be looked after.
_TOLERANCE_SECONDS = 5.0
_MOVING = (
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
)
_LEAST_FREE = 5 * 1024**3
_OLDEST_CLIENT = (2, 6, 0)
_TRANSACTION_MS = 30_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what was found, and what to do about it if it is not as it should be."""

    check: str
    status: Status
    found: str
    remedy: str = ""


def examine(
    kafka: Mapping[str, str],
    topics: Topics,
    partitions: int,
    replication_factor: int,
    *,
    app_id: str,
    folders: Sequence[Path] = (),
) -> list[Finding]:
    """Return what was found about client, brokers, topics, transactions, clocks, progress and disk, in that order.

    Raises
    ------
    processors.topics.KafkaUnreachableError
        If no broker answers.
    """
    with reaching(kafka):
        admin = AdminClient({**kafka, "log_level": "0"})
        cluster = admin.describe_cluster(request_timeout=_SECONDS).result()
        described = _described(admin, topics)
        found = [_client(), *_brokers(admin, cluster.nodes, replication_factor)]
        found += _topics(admin, topics, described, partitions, replication_factor)
        if topics.control in described:
            found += _transaction(kafka, topics.control, app_id)
        if topics.observations in described:
            found += _progress(kafka, topics, app_id, len(described[topics.observations].partitions))
    return [*found, *_disk(folders)]


def _client() -> Finding:
    version, number = libversion()
    fits = tuple(number >> shift & 0xFF for shift in (24, 16, 8)) >= _OLDEST_CLIENT
    oldest = ".".join(map(str, _OLDEST_CLIENT))
    return Finding("client", "ok" if fits else "wrong", f"librdkafka {version}", "" if fits else f"install >= {oldest}")


def _brokers(admin: AdminClient, nodes: Sequence[Any], replication_factor: int) -> Iterator[Finding]:
    number = len(nodes)
    if number < replication_factor:
        remedy = f"start {replication_factor - number} more, or set replication_factor to at most {number}"
        yield Finding("brokers", "wrong", f"{number}; replication_factor is {replication_factor}", remedy)
    elif replication_factor < 3:
        remedy = "three brokers and replication_factor = 3, so that one may be lost"
        yield Finding("brokers", "warning", f"{number}; replication_factor is {replication_factor}", remedy)
    else:
        yield Finding("brokers", "ok", f"{number}; replication_factor is {replication_factor}")
    config = _configs(admin, ResourceType.BROKER, [str(nodes[0].id)])[str(nodes[0].id)]
    wanted = min(3, number)
    for name, least in (
        ("transaction.state.log.replication.factor", wanted),
        ("transaction.state.log.min.isr", wanted - 1 or 1),
        ("offsets.topic.replication.factor", wanted),
        ("transaction.max.timeout.ms", _TRANSACTION_MS),
    ):
        value = int(config.get(name) or least)
        status: Status = "ok" if value >= least else "wrong" if name == "transaction.max.timeout.ms" else "warning"
        yield Finding("brokers", status, f"{name}={value}", "" if status == "ok" else f"at least {least}")
    if config.get("unclean.leader.election.enable") == "true":
        remedy = "false: a leader that was behind loses acknowledged records"
        yield Finding("brokers", "wrong", "unclean.leader.election.enable=true", remedy)


def _topics(
    admin: AdminClient,
    topics: Topics,
    described: Mapping[str, TopicDescription],
    partitions: int,
    replication_factor: int,
) -> Iterator[Finding]:
    catalog = topics.all()
    configs = _configs(admin, ResourceType.TOPIC, [topic.name for topic in catalog if topic.name in described])
    for topic in catalog:
        if topic.name not in described:
            yield Finding("topics", "wrong", f"{topic.name} is missing", "waldstream topics create")
            continue
        parts = described[topic.name].partitions
        problems = list(_differences(topic, configs[topic.name], replication_factor))
        if len(parts) != partitions:
            remedy = "set `partitions` to it; the number of a topic is fixed for life"
            problems.append((f"{len(parts)} partitions; the setting says {partitions}", "wrong", remedy))
        if any(part.leader is None for part in parts):
            problems.append(("a partition has no leader", "wrong", "start the brokers that hold it"))
        elif any(len(part.isr) < len(part.replicas) for part in parts):
            problems.append(("a replica is behind", "warning", "look at the brokers that hold it"))
        if (copies := min(len(part.replicas) for part in parts)) < replication_factor:
            problems.append((f"{copies} copies; the setting says {replication_factor}", "warning", "reassign replicas"))
        for found, status, remedy in problems:
            yield Finding("topics", status, f"{topic.name}: {found}", remedy)
        if not problems:
            yield Finding("topics", "ok", f"{topic.name}: {partitions} partitions, configured as it must be")


def _differences(
    topic: Topic, config: Mapping[str, str | None], replication_factor: int
) -> Iterator[tuple[str, Status, str]]:
    """Yield found, status and remedy of each setting of a topic that differs from the catalog."""
    for name, wanted in topic.config:
        given = config.get(name) or ""
        if name == "retention.ms":
            if int(given) >= 0 and (int(wanted) < 0 or int(given) < int(wanted)):
                yield f"{name}={given}", "warning", f"{wanted}: records must be kept until they are read and archived"
        elif name == "max.message.bytes":
            if int(given) < int(wanted):
                yield f"{name}={given}", "wrong", f"at least {wanted}"
        elif name == "min.compaction.lag.ms":
            if int(given) < int(wanted):
                yield f"{name}={given}", "warning", f"at least {wanted}"
        elif given != wanted:
            yield f"{name}={given}", "wrong", wanted
    if replication_factor >= 3 and int(config.get("min.insync.replicas") or 1) < 2:
        yield f"min.insync.replicas={config.get('min.insync.replicas')}", "wrong", "2: one broker may be lost, two not"


def _transaction(kafka: Mapping[str, str], topic: str, app_id: str) -> Iterator[Finding]:
    """Try a transaction, abort it, and compare the time that the broker stamped on its record with ours."""
    stamps: list[int] = []
    errors: list[KafkaError] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is None:
            stamps.append(message.timestamp()[1])
        else:
            errors.append(error)

    producer = Producer(clients.transactional({**kafka, "log_level": "0"}, f"{app_id}-doctor"))
    try:
        fence(producer)
        producer.begin_transaction()
        before = time.time()
        producer.produce(topic, b"{}", b"doctor", partition=0, on_delivery=delivered)
        producer.flush(_SECONDS)
        after = time.time()
        producer.abort_transaction(_SECONDS)
    except KafkaException as error:
        errors.append(error.args[0])
    if errors or not stamps:
        why = errors[0].str() if errors else "no answer"
        yield Finding("transactions", "wrong", why, f"allow {app_id}-* as transactional id, and writing to {topic}")
        return
    yield Finding("transactions", "ok", "one was begun, written and aborted")
    behind, ahead = before - stamps[0] / 1000, stamps[0] / 1000 - after
    off = max(behind, ahead, 0.0)
    found = f"{off:.1f} s apart from the broker's" if off else "the same as the broker's"
    status: Status = "ok" if off < _TOLERANCE_SECONDS / 2 else "warning" if off < _TOLERANCE_SECONDS else "wrong"
    yield Finding("clocks", status, found, "" if status == "ok" else "synchronise the clocks (NTP)")


def _progress(kafka: Mapping[str, str], topics: Topics, app_id: str, partitions: int) -> Iterator[Finding]:
    """Compare where the workers are with what the log still holds."""
    consumer = clients.reader({**kafka, "log_level": "0"}, f"{app_id}-progress")
    try:
        parts = [TopicPartition(topics.observations, number) for number in range(partitions)]
        lags = []
        for at in _committed(consumer, parts):
            low, high = consumer.get_watermark_offsets(at, timeout=_SECONDS)
            if 0 <= at.offset < low:
                found = f"partition {at.partition}: position {at.offset}, the log begins at {low}"
                yield Finding(
                    "progress",
                    "wrong",
                    found,
                    "raise retention.ms, start workers; see WaldstreamRetentionOvertook in docs/07",
                )
            lags.append(high - max(at.offset, low))
    finally:
        consumer.close()
    yield Finding("progress", "ok", f"{sum(lags)} observation records are not counted yet")


def _disk(folders: Sequence[Path]) -> Iterator[Finding]:
    for folder in folders:
        place = next(it for it in (folder.absolute(), *folder.absolute().parents) if it.exists())
        free = shutil.disk_usage(place).free
        enough = free >= _LEAST_FREE
        found = f"{free / 1024**3:.0f} GiB free for {folder}"
        yield Finding("disk", "ok" if enough else "warning", found, "" if enough else "5 GiB or more")


def _described(admin: AdminClient, topics: Topics) -> dict[str, TopicDescription]:
    names = [topic.name for topic in topics.all()]
    found = {}
    for name, future in admin.describe_topics(TopicCollection(names), request_timeout=_SECONDS).items():
        try:
            found[name] = future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise
    return found


def _configs(admin: AdminClient, kind: Any, names: Sequence[str]) -> dict[str, dict[str, str | None]]:
    if not names:
        return {}
    asked: Mapping[ConfigResource, Future[Mapping[str, Any]]] = admin.describe_configs(
        [ConfigResource(kind, name) for name in names], request_timeout=_SECONDS
    )
    return {
        resource.name: {name: entry.value for name, entry in future.result().items()}
        for resource, future in asked.items()
    }


def _committed(consumer: Consumer, parts: list[TopicPartition]) -> list[TopicPartition]:
    """Return the published positions; asks again while the broker that keeps them is being chosen."""
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            return consumer.committed(parts, timeout=_SECONDS)
        except KafkaException as error:
            if error.args[0].code() not in _MOVING or time.monotonic() > deadline:
                raise
            time.sleep(0.1)  # the coordinator moves meanwhile
