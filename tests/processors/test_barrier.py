"""What a stranger waits for, step by step."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from processors.barrier import Barrier
from processors.config import WorkerConfig
from processors.inputs import Fetched
from processors.steps import AtBarrier, Observations


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
