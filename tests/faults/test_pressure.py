"""Time that jumps, an agent that is slow or forgets, one experiment with nearly everything, very many, a long while."""

import time
from collections.abc import Callable

import psutil
import pytest

from tests.faults.ground import Ground
from tests.faults.scene import REPEATS, Scene, Supervised, kill, one_in, stop

pytestmark = [pytest.mark.stack, pytest.mark.faults, pytest.mark.timeout(900)]

Scenes = Callable[..., Scene]
_MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("bent", "name", "amount"),
    [
        ("with_a_jumping_clock", "17 clock of the worker jumps by up to a day, worker killed", 300),
        ("losing_requests", "17 steps lost on the way to the agent, worker killed", 200),
    ],
)
def test_a_worker_bent_and_killed_changes_nothing(scene: Scenes, bent: str, name: str, amount: int) -> None:
    play = scene(name, seed=61, prepare=[f"tests.faults.bending:{bent}"])
    play.must_outlive_kills(amount)


def test_an_agent_slower_than_the_group_allows_changes_nothing(scene: Scenes) -> None:
    play = scene("17 agent holds the loop for longer than the session", seed=62, load={"rate": 300}, instance_id=None)
    with play.running():
        slow, other = Supervised(play, prepare=["tests.faults.bending:with_a_slow_agent"]), Supervised(play)
        for _ in range(one_in(4)):
            play.grown(400, lambda: (slow.look(), other.look()))
        slow.look().process.terminate()
        slow.worker.wait(30)
    play.must_be_exact(one_in(4), other.look())


def test_a_batch_lost_between_reader_and_step_ends_the_worker_and_changes_nothing(scene: Scenes) -> None:
    play = scene("17 batches lost behind the reader: the chain of positions tells", seed=63)
    with play.running():
        supervised = Supervised(play, prepare=["tests.faults.bending:losing_batches"])
        while supervised.restarts < REPEATS:
            play.grown(50, supervised.look)
        kill(supervised.worker)
    play.must_be_exact(supervised.restarts)


def test_one_experiment_with_nearly_all_records_changes_nothing(scene: Scenes) -> None:
    load = {"hot": 0.99, "rate": 1500, "commands": 0.5}
    play = scene("18 one experiment gets 99 % of the records, worker killed", seed=64, load=load)
    play.must_outlive_kills(300)


@pytest.mark.timeout(2400)
def test_very_many_experiments_change_nothing(ground: Ground, scene: Scenes) -> None:
    experiments = 100_000 if ground.number == 1 else 10_000  # what they cost is the worker's, whatever it stands on
    play = scene(
        f"18 {experiments} experiments, worker killed", seed=65, load={"experiments": experiments, "rate": 1500}
    )
    play.must_outlive_kills(1000, one_in(4))


def test_a_soak_changes_nothing_and_needs_no_more_memory_with_time(scene: Scenes) -> None:
    play = scene("18 soak: three seconds a repeat without a fault, memory watched", seed=66, load={"rate": 1500})
    with play.running():
        worker = play.start()
        resident: list[int] = []
        ends = time.monotonic() + 3 * REPEATS  # the soak's own length
        while time.monotonic() < ends:
            play.grown(1000)
            resident.append(psutil.Process(worker.pid).memory_info().rss)
        stop(worker)
    half = len(resident) // 2
    assert max(resident[half:]) < max(resident[:half]) + 32 * _MIB, resident
    play.must_be_exact(REPEATS)
