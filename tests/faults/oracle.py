"""The truth about an installation: its input log folded by the pure function, against what it committed.

Valid for a workload whose commands were all answered before the first observation was sent; then the log alone fixes
every statistic, decision, walk point and rejection.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
from confluent_kafka import Message

from experiments.advance import advance
from experiments.batch import Emissions
from experiments.columns import RawRecord, control_batch, observation_batch
from experiments.memory import Memory
from experiments.planning import plan
from schemas import codecs, events
from tests.processors.installation import Installation, headers


@dataclass(frozen=True)
class Verdict:
    """What differs between the truth and the committed facts; `records` is the size of the comparison."""

    records: int
    lost: int
    doubled: int
    wrong_decisions: int
    differences: list[str]


def judge(installation: Installation) -> Verdict:
    """Return how the committed facts of all partitions compare with the replayed log."""
    observations = by_partition(installation, installation.topics.observations)
    control = by_partition(installation, installation.topics.control)
    walks = by_partition(installation, installation.topics.walks)
    rejected = by_partition(installation, installation.topics.rejected)
    lost = doubled = wrong = 0
    differences: list[str] = []
    for partition in range(installation.partitions):
        expected, emissions = _replay(installation, partition, control[partition], observations[partition])
        actual = installation.memory(partition)
        missing, surplus = _records(expected), _records(actual)
        lost += (missing - surplus).total()
        doubled += (surplus - missing).total()
        if dict(expected.counts) != dict(actual.counts):
            differences.append(f"{partition}: counts {dict(actual.counts)}, truth {dict(expected.counts)}")
        for name in {*expected.experiments, *actual.experiments}:
            truth, found = expected.experiments.get(name), actual.experiments.get(name)
            if truth is None or found is None or (truth.cold, truth.hot) != (found.cold, found.hot):
                differences.append(f"{partition}: {name} is {found}, truth {truth}")
        facts = [_decode(message) for message in control[partition]]
        decisions, truth_decisions = _decisions(facts), _decisions(emissions.control)
        wrong += sum(((decisions - truth_decisions) + (truth_decisions - decisions)).values())
        differences += _compare(partition, "decisions", decisions.elements(), truth_decisions.elements())
        differences += _compare(partition, "walk points", [m.value() for m in walks[partition]], _walks(emissions))
        found_rejected = [(m.key(), headers(m)["__sprt.errors.offset"].decode()) for m in rejected[partition]]
        keys = {message.offset(): message.key() for message in observations[partition]}
        truth_rejected = [(keys[it.offset], str(it.offset)) for it in emissions.rejected]
        differences += _compare(partition, "rejected records", found_rejected, truth_rejected)
    records = sum(len(messages) for messages in observations.values())
    return Verdict(records, lost, doubled, wrong, differences)


def assert_exact(verdict: Verdict) -> None:
    """Nothing was lost, doubled or decided otherwise, and nothing else differs."""
    assert (verdict.lost, verdict.doubled, verdict.wrong_decisions) == (0, 0, 0), verdict
    assert not verdict.differences, "\n".join(verdict.differences)
    assert verdict.records > 0


def by_partition(installation: Installation, topic: str) -> dict[int, list[Message]]:
    """Return the committed records of a topic, per partition in log order."""
    found: dict[int, list[Message]] = {partition: [] for partition in range(installation.partitions)}
    for message in installation.read(topic):
        found[message.partition() or 0].append(message)
    return found


def _replay(
    installation: Installation, partition: int, control: list[Message], observations: list[Message]
) -> tuple[Memory, Emissions]:
    memory = Memory(partition, installation.partitions)
    commands = control_batch(partition, 0, 0, _raw(control), plan)
    memory, _ = advance(memory, commands)
    return advance(memory, observation_batch(partition, 0, 0, _raw(observations)))


def _records(memory: Memory) -> Counter[tuple[str, str]]:
    """Return the records that were counted, by experiment and result; the partition's own sum stands for all."""
    counted = Counter({("", result): number for result, number in memory.counts.items()})
    for name, experiment in memory.experiments.items():
        counted.update({(name, result): number for result, number in experiment.hot.counts.items()})
    return counted


def _raw(messages: list[Message]) -> list[RawRecord]:
    return [RawRecord(m.offset() or 0, m.timestamp()[1] * 1000, m.key(), m.value()) for m in messages]


def _decode(message: Message) -> object:
    return codecs.decode(message.value(), *events.CONTROL)


def _decisions(facts: Iterable[object]) -> Counter[bytes]:
    return Counter(msgspec.json.encode(it, order="sorted") for it in facts if isinstance(it, events.Decision))


def _walks(emissions: Emissions) -> list[bytes]:
    return [codecs.encode_avro(point) for point in emissions.walks]


def _compare(partition: int, what: str, found: Iterable[object], truth: Iterable[object]) -> list[str]:
    missing, surplus = Counter(map(repr, truth)), Counter(map(repr, found))
    missing.subtract(surplus)
    off = {value: number for value, number in missing.items() if number}
    return [f"{partition}: {what} differ (+ lost, - surplus): {dict(list(off.items())[:5])}"] if off else []
