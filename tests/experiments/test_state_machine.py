"""Random lives of an installation: commands, observations, the clock and crashes in any order keep every invariant."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from experiments.columns import observation_batch
from experiments.lifecycle import BY_THEMSELVES, Move, commanded
from experiments.replay import Replica, differences
from tests.experiments.auditor import LIFE, run_of
from tests.experiments.world import INPUTS, World

IDS = ("alpha", "beta", "e1")  # e1 and the queue "lab" live on the other partition
_BITS = {"family": "bernoulli", "h0": {"p": 0.5}, "h1": {"p": 0.9}}
_ARMS = {"family": "two_arm_normal", "h0": {"difference": 0.0}, "h1": {"difference": 1.0}, "sd": 1.0}
_QUEUED = {"queue": "lab", "priority": 3}
_STALLS = {"stall_timeout": "8s", "max_samples": 30}

#: Every part of a definition that the manager acts on, in combinations that meet.
DESIGNS: tuple[dict[str, Any], ...] = (
    {"stop": {"max_samples": 12}},
    {"stop": {"max_samples": 12}, "schedule": {"queue": "lab"}},
    {"stop": {"p_value": 0.05, "max_samples": 30, "min_samples": 4}},
    {"stop": {"max_duration": "20s", **_STALLS}, "retry": {"max_attempts": 3, "backoff": "5s"}},
    {"stop": _STALLS, "schedule": _QUEUED, "retry": {"max_attempts": 2, "backoff": "5s"}},
    {"stop": _STALLS, "schedule": {"every": "15s", "max_runs": 4, "overlap": "queue"}},
    {"stop": {"max_duration": "5s"}, "schedule": {"every": "10s", "max_runs": 3, "misfire": "skip", **_QUEUED}},
    {"stop": {"max_samples": 12}, "blinded": True, "health": {"gaps": "hold", "rejected": "hold", "drift": "off"}},
    {"stop": {"max_samples": 12, "at_limit": "sign"}, "schedule": {"start_at": "2026-12-01T09:00:30Z"}},
    {"model": _ARMS, "stop": {"max_samples": 20}, "health": {"sample_ratio": "hold", "gaps": "hold"}},
)
PLAIN = ("start", "pause", "resume", "stop", "cancel", "retry", "hold", "release", "archive", "unblind")


def definition(experiment_id: str, design: int) -> dict[str, Any]:
    errors = {"alpha": 0.05, "beta": 0.1, "thresholds": "wald"}
    return {"id": experiment_id, "model": _BITS, "errors": errors, **DESIGNS[design]}


@st.composite
def observation(draw: st.DrawFn, now: int) -> dict[str, Any]:
    kind = draw(st.integers(0, 19))
    fields: dict[str, Any] = {"values": draw(st.lists(st.sampled_from([0.0, 1.0, 1.0]), min_size=1, max_size=4))}
    if kind < 8:
        fields |= {"source": draw(st.sampled_from("st")), "sequence": draw(st.integers(0, 6))}
    if kind in {8, 9}:
        fields |= {"observed_at": now + draw(st.sampled_from([-30, -1, 4, 6, 60])) * 1_000_000}
    if kind == 10:
        fields["values"] = [7.0]
    if draw(st.integers(0, 9)) > 0:
        fields["arm"] = draw(st.sampled_from("ab"))
    return fields


def _steps(move: Move) -> Iterator[tuple[str, str, str]]:
    state = move.before
    for event in move.told:
        after = move.after if event == "held" else LIFE[event][1] or state or "DEFINED"
        yield state, event, after
        state = after
    assert state == move.after


DOCUMENTED = {step for move in (*commanded(), *BY_THEMSELVES) for step in _steps(move)}


class Installation(RuleBasedStateMachine):
    """Rules are what people, producers, the clock and failures do; the auditor judges after each."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @rule(name=st.sampled_from(IDS), design=st.integers(0, len(DESIGNS) - 1), kind=st.sampled_from(["define", "run"]))
    def define(self, name: str, design: int, kind: str) -> None:
        self.world.send(kind, name, experiment=definition(name, design))

    @rule(name=st.sampled_from(IDS), design=st.integers(0, len(DESIGNS) - 1))
    def run_and_read(self, name: str, design: int) -> None:
        self.world.send("run", name, experiment=definition(name, design))
        self.world.settle()

    @rule(name=st.sampled_from(IDS), kind=st.sampled_from(PLAIN), version=st.sampled_from([None, None, None, 2, 99]))
    def command(self, name: str, kind: str, version: int | None) -> None:
        self.world.send(kind, name, expected_version=version)

    @rule(name=st.sampled_from(IDS), kind=st.sampled_from(["pause", "resume", "hold", "release", "retry"]))
    def command_and_read(self, name: str, kind: str) -> None:
        self.world.settle()
        self.world.send(kind, name)
        self.world.settle()

    @rule(name=st.sampled_from(IDS), kind=st.sampled_from(["start", "stop", "hold"]), once=st.sampled_from("xy"))
    def command_with_a_repeated_id(self, name: str, kind: str, once: str) -> None:
        self.world.send(kind, name, id=once)

    @rule(name=st.sampled_from(IDS), last=st.integers(-1, 6))
    def source_done(self, name: str, last: int) -> None:
        self.world.send("source_done", name, source="s", last_sequence=last)

    @rule(name=st.sampled_from(IDS))
    def source_failed(self, name: str) -> None:
        self.world.send("source_failed", name, message="no such column")

    @rule(data=st.data(), name=st.sampled_from(IDS), size=st.integers(1, 6), astray=st.integers(0, 9))
    def observe(self, data: st.DataObject, name: str, size: int, astray: int) -> None:
        for _ in range(size):
            fields = data.draw(observation(self.world.now))
            value = json.dumps({"experiment_id": name, **fields}).encode()
            self.world.append("observations", name, value, astray if astray < 2 else None)

    @rule(value=st.sampled_from([b"junk", b"", b'{"experiment_id":"nobody","values":[1]}', b'{"type":"stop"}']))
    def junk(self, value: bytes) -> None:
        for topic in ("observations", "control"):
            self.world.append(topic, "alpha", value)

    @rule(limit=st.integers(0, 2))
    def limit(self, limit: int) -> None:
        self.world.append("queues", "lab", json.dumps({"type": "slot_limit", "queue": "lab", "limit": limit}).encode())

    @rule(name=st.sampled_from(IDS))
    def archive(self, name: str) -> None:
        self.world.archive(name)

    @rule(topic=st.sampled_from(INPUTS), partition=st.integers(0, 1), most=st.integers(1, 5), is_lost=st.booleans())
    def read(self, topic: str, partition: int, most: int, is_lost: bool) -> None:
        self.world.read(topic, partition, most, is_lost=is_lost)

    @rule()
    def settle(self) -> None:
        self.world.settle()

    @rule(partition=st.integers(0, 1))
    def crash(self, partition: int) -> None:
        self.world.crash(partition)

    @rule(seconds=st.sampled_from([0, 1, 5, 9, 16, 3600]))
    def tick(self, seconds: float) -> None:
        self.world.wait(seconds)
        for partition in range(2):
            self.world.tick(partition)

    def teardown(self) -> None:
        world = self.world
        world.settle()
        for name in IDS:
            world.send("cancel", name)
        world.settle()
        for partition in range(2):
            world.crash(partition)
        world.settle()
        world.tick(0)
        world.auditor.conclude(world.memories)
        assert world.auditor.steps <= DOCUMENTED
        self._replay()

    def _replay(self) -> None:
        """Let a replica of every run make its own decision from the logs."""
        for decision in self.world.auditor.decided.values():
            defined, run = run_of(self.world.auditor.facts[decision.experiment_id], decision.run)
            partition, begin = run[0].partition, run[0].offset
            records = self.world.observations(partition)[begin:]
            replica = Replica(defined, run)
            for _ in replica.feed(observation_batch(partition, begin, begin + len(records), records)):
                pass
            assert differences(decision, replica.conclude()) == ()


def _live(sequences: int, steps: int) -> None:
    chosen = settings(
        max_examples=sequences,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    run_state_machine_as_test(Installation, settings=chosen)


def test_500_random_lives_keep_every_invariant() -> None:
    _live(500, 20)


@pytest.mark.faults
@pytest.mark.timeout(7200)
def test_10_000_random_lives_keep_every_invariant() -> None:
    _live(10_000, 50)
