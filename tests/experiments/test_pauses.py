"""A pause is where it lies in time, however far the worker had read when it was told: an outage changes nothing."""

import json
from typing import Any

import pytest

from experiments.batch import Batch, Emissions
from experiments.columns import observation_batch
from experiments.published import Point
from experiments.replay import Replica, differences
from experiments.times import micros
from schemas import events
from tests.experiments.auditor import run_of
from tests.experiments.world import World

_BITS = {"family": "bernoulli", "h0": {"p": 0.5}, "h1": {"p": 0.6}}


class Lab(World):
    """One experiment on its partition, whose owner reads nothing until the test says so."""

    def __init__(self, **stop: Any) -> None:
        super().__init__(partitions=1)
        self.points: list[Point] = []
        errors = {"alpha": 0.01, "beta": 0.05, "thresholds": "wald"}
        self.send("run", "lab", experiment={"id": "lab", "model": _BITS, "errors": errors, "stop": stop})
        self.settle()

    def _publish(self, partition: int, emissions: Emissions, batch: Batch) -> None:
        self.points += emissions.walks
        super()._publish(partition, emissions, batch)

    def _has_strangers(self, partition: int) -> bool:
        return partition < 0  # what is read first is the choice of the test

    def send(self, kind: str, experiment_id: str, **fields: Any) -> None:
        self.wait(0.01)
        super().send(kind, experiment_id, **fields)
        self.wait(0.01)

    def observe(self, *values: float, **fields: Any) -> None:
        for value in values:
            super().append("observations", "lab", _raw(value, **fields))

    def counts(self) -> dict[str, int]:
        return dict(self.memories[0].experiments["lab"].hot.counts)

    def decision(self) -> events.Decision:
        """Return the run's decision, of which a replica of the log must think the same."""
        decision = self.auditor.decided["lab/1"]
        defined, run = run_of(self.auditor.facts["lab"], 1)
        begin = run[0].offset
        records = self.observations(0)[begin:]
        replica = Replica(defined, run)
        for _ in replica.feed(observation_batch(0, begin, begin + len(records), records)):
            pass
        assert differences(decision, replica.conclude()) == ()
        return decision


def _raw(value: float, **fields: Any) -> bytes:
    return json.dumps({"experiment_id": "lab", "values": [value], **fields}).encode()


def test_pauses_that_lie_in_a_backlog_leave_out_what_came_in_between() -> None:
    lab = Lab()
    lab.observe(1.0, 1.0)
    lab.send("pause", "lab")
    lab.observe(0.0, 0.0, 0.0)
    lab.send("resume", "lab")
    lab.observe(1.0)
    lab.send("pause", "lab")
    lab.observe(0.0)
    lab.send("resume", "lab")
    lab.observe(*[1.0] * 40)
    lab.read("control", 0)  # all of the commands before any of the observations
    lab.read("observations", 0)

    assert lab.decision().n == 25
    assert lab.counts() == {"applied": 25, "while_paused": 4, "after_stop": 18}


def test_observations_from_before_a_pause_may_still_decide_in_it() -> None:
    lab = Lab()
    lab.observe(*[1.0] * 40)
    lab.send("pause", "lab")
    lab.observe(0.0)
    lab.read("control", 0)
    lab.read("observations", 0)

    assert (lab.decision().reason, lab.decision().n) == ("boundary_upper", 25)


def test_a_stop_by_hand_in_a_pause_that_lies_ahead_is_where_the_worker_was() -> None:
    lab = Lab()
    lab.observe(*[1.0] * 10)
    lab.send("pause", "lab")
    lab.send("stop", "lab")
    lab.read("observations", 0, 4)
    lab.read("control", 0)
    lab.read("observations", 0)

    assert (lab.decision().reason, lab.decision().n) == ("manual", 4)


def test_what_was_observed_before_a_pause_has_the_deadline_from_before_it() -> None:
    lab = Lab(max_duration="10s")
    late = lab.now + 12_000_000
    lab.wait(9)
    lab.observe(1.0, observed_at=late)
    lab.send("pause", "lab")
    lab.wait(60)
    lab.send("resume", "lab")
    lab.observe(1.0, observed_at=late)
    lab.read("control", 0)
    lab.read("observations", 0)

    decision = lab.decision()
    started = lab.auditor.facts["lab"][1]
    assert isinstance(started, events.Started)
    assert started.deadline is not None
    assert late > micros(started.deadline)
    assert (decision.reason, decision.n) == ("timeout", 0)


@pytest.mark.parametrize("read_before", [150, 300, 400])
def test_where_a_worker_was_when_a_pause_was_told_changes_no_point_and_no_clock(read_before: int) -> None:
    told = []
    for before in (0, read_before):
        lab = Lab(max_samples=100_000, p_value=1e-12, boundaries="none", stall_timeout="1h")
        for _ in range(200):
            lab.observe(1.0, 0.0)
            lab.wait(0.004)
        lab.send("pause", "lab")
        lab.observe(0.0)
        lab.send("resume", "lab")
        for _ in range(100):
            lab.observe(1.0, 0.0)
            lab.wait(0.004)
        lab.read("observations", 0, before)
        lab.read("control", 0)
        lab.read("observations", 0)
        told.append((lab.points, lab.memories[0].experiments["lab"].hot))

    assert told[0] == told[1]
