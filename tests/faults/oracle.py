"""The truth about an installation: its input log folded by the pure function, against what it committed.

The log alone fixes everything but one thing, how commands and observations were interleaved. That is read from the
lifecycle events, which carry the offset at which they take effect, and so is which observations a pause is about; what
they lead to is the replay's own.
"""

import gc
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from confluent_kafka import Message
from immutables import Map

from experiments.advance import advance
from experiments.batch import Emissions
from experiments.columns import RawRecord, control_batch, observation_batch
from experiments.experiment import Cold, Experiment, Hot
from experiments.memory import Memory
from experiments.planning import Refusal, Solution
from schemas import codecs, events
from tests.processors.installation import Installation, headers

#: Topic, key (cut where a record that is set aside has it cut) and offset of a record that was rejected.
Origin = tuple[str, bytes, str]
#: A record of the control topic and the event in it, None if it holds none.
_Told = tuple[Message, Any]
_LONGEST_KEY = 8 * 1024


@dataclass(frozen=True)
class Verdict:
    """What differs between the truth and the committed facts; `records` is the size of the comparison."""

    records: int = 0
    lost: int = 0
    doubled: int = 0
    wrong_decisions: int = 0
    differences: list[str] = field(default_factory=list)

    @property
    def is_exact(self) -> bool:
        """Nothing was lost, doubled or decided otherwise, and nothing else differs."""
        return not (self.lost or self.doubled or self.wrong_decisions or self.differences) and self.records > 0

    def __add__(self, other: "Verdict") -> "Verdict":
        return Verdict(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


def judge(installation: Installation, acknowledged: int | None = None) -> Verdict:
    """Return how the committed facts of all partitions compare with the replayed log.

    `acknowledged` is how many observation records the cluster acknowledged to the producer: all must be in the log.
    """
    gc.disable()  # millions of objects that live to the end would be looked through again and again
    try:
        return _judge(installation, acknowledged)
    finally:
        gc.enable()


def _judge(installation: Installation, acknowledged: int | None) -> Verdict:
    observations = by_partition(installation, installation.topics.observations)
    control = {
        partition: [(message, _decode(message)) for message in messages]
        for partition, messages in by_partition(installation, installation.topics.control).items()
    }
    walks = by_partition(installation, installation.topics.walks)
    rejected = by_partition(installation, installation.topics.rejected)
    lost = doubled = wrong = forwarded = 0
    differences: list[str] = []
    for partition in range(installation.partitions):
        expected, emissions, truth_rejected = _replay(
            installation, partition, control[partition], observations[partition]
        )
        actual = installation.memory(partition)
        forwarded += actual.counts.get("forwarded", 0)
        missing, surplus = _records(expected), _records(actual)
        lost += (missing - surplus).total()
        doubled += (surplus - missing).total()
        if sum(actual.counts.values()) != len(observations[partition]):
            differences.append(f"{partition}: {dict(actual.counts)} is not all of {len(observations[partition])}")
        if dict(expected.counts) != dict(actual.counts):
            differences.append(f"{partition}: counts {dict(actual.counts)}, truth {dict(expected.counts)}")
        for name in {*expected.experiments, *actual.experiments}:
            truth, found = expected.experiments.get(name), actual.experiments.get(name)
            if truth is None or found is None or _parts(truth, actual) != _parts(found, actual):
                differences.append(f"{partition}: {name} is {found}, truth {truth}")
        facts = [event for _, event in control[partition]]
        decisions, truth_decisions = _of(events.Decision, facts), _of(events.Decision, emissions.control)
        wrong += sum(((decisions - truth_decisions) + (truth_decisions - decisions)).values())
        differences += _compare(partition, "decisions", decisions.elements(), truth_decisions.elements())
        replies, truth_replies = _of(events.Reply, facts), _of(events.Reply, emissions.control)
        differences += _compare(partition, "replies", replies.elements(), truth_replies.elements())
        differences += _compare(partition, "walk points", [m.value() for m in walks[partition]], _walks(emissions))
        found_rejected = [_origin(message) for message in rejected[partition]]
        differences += _compare(partition, "rejected records", found_rejected, truth_rejected)
    records = sum(len(messages) for messages in observations.values())
    if acknowledged is not None and records - forwarded != acknowledged:
        differences.append(f"{acknowledged} records were acknowledged, the log has {records - forwarded}")
        lost += max(0, acknowledged - records + forwarded)
    return Verdict(records, lost, doubled, wrong, differences)


def assert_exact(verdict: Verdict) -> None:
    """Nothing was lost, doubled or decided otherwise, and nothing else differs."""
    assert verdict.is_exact, "\n".join([str(verdict)[:200], *(it[:1500] for it in verdict.differences[:20])])


def by_partition(installation: Installation, topic: str) -> dict[int, list[Message]]:
    """Return the committed records of a topic, per partition in log order."""
    found: dict[int, list[Message]] = {partition: [] for partition in range(installation.partitions)}
    for message in installation.read(topic):
        found[message.partition() or 0].append(message)
    return found


def _replay(
    installation: Installation, partition: int, control: list[_Told], observations: list[Message]
) -> tuple[Memory, Emissions, list[Origin]]:
    """Return the memory that the log leads to, all that it makes a partition say, and which records it rejects."""
    memory = Memory(partition, installation.partitions)
    solutions = _solutions(control)
    made: list[Emissions] = []
    rejected: list[Origin] = []

    def note(emissions: Emissions, messages: list[Message]) -> None:
        made.append(emissions)
        keys = {
            message.offset(): (message.topic() or "", (message.key() or b"")[:_LONGEST_KEY]) for message in messages
        }
        rejected.extend((*keys[it.offset], str(it.offset)) for it in emissions.rejected)

    done = 0
    for message, offset, horizon in _placed_commands(control):
        until = done
        while until < len(observations) and (observations[until].offset() or 0) < offset:
            until += 1
        if until > done:
            memory, emitted = advance(
                _at(memory, None), observation_batch(partition, 0, 0, _raw(observations[done:until]))
            )
            note(emitted, observations[done:until])
            done = until
        horizons = {} if horizon is None else {message.offset() or 0: horizon}
        batch = control_batch(partition, 0, 0, _raw([message]), solutions, horizons=horizons)
        memory, emitted = advance(_at(memory, offset), batch)
        note(emitted, [message])
    memory, emitted = advance(_at(memory, None), observation_batch(partition, 0, 0, _raw(observations[done:])))
    note(emitted, observations[done:])
    joined: dict[str, Any] = {
        name: tuple(it for part in made for it in getattr(part, name)) for name in ("control", "walks")
    }
    return memory, replace(Emissions(), **joined), rejected


def _at(memory: Memory, offset: int | None) -> Memory:
    """Return the memory as a command finds it (`offset`), or with positions that any batch continues."""

    positions: dict[str, int] = {} if offset is None else {"observations": offset}
    return replace(memory, positions=Map(positions))


def _placed_commands(control: list[_Told]) -> Iterator[tuple[Message, int, int | None]]:
    """Yield each command with the offset of the first observation that sees it, and where a pause begins or ends.

    An accepted command says so itself. A refused one changes nothing, so it may stand anywhere behind all that the
    control topic told before its reply, and before all that it told later. So may a pause and a resume: what they tell
    is not where they were read but which observations they are about, none of which was folded by then. What cannot be
    read is rejected wherever it stands.
    """
    own: dict[tuple[str, str], int] = {}  # by experiment and command id, which repeats get no second time
    behind: dict[tuple[str, str], int] = {}
    horizons: dict[tuple[str, str], int] = {}
    reached = 0
    for _, event in control:
        if isinstance(event, events.Paused | events.Resumed):
            key = (event.experiment_id, event.cause or "")
            behind.setdefault(key, reached)
            horizons.setdefault(key, event.offset or 0)
        elif isinstance(event, events.Lifecycle):
            by_observation = getattr(event, "index", None) is not None or bool(getattr(event, "withheld", None))
            reached = max(reached, (event.offset or 0) + by_observation)
            if event.cause is not None:
                own.setdefault((event.experiment_id, event.cause), event.offset or 0)
        elif isinstance(event, events.Reply):
            behind.setdefault((event.experiment_id, event.command_id), reached)
    at = 0
    for message, event in control:
        if isinstance(event, events.Command):
            key = (event.experiment_id, event.id)
            at = max(at, own.get(key, behind.get(key, at)))
            yield message, at, horizons.get(key)
        elif event is None:
            yield message, at, None


def _solutions(control: list[_Told]) -> Any:
    """Return what solves a definition: the thresholds that were published for it, since solving is not judged here."""
    by_id = {event.experiment_id: event for _, event in control if isinstance(event, events.Defined)}

    def solve(definition: dict[str, Any]) -> Solution | Refusal:
        event = by_id.get(definition["id"])
        if event is None:
            return Refusal("unknown", "its definition was never published")
        return Solution(
            event.definition,
            event.design_digest,
            event.definition_digest,
            event.lower,
            event.upper,
            event.certificate,
        )

    return solve


def _parts(experiment: Experiment, memory: Memory) -> tuple[Cold, Hot]:
    """Return what is compared of an experiment: all but the pauses that are over.

    A pause drops those that lie behind the position then, and where a command is read among the observations is the
    worker's own.
    """
    at, pauses = memory.positions.get("observations", 0), experiment.cold.pauses
    ahead = tuple(it for it in pauses if it.end is None or it.end > at)
    return replace(experiment.cold, pauses=ahead), experiment.hot


def _records(memory: Memory) -> Counter[tuple[str, str]]:
    """Return the records that were counted, by experiment and result; the partition's own sum stands for all."""
    counted = Counter({("", result): number for result, number in memory.counts.items()})
    for name, experiment in memory.experiments.items():
        counted.update({(name, result): number for result, number in experiment.hot.all_counts().items()})
    return counted


def _origin(message: Message) -> Origin:
    found = headers(message)
    return found["__sprt.errors.topic"].decode(), message.key() or b"", found["__sprt.errors.offset"].decode()


def _raw(messages: list[Message]) -> list[RawRecord]:
    return [RawRecord(m.offset() or 0, m.timestamp()[1] * 1000, m.key(), m.value()) for m in messages]


def _decode(message: Message) -> Any:
    try:
        return codecs.decode(message.value(), *events.CONTROL)
    except codecs.MalformedError:
        return None


def _of(kind: type[Any], facts: Iterable[object]) -> Counter[bytes]:
    return Counter(msgspec.json.encode(it, order="sorted") for it in facts if isinstance(it, kind))


def _walks(emissions: Emissions) -> list[bytes]:
    return [codecs.encode_avro(point.event()) for point in emissions.walks]


def _compare(partition: int, what: str, found: Iterable[object], truth: Iterable[object]) -> list[str]:
    missing, surplus = Counter(map(repr, truth)), Counter(map(repr, found))
    missing.subtract(surplus)
    off = {value: number for value, number in missing.items() if number}
    return [f"{partition}: {what} differ (+ lost, - surplus): {dict(list(off.items())[:5])}"] if off else []
