"""What a stranger waits for, step by step."""

from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any, cast

from processors.barrier import Barrier
from processors.config import WorkerConfig
from processors.inputs import Fetched
from processors.steps import AtBarrier, Done, Observations, compute
from schemas import codecs, events
from schemas.topics import Topics
from tests.experiments.story import Story


class Log:
    """Where control ends, and how far the owners of its partitions have come: both move as a test says."""

    def __init__(self, ends: dict[int, int]) -> None:
        self.at, self.reached = ends, dict.fromkeys(ends, 0)

    def ends(self, _: str, partitions: Iterable[int]) -> dict[int, int]:
        return {it: self.at[it] for it in partitions}

    def behind(self, ends: Mapping[int, int]) -> dict[int, int]:
        return {it: self.reached[it] for it, end in ends.items() if self.reached[it] < end}


def test_a_command_sent_on_by_another_partition_is_waited_for_here_too() -> None:
    log = Log({0: 5, 1: 8})
    config = WorkerConfig(kafka={}, partitions=2)
    barrier = Barrier(0, config, cast("Any", log), cast("Any", log))
    barrier.close(AtBarrier(Observations(Fetched("observations", 0, 1, [])), is_everywhere=True))
    assert barrier.open(5, lambda _: True) is None  # the other one has not come so far
    log.at[0], log.reached[1] = 6, 8  # now it has, and has sent a command here
    assert barrier.open(5, lambda _: True) is None
    assert barrier.open(5, lambda _: True) is None
    assert barrier.open(6, lambda _: True) is not None


def test_where_own_control_ended_is_asked_of_the_cluster_only_if_it_is_not_known_or_commands_may_be_elsewhere() -> None:
    log = Log({0: 8, 1: 8})
    barrier = Barrier(0, WorkerConfig(kafka={}, partitions=2), cast("Any", log), cast("Any", log))

    def opens(control: int, *, is_everywhere: bool, own_end: int | None) -> bool:
        step = Observations(Fetched("observations", 0, 1, []))
        barrier.close(AtBarrier(step, is_everywhere=is_everywhere), own_end)
        return barrier.open(control, lambda _: True) is not None

    assert not opens(4, is_everywhere=False, own_end=5)
    assert opens(5, is_everywhere=False, own_end=5)
    assert not opens(5, is_everywhere=False, own_end=None)
    assert not opens(5, is_everywhere=True, own_end=5)
    assert opens(8, is_everywhere=False, own_end=None)


def test_what_has_waited_for_its_own_control_is_computed_at_once_unless_it_may_have_been_started_elsewhere() -> None:
    story = Story()
    story.run(stop={"max_samples": 1})
    story.observe(1.0)
    known, unknown = ("rng-bias", "nobody")

    def outcome(experiment_id: str, *, has_waited: bool) -> Done | AtBarrier:
        value = codecs.encode_json(events.Observation(experiment_id=experiment_id, values=[1.0]))
        message = SimpleNamespace(offset=1, timestamp=0, key=None, value=value, headers=[])
        fetched = Fetched("observations", 1, 2, [message])
        return compute(Topics(), story.memory, Observations(fetched, has_waited=has_waited))

    assert isinstance(outcome(known, has_waited=False), AtBarrier)
    assert isinstance(outcome(known, has_waited=True), Done)
    assert isinstance(outcome(unknown, has_waited=True), AtBarrier)
