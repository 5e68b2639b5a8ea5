"""What Prometheus sees follows the committed memory: series of active experiments only, counted facts once."""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from experiments.advance import advance
from experiments.batch import Batch
from experiments.columns import RawRecord, control_batch, observation_batch
from experiments.memory import Memory
from experiments.planning import Solution, plan
from processors.instruments import Instruments
from processors.steps import Done
from schemas import codecs, events
from tests.processors.installation import bernoulli, run_command


class Committed:
    """A partition whose steps are computed as in the worker, and the instruments that watch it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.registry = CollectorRegistry()
        self.instruments = Instruments(self.registry, 4, lambda: self.now)
        self.memory = Memory(0, 1)
        self.instruments.took_over(0, self.memory, 0.5)

    def commands(self, *commands: events.Command) -> None:
        first = self.memory.positions.get("control", 0)
        raw = [RawRecord(first + it, 0, None, codecs.encode_json(command)) for it, command in enumerate(commands)]
        self._step(control_batch(0, first, first + len(raw), raw, _solved))

    def observe(self, experiment_id: str, *values: float) -> None:
        first = self.memory.positions.get("observations", 0)
        made = [events.Observation(experiment_id=experiment_id, values=[value]) for value in values]
        raw = [RawRecord(first + it, 0, None, codecs.encode_avro(event)) for it, event in enumerate(made)]
        self._step(observation_batch(0, first, first + len(raw), raw))

    def _step(self, batch: Batch) -> None:
        self.memory, emissions = advance(self.memory, batch)
        self.instruments.committed(0, Done(batch, self.memory, emissions, [], 0.0))

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    def series(self) -> int:
        (family,) = [it for it in self.registry.collect() if it.name == "sprt_samples"]
        return len(family.samples)


@cache
def _any() -> Solution:
    solution = plan(bernoulli("any"))
    assert isinstance(solution, Solution)
    return solution


def _solved(definition: dict[str, Any]) -> Solution:
    """Return the one design of these tests under the definition's own id."""
    return replace(_any(), definition=_any().definition | {"id": definition["id"]})


@pytest.fixture
def committed() -> Committed:
    return Committed()


def test_a_running_experiment_shows_its_walk_and_its_boundaries(committed: Committed) -> None:
    committed.commands(run_command("e"))
    committed.observe("e", 1.0, 0.0, 1.0)
    assert committed.value("sprt_samples", experiment_id="e") == 3
    assert committed.value("sprt_estimate", experiment_id="e") == pytest.approx(2 / 3)
    assert committed.value("sprt_boundary", experiment_id="e", side="upper") == pytest.approx(4.595, abs=1e-3)
    assert committed.value("sprt_experiments", state="RUNNING") == 1
    assert committed.value("sprt_observations_total", result="applied") == 3


def test_series_go_a_minute_after_the_decision(committed: Committed) -> None:
    committed.commands(run_command("e"))
    committed.observe("e", *[1.0] * 60)
    assert committed.value("sprt_decisions_total", outcome="accept_h1", reason="boundary_upper") == 1
    committed.now = 59.0
    assert committed.series() == 1
    committed.now = 61.0
    assert committed.series() == 0
    assert committed.value("sprt_experiments", state="DECIDED") == 1


def test_series_go_at_once_when_the_partition_goes(committed: Committed) -> None:
    committed.commands(run_command("e"))
    committed.instruments.lags("t.observations", 0, 5)
    assert committed.value("sprt_consumer_lag_records", topic="t.observations", partition="0") == 5
    committed.instruments.gave_up(0)
    assert committed.series() == 0
    assert committed.value("sprt_experiments", state="RUNNING") == 0
    assert committed.value("sprt_consumer_lag_records", topic="t.observations", partition="0") is None


def test_at_most_five_hundred_experiments_have_series_and_the_rest_is_counted_once(committed: Committed) -> None:
    committed.commands(*[run_command(f"e{number}") for number in range(510)])
    assert [committed.series() for _ in range(2)] == [500, 500]
    assert committed.value("sprt_series_dropped_total") == 10


def test_what_cannot_be_applied_is_counted_by_reason(committed: Committed) -> None:
    committed.observe("nobody", 1.0, 1.0)
    assert committed.value("sprt_rejected_total", reason="unknown_experiment") == 2
    assert committed.value("sprt_observations_total", result="rejected") == 2
