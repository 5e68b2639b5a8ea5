"""Folding quiet experiments at once says what folding record by record says, to the bit."""

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments import advance, facts
from experiments.columns import RawRecord, observation_batch
from experiments.definition import parse
from experiments.evolve import evolve
from experiments.experiment import LATE, Experiment, Pause, Share
from experiments.facts import Moment
from experiments.ledger import Experiments
from experiments.memory import Memory
from experiments.planning import solve
from experiments.rows import to_rows
from experiments.times import moment
from schemas import codecs, events
from tests.experiments.story import BEGIN

NOW = Moment(moment(BEGIN), 0, 0)
BERNOULLI = {"family": "bernoulli", "h0": {"p": 0.5}, "h1": {"p": 0.52}}
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "plain": (BERNOULLI, {}, {}),
    "watched": (BERNOULLI, {}, {"drift": "warn", "homogeneity": "warn", "late": "warn"}),
    "halted": (BERNOULLI, {}, {}),
    "limited": (BERNOULLI, {"max_samples": 260, "max_duration": "20s"}, {}),
    "short": (BERNOULLI, {"max_samples": 100}, {}),
    "p-rule": (BERNOULLI, {"p_value": 0.01, "max_samples": 900}, {}),
    "two-sided": (BERNOULLI | {"alternative": "two_sided"}, {"max_samples": 900}, {}),
    "poisson": ({"family": "poisson", "h0": {"rate": 0.5}, "h1": {"rate": 0.55}}, {}, {}),
    "normal": ({"family": "normal", "h0": {"mean": 0.0}, "h1": {"mean": 0.1}, "sd": 1.0}, {}, {}),
}


def running(kind: str) -> Experiment:
    """An experiment of the kind that has just started."""
    model, stop, health = KINDS[kind]
    given = {
        "id": kind,
        "model": model,
        "errors": {"alpha": 0.01, "beta": 0.01, "thresholds": "wald"},
        "stop": stop,
        "health": health,
    }
    experiment = evolve(None, facts.defined(None, kind, solve(parse(given)), NOW))
    experiment, _ = facts.follow(experiment, facts.opened(NOW))
    pauses = (Pause(20, 30, None), Pause(45, 60, None)) if kind == "halted" else ()
    return replace(experiment, cold=replace(experiment.cold, pauses=pauses))


@cache
def begun(observations: int) -> Memory:
    """Every kind with so many observations."""
    memory = Memory(0, 1, experiments=Experiments.of({kind: running(kind) for kind in KINDS}))
    if not observations:
        return memory
    values = ([0.0, 1.0] * 60)[:observations]
    first = [RawRecord(at, BEGIN, None, _record(kind, values, source="s", sequence=0)) for at, kind in enumerate(KINDS)]
    return advance(memory, observation_batch(0, 0, len(first), first))[0]


def _record(experiment_id: str, values: list[float], **fields: Any) -> bytes:
    return codecs.encode_avro(events.Observation(experiment_id=experiment_id, values=values, **fields))


def records(seed: int, oddities: float, step: int) -> list[RawRecord]:
    """Records of all kinds of experiments, mostly ordinary, some odd in one way or another."""
    rng = np.random.default_rng(seed)
    made: list[RawRecord] = []
    sequences: dict[str, int] = defaultdict(int)
    at = BEGIN
    for offset in range(len(KINDS), len(KINDS) + int(rng.integers(8, 90))):
        kind = str(rng.choice(list(KINDS)))
        values = rng.integers(0, 2, int(rng.choice([1, 1, 3]))).astype(float).tolist()
        sequences[kind] += 1
        fields: dict[str, Any] = {"source": "s", "sequence": sequences[kind]}
        at += int(rng.integers(0, step))
        if rng.random() < oddities:
            odd = rng.integers(0, 9)
            if odd == 0:
                fields["sequence"] -= int(rng.integers(0, 4))
            elif odd == 1:
                fields["sequence"] += 1
            elif odd == 2:
                fields = {"source": "other", "sequence": int(rng.integers(0, 3))}
            elif odd == 3:
                fields = {}
            elif odd == 4:
                values = [float(rng.choice([-1.0, 0.5, np.inf, np.nan, 1e300, 3e9, -0.0]))]
            elif odd == 5:
                fields["observed_at"] = at + int(rng.choice([-61_000_000, -1_000_000, 4_000_000, 6_000_000]))
            elif odd == 6:
                at -= 300_000
            elif odd == 7:
                kind = "nobody"
            else:
                fields["sequence"] = None
        made.append(RawRecord(offset, at, None, _record(kind, values, **fields)))
    return made


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([0, 94, 120]),
    st.integers(0, 2**32),
    st.sampled_from([0.0, 0.002, 0.05]),
    st.sampled_from([1_000, 100_000, 2_000_000]),
    st.lists(st.integers(1, 7), min_size=1),
)
def test_many_records_at_once_are_what_they_are_in_small_batches(
    observations: int, seed: int, oddities: float, step: int, sizes: list[int]
) -> None:
    memory = begun(observations)
    given = records(seed, oddities, step)
    end = len(KINDS) + len(given)
    whole, emitted = advance(memory, observation_batch(0, len(KINDS), end, given))
    parts, at, number = memory, 0, 0
    walks: dict[str, list[Any]] = defaultdict(list)
    control: dict[str, list[Any]] = defaultdict(list)
    results: list[int] = []
    while at < len(given):
        piece = given[at : at + sizes[number % len(sizes)]]
        first = len(KINDS) + at
        parts, told = advance(parts, observation_batch(0, first, first + len(piece), piece))
        for point in told.walks:
            walks[point.experiment_id].append(point)
        for event in told.control:
            control[event.experiment_id].append(event)
        results += told.results.tolist()
        at, number = at + len(piece), number + 1

    changed = [kind for kind in KINDS if parts.experiments[kind] != whole.experiments[kind]]
    assert changed == []
    assert results == emitted.results.tolist()
    assert walks == _by_experiment(emitted.walks)
    assert control == _by_experiment(emitted.control)
    assert to_rows(parts, replace(emitted, cold=tuple(KINDS))) == to_rows(whole, replace(emitted, cold=tuple(KINDS)))


def _by_experiment(told: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for event in told:
        found[event.experiment_id].append(event)
    return found


@pytest.mark.parametrize("observations", [0, 120])
def test_most_of_an_ordinary_batch_is_quiet(observations: int) -> None:
    from experiments.advance import _by_experiment as by_experiment
    from experiments.quiet import fold_quiet

    given = records(7, 0.0, 1_000)
    batch = observation_batch(0, len(KINDS), len(KINDS) + len(given), given)
    experiments = begun(observations).experiments
    entries = experiments.entries(batch.experiment_ids)
    quiet = fold_quiet(experiments, entries, batch, *by_experiment(batch))

    assert {"plain", "watched", "p-rule", "poisson"} <= {batch.experiment_ids[code] for code in quiet.codes}


def test_all_records_of_a_run_that_has_ended_are_counted_at_once() -> None:
    from experiments.ended import count_ended

    given = records(7, 0.05, 1_000)
    batch = observation_batch(0, len(KINDS), len(KINDS) + len(given), given)
    experiments, sizes = begun(120).experiments, np.bincount(batch.experiment)
    ended = count_ended(experiments, experiments.entries(batch.experiment_ids), sizes)

    assert [batch.experiment_ids[code] for code in ended.codes] == ["short"]
    assert dict(ended.experiments["short"].hot.counts) == {"applied": 1, "after_stop": sizes[ended.codes[0]]}


def test_records_that_come_late_are_counted_as_such_in_an_ordinary_batch() -> None:
    made = BEGIN + 1_000_000
    given = [
        RawRecord(len(KINDS) + at, made, None, _record("watched", [1.0], source="s", sequence=1 + at, observed_at=made))
        for at in range(9)
    ]
    late = _record("watched", [1.0], source="s", sequence=10, observed_at=made - 61_000_000)
    given.append(RawRecord(len(KINDS) + 9, made, None, late))

    after, _ = advance(begun(120), observation_batch(0, len(KINDS), len(KINDS) + 10, given))

    assert after.experiments["watched"].hot.shares[LATE] == Share(1, 0.0)


def test_the_clock_of_a_stall_never_goes_back_with_the_brokers_clock() -> None:
    memory = Memory(0, 1, experiments=Experiments.of({"plain": running("plain")}))
    late = BEGIN + round(timedelta(seconds=5) / timedelta(microseconds=1))
    given = [RawRecord(0, late, None, _record("plain", [1.0])), RawRecord(1, BEGIN + 1, None, _record("plain", [1.0]))]

    after, _ = advance(memory, observation_batch(0, 0, 2, given))

    assert late == after.experiments["plain"].hot.last_applied
