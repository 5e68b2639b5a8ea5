"""Laws of `advance` over generated stories: any split, any restart, any replay gives the same."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from experiments import advance
from experiments.batch import Emissions
from experiments.columns import RawRecord, observation_batch
from experiments.memory import Memory
from experiments.replay import Replica, differences
from experiments.rows import Row, load, to_rows
from processors import outgoing
from schemas import codecs, events
from schemas.topics import Topics
from tests.experiments.story import BEGIN, PARTITIONS, Story

MODELS: list[dict[str, Any]] = [
    {"model": {"family": "bernoulli", "h0": {"p": 0.5}, "h1": {"p": 0.7}}},
    {"model": {"family": "normal", "h0": {"mean": 0.0}, "h1": {"mean": 0.7}, "sd": 1.0}},
]


@st.composite
def record(draw: st.DrawFn) -> bytes:
    fields: dict[str, Any] = {
        "experiment_id": draw(st.sampled_from(["rng-bias", "rng-bias", "rng-bias", "nobody"])),
        "values": draw(st.lists(st.sampled_from([0.0, 1.0, 1.0]), min_size=1, max_size=6)),
    }
    if draw(st.booleans()):
        fields |= {"source": draw(st.sampled_from("st")), "sequence": draw(st.integers(0, 12))}
    if draw(st.integers(0, 9)) == 0:
        fields |= {"observed_at": BEGIN + draw(st.sampled_from([0, 9_999_999, 10_000_001, 99_000_000]))}
    if draw(st.integers(0, 19)) == 0:
        fields["values"] = [float("inf")] if draw(st.booleans()) else [7.0, 0.5]
    return json.dumps(fields).encode() if draw(st.integers(0, 19)) else b"junk"


STORY = st.tuples(
    st.sampled_from(MODELS),
    st.sampled_from([{}, {"max_duration": "10s"}, {"max_samples": 9}, {"p_value": 0.01, "max_samples": 50}]),
    st.lists(record(), min_size=1, max_size=40),
    st.lists(st.integers(1, 9), min_size=40, max_size=40),
)


def _begin(model: dict[str, Any], stop: dict[str, Any]) -> Story:
    story = Story()
    story.run(stop=stop, **model)
    return story


def _raw(values: list[bytes]) -> list[RawRecord]:
    return [RawRecord(at, BEGIN + at * 70_000, None, value) for at, value in enumerate(values)]


@settings(max_examples=150, deadline=None)
@given(STORY)
def test_any_split_into_batches_gives_the_same_memory_and_the_same_emissions(told: Any) -> None:
    model, stop, values, sizes = told
    start, records = _begin(model, stop).memory, _raw(values)
    whole, emitted = advance(start, observation_batch(start.partition, 0, len(records), records))
    control: list[Any] = []
    walks: list[Any] = []
    rejected: list[Any] = []
    parts, at = start, 0
    for size in sizes:
        piece = records[at : at + size]
        parts, step = advance(parts, observation_batch(start.partition, at, at + len(piece), piece))
        control += step.control
        walks += step.walks
        rejected += step.rejected
        at += len(piece)

    assert whole == parts
    assert (list(emitted.control), list(emitted.walks), list(emitted.rejected)) == (control, walks, rejected)


@settings(max_examples=80, deadline=None)
@given(STORY)
def test_a_worker_that_loads_its_rows_again_goes_on_as_if_nothing_had_happened(told: Any) -> None:
    model, stop, values, sizes = told
    undisturbed = _begin(model, stop).memory
    rows = to_rows(undisturbed, Emissions(cold=("rng-bias",), hot=("rng-bias",)))
    records, at = _raw(values), 0
    for size in sizes:
        piece = records[at : at + size]
        batch = observation_batch(undisturbed.partition, at, at + len(piece), piece)
        restarted = _restart(undisturbed.partition, rows)
        after, step = advance(restarted, batch)
        undisturbed, _ = advance(undisturbed, batch)
        rows += to_rows(after, step)
        at += len(piece)

    assert undisturbed == _restart(undisturbed.partition, rows)


@settings(max_examples=80, deadline=None)
@given(STORY)
def test_every_hot_row_and_every_point_is_what_its_schema_writes(told: Any) -> None:
    model, stop, values, _ = told
    start = _begin(model, stop).memory
    after, step = advance(start, observation_batch(start.partition, 0, len(values), _raw(values)))
    (hot, _) = to_rows(after, Emissions(hot=("rng-bias",)))
    sent = outgoing.outgoing(Topics(), after, replace(step, rejected=(), forwarded=()), [])

    assert hot[1] == codecs.encode_avro(codecs.decode(hot[1], events.HotRow))
    assert [value for _, value in sent.walks.pairs] == [codecs.encode_avro(it.event()) for it in step.walks]


def _restart(partition: int, rows: list[Row]) -> Memory:
    return load(partition, PARTITIONS, rows)


@settings(max_examples=80, deadline=None)
@given(STORY, st.lists(st.sampled_from(["pause", "resume", "hold", "release", ""]), min_size=40, max_size=40))
def test_a_replica_makes_the_same_decision_however_the_run_ended(told: Any, commands: list[str]) -> None:
    model, stop, values, _ = told
    story = _begin(model, stop)
    for at, value in enumerate(values):
        if commands[at]:
            story.command(commands[at])
        story.records([value])
    story.command("stop", reason="enough")
    story.wait(60)
    facts = [event for event in story.control if isinstance(event, events.Lifecycle)]
    defined, run = facts[0], facts[1:]
    assert isinstance(defined, events.Defined)
    replica = Replica(defined, run)
    records = [RawRecord(at, BEGIN, None, value) for at, value in enumerate(values)]
    for _ in replica.feed(observation_batch(story.partition, 0, len(records), records)):
        pass

    assert differences(story.decision, replica.conclude()) == ()
