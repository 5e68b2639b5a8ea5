"""Creates the topics of the catalog, and says at a worker's start whether they are as they must be.

The number of partitions is fixed for life, since it decides which worker owns an experiment: a topic that differs is
refused, never altered.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # documented as public, but not in its __all__
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
    TopicDescription,
)

from schemas.topics import Topic, Topics

_TIMEOUT = 30.0
_FIRST_ANSWER = 10.0
_NEWS_SECONDS = 5.0  # a broker hears of a new topic within
_UNREACHABLE = {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT, KafkaError._RESOLVE}  # noqa: SLF001  the library's names for its local errors


class TopicError(Exception):
    """A topic is missing, could not be created, or differs in a way that cannot be mended; the message says how."""


class KafkaUnreachableError(Exception):
    """No broker answered; the message names the servers that were tried."""


@dataclass(frozen=True, slots=True)
class Created:
    """The topic did not exist and was created."""

    topic: str


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The topic existed already, as it must be."""

    topic: str


def create_topics(
    kafka: Mapping[str, str], topics: Topics, partitions: int, replication_factor: int = 1
) -> list[Created | Unchanged]:
    """Return one result per topic of the catalog, after every one of them exists and is visible.

    Parameters
    ----------
    kafka
        librdkafka client properties: `bootstrap.servers` and security.
    topics
        The catalog with its prefix.
    partitions
        Partitions of every topic, 1 or more, fixed for life.
    replication_factor
        Copies of every partition; from three on, `min.insync.replicas` is one less.

    Raises
    ------
    TopicError
        If a topic exists with another number of partitions or another cleanup policy, or cannot be created. Nothing is
        created if one of the existing topics differs.
    KafkaUnreachableError
        If no broker answers.
    """
    if partitions < 1:
        raise TopicError(f"partitions: {partitions}; allowed: 1 or more")
    admin = _admin(kafka)
    with reaching(kafka):
        catalog = topics.all()
        present = _described(admin, [topic.name for topic in catalog])
        _check(admin, catalog, present, partitions)
        missing = [topic for topic in catalog if topic.name not in present]
        _create(admin, missing, partitions, replication_factor)
        present, absent = _awaited(admin, catalog, _TIMEOUT, _has_leaders)
        if absent:
            raise TopicError(f"not visible {_TIMEOUT:.0f} s after their creation: {', '.join(absent)}")
        _check(admin, catalog, present, partitions)
    names = {topic.name for topic in missing}
    return [Created(topic.name) if topic.name in names else Unchanged(topic.name) for topic in catalog]


def check_topics(kafka: Mapping[str, str], topics: Topics, partitions: int) -> None:
    """Return only if every topic of the catalog exists with this number of partitions and its cleanup policy.

    One that was created a moment ago is waited for: the broker that is asked may not know of it yet.

    Raises
    ------
    TopicError
        If one is missing or differs.
    KafkaUnreachableError
        If no broker answers.
    """
    admin = _admin(kafka)
    with reaching(kafka):
        catalog = topics.all()
        present, absent = _awaited(admin, catalog, _NEWS_SECONDS)
        if absent:
            raise TopicError(f"missing topics: {', '.join(absent)}; create them with `waldstream topics create`")
        _check(admin, catalog, present, partitions)


def _admin(kafka: Mapping[str, str]) -> AdminClient:
    # Every failure here reaches the caller as an exception; the library's own lines about it would only hide that one.
    return AdminClient({**kafka, "log_level": "0"})


@contextmanager
def reaching(kafka: Mapping[str, str]) -> Iterator[None]:
    """Turn what the library says when no broker answers into one error of ours."""
    try:
        yield
    except KafkaException as error:
        if error.args[0].code() in _UNREACHABLE:
            servers = kafka.get("bootstrap.servers")
            raise KafkaUnreachableError(
                f"bootstrap.servers: {servers!r}; no broker answers: {error.args[0].str()}"
            ) from error
        raise


def _check(
    admin: AdminClient, catalog: Sequence[Topic], present: Mapping[str, TopicDescription], partitions: int
) -> None:
    """Raise one error that names every difference between the existing topics and the catalog."""
    counts: defaultdict[int, list[str]] = defaultdict(list)
    for name, description in present.items():
        counts[len(description.partitions)].append(name)
    wrong = [
        f"{', '.join(names)}: {count} partitions; allowed: {partitions} (fixed for life)"
        for count, names in sorted(counts.items())
        if count != partitions
    ]
    existing = [topic for topic in catalog if topic.name in present]
    policies = _cleanup_policies(admin, [topic.name for topic in existing])
    wrong += [
        f"{topic.name}: cleanup.policy={policies[topic.name]}; allowed: {topic.cleanup}"
        for topic in existing
        if policies[topic.name] != topic.cleanup
    ]
    if wrong:
        raise TopicError("; ".join(wrong))


def _create(admin: AdminClient, missing: Sequence[Topic], partitions: int, replication_factor: int) -> None:
    if not missing:
        return
    copies = {"min.insync.replicas": str(replication_factor - 1)} if replication_factor >= 3 else {}
    wanted = [
        NewTopic(topic.name, partitions, replication_factor, config=dict(topic.config) | copies) for topic in missing
    ]
    for name, future in admin.create_topics(wanted, operation_timeout=_TIMEOUT, request_timeout=_TIMEOUT).items():
        try:
            future.result()
        except KafkaException as error:
            code = error.args[0].code()
            if code in _UNREACHABLE:
                raise
            # Somebody else creating the same topic at the same time is as good; the wait below checks what came out.
            if code != KafkaError.TOPIC_ALREADY_EXISTS:
                raise TopicError(f"{name} could not be created: {error.args[0].str()}") from error


def _has_leaders(description: TopicDescription) -> bool:
    return all(partition.leader is not None for partition in description.partitions)


def _awaited(
    admin: AdminClient,
    catalog: Sequence[Topic],
    seconds: float,
    is_ready: Callable[[TopicDescription], bool] = lambda _: True,
) -> tuple[dict[str, TopicDescription], list[str]]:
    """Return the topics that exist, and the names of those that are not ready within so many seconds.

    Creation is answered before all brokers know of it.
    """
    deadline = time.monotonic() + seconds
    while True:
        present = _described(admin, [topic.name for topic in catalog])
        absent = [topic.name for topic in catalog if topic.name not in present or not is_ready(present[topic.name])]
        if not absent or time.monotonic() > deadline:
            return present, absent
        time.sleep(0.05)  # between two looks


def _described(admin: AdminClient, names: Sequence[str]) -> dict[str, TopicDescription]:
    """Return the existing ones among the named topics."""
    futures = admin.describe_topics(TopicCollection(list(names)), request_timeout=_FIRST_ANSWER)
    found = {name: _unless_unknown(future) for name, future in futures.items()}
    return {name: description for name, description in found.items() if description is not None}


def _unless_unknown(future: "Future[TopicDescription]") -> TopicDescription | None:
    try:
        return future.result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return None
        raise


def _cleanup_policies(admin: AdminClient, names: Sequence[str]) -> dict[str, str]:
    if not names:
        return {}
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    deadline = time.monotonic() + _TIMEOUT
    while True:
        futures: Mapping[ConfigResource, Future[Mapping[str, Any]]] = admin.describe_configs(resources)
        try:
            return {resource.name: future.result()["cleanup.policy"].value for resource, future in futures.items()}
        except KafkaException as error:
            # Right after the creation another broker may be asked than the one that knew of the topics.
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART or time.monotonic() > deadline:
                raise
        time.sleep(0.05)  # until the other one knows them
