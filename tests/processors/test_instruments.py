"""What Prometheus sees follows the committed memory: series of active experiments only, counted facts once."""

import math
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from experiments.advance import advance
from experiments.batch import Batch, Tick
from experiments.columns import RawRecord, control_batch, observation_batch
from experiments.memory import Memory
from experiments.planning import Solution, plan
from experiments.rows import to_rows
from experiments.times import micros
from processors.instruments import Instruments
from processors.outgoing import outgoing
from processors.steps import Done
from schemas import codecs, events
from schemas.topics import Topics
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
        made = outgoing(Topics(), self.memory, emissions, to_rows(self.memory, emissions))
        self.instruments.committed(0, Done(batch, self.memory, emissions, made, 0.0))

    def tick(self, at: int) -> None:
        """Let the clock be read, in microseconds."""
        self._step(Tick(0, at))

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
    """Return the one design of these tests under the definition's own id, with what else it says."""
    is_plain = definition | {"id": "any", "title": "any"} == bernoulli("any")
    solution = _any() if is_plain else plan(definition)
    assert isinstance(solution, Solution)
    return replace(solution, definition=solution.definition | {"id": definition["id"]})


def _run(experiment_id: str, **sections: Any) -> events.Run:
    return events.Run(id="r", experiment_id=experiment_id, experiment=bernoulli(experiment_id) | sections)


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


def test_threads_of_several_partitions_give_theirs_up_at_once() -> None:
    instruments = Committed().instruments

    def end_again_and_again(partition: int) -> None:
        for _ in range(200):
            for topic in range(50):
                instruments.lags(f"topic-{topic}", partition, 1)
            instruments.gave_up(partition)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor() as threads:
            assert list(threads.map(end_again_and_again, range(4))) == [None] * 4
    finally:
        sys.setswitchinterval(interval)


def test_at_most_five_hundred_experiments_have_series_and_the_rest_is_counted_once(committed: Committed) -> None:
    committed.commands(*[run_command(f"e{number}") for number in range(510)])
    assert [committed.series() for _ in range(2)] == [500, 500]
    assert committed.value("sprt_series_dropped_total") == 10


def test_what_cannot_be_applied_is_counted_by_reason(committed: Committed) -> None:
    committed.observe("nobody", 1.0, 1.0)
    assert committed.value("sprt_rejected_total", reason="unknown_experiment") == 2
    assert committed.value("sprt_observations_total", result="rejected") == 2


def test_series_go_at_once_when_the_partition_is_revoked_and_come_back_if_it_stays(committed: Committed) -> None:
    committed.commands(run_command("e"))
    committed.instruments.revoked(0)
    assert (committed.series(), committed.value("sprt_partitions_owned")) == (0, 0)
    committed.instruments.stays(0)
    assert (committed.series(), committed.value("sprt_partitions_owned")) == (1, 1)


def test_a_blinded_run_shows_how_far_it_is_and_nothing_of_where_it_leans(committed: Committed) -> None:
    committed.commands(_run("e", blinded=True))
    committed.observe("e", 1.0, 0.0, 1.0)
    assert committed.value("sprt_samples", experiment_id="e") == 3
    for name in ("sprt_llr", "sprt_p_value", "sprt_estimate"):
        assert committed.value(name, experiment_id="e") is None
    committed.observe("e", *[1.0] * 60)
    assert committed.value("sprt_llr", experiment_id="e") is not None


def test_the_line_of_the_p_rule_is_the_upper_boundary(committed: Committed) -> None:
    committed.commands(run_command("e", p_value=0.005, max_samples=500))
    assert committed.value("sprt_boundary", experiment_id="e", side="upper") == pytest.approx(math.log(200))
    assert committed.value("sprt_max_samples", experiment_id="e") == 500


def test_the_size_of_a_run_is_compared_with_what_its_design_expects(committed: Committed) -> None:
    committed.commands(run_command("e"))
    expected = committed.value("sprt_expected_samples", experiment_id="e", hypothesis="h1")
    committed.observe("e", *[1.0] * 60)
    n = committed.value("sprt_samples", experiment_id="e")
    assert expected is not None
    assert n is not None
    assert committed.value("sprt_decision_asn_ratio_sum") == pytest.approx(n / expected)
    assert committed.value("sprt_decision_asn_ratio_count") == 1


@pytest.mark.parametrize(("misfire", "state"), [("run_once", "RUNNING"), ("skip", "DEFINED")])
def test_a_firing_that_came_over_a_minute_late_or_was_skipped_is_a_missed_one(
    committed: Committed, misfire: str, state: str
) -> None:
    schedule = {"start_at": "2026-03-01T12:00:00Z", "misfire": misfire}
    definition = bernoulli("e") | {"schedule": schedule}
    committed.commands(events.Define(id="d", experiment_id="e", experiment=definition))
    due = micros(datetime(2026, 3, 1, 12, tzinfo=UTC))
    committed.tick(due - 1)
    assert committed.value("sprt_schedule_missed_total") == 0
    committed.tick(due + 61_000_000)
    assert committed.value("sprt_schedule_missed_total") == 1
    assert committed.value("sprt_experiments", state=state) == 1


def test_a_firing_in_time_is_not_missed(committed: Committed) -> None:
    definition = bernoulli("e") | {"schedule": {"start_at": "2026-03-01T12:00:00Z"}}
    committed.commands(events.Define(id="d", experiment_id="e", experiment=definition))
    committed.tick(micros(datetime(2026, 3, 1, 12, tzinfo=UTC)) + 1_000_000)
    assert committed.value("sprt_schedule_missed_total") == 0
    assert committed.value("sprt_experiments", state="RUNNING") == 1


def test_rows_of_the_state_topic_are_counted_by_what_they_hold(committed: Committed) -> None:
    committed.commands(run_command("e"))
    committed.observe("e", 1.0)
    rows = {row: committed.value("sprt_state_rows_total", row=row) for row in ("cold", "hot", "queue", "position")}
    assert rows == {"cold": 1, "hot": 2, "queue": 0, "position": 2}
    assert (committed.value("sprt_state_bytes_total") or 0) > 500


def test_states_follow_every_step_without_another_look_at_all_experiments(committed: Committed) -> None:
    committed.commands(*[run_command(f"e{number}") for number in range(3)])
    committed.observe("e0", *[1.0] * 60)
    committed.commands(events.Pause(id="p", experiment_id="e1"), events.Stop(id="s", experiment_id="e2"))
    found = {state: committed.value("sprt_experiments", state=state) for state in ("RUNNING", "PAUSED", "DECIDED")}
    assert found == {"RUNNING": 0, "PAUSED": 1, "DECIDED": 2}
    assert committed.value("sprt_running", experiment_id="e1") == 0
