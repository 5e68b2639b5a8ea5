"""A worker killed under load, at random, at every named point of a step, and again while it recovers."""

import random
import signal
import time
from collections.abc import Callable

import pytest

from tests.faults.scene import REPEATS, Scene, kill

pytestmark = [pytest.mark.stack, pytest.mark.faults, pytest.mark.timeout(1200)]

POINTS = ("during_takeover", "before_first_commit", "before_send", "after_send", "before_commit", "after_commit")
Scenes = Callable[..., Scene]


@pytest.mark.parametrize("pace", [0.0, 0.05, 1.0])
def test_without_a_fault_the_committed_facts_equal_the_replay(scene: Scenes, pace: float) -> None:
    play = scene(f"1 no fault, fetches {pace:g} s apart", seed=1, pace_seconds=pace)
    with play.running():
        worker = play.start()
        play.grown(4_000)
    play.must_be_exact(1, worker)


def test_kills_at_random_moments_change_nothing(scene: Scenes) -> None:
    moments = random.Random(2)
    play = scene("2 worker killed at a random moment", seed=2)
    with play.running():
        for _ in range(REPEATS):
            worker = play.start()
            play.grown(100)
            time.sleep(moments.uniform(0.0, 0.3))  # the fault's own moment, not a wait for anything
            kill(worker)
    play.must_be_exact(REPEATS)


@pytest.mark.parametrize("point", POINTS)
def test_kills_at_a_named_point_change_nothing(scene: Scenes, point: str) -> None:
    times = random.Random(3)
    play = scene(f"2 worker killed {point.replace('_', ' ')}", seed=3)
    is_once = point in ("during_takeover", "before_first_commit")
    with play.running():
        for _ in range(REPEATS):
            worker = play.start(kill=[point, 1 if is_once else times.randint(1, 8)])
            assert worker.wait(60) == -signal.SIGKILL, worker.words()
    play.must_be_exact(REPEATS)


def test_kills_during_the_recovery_from_a_kill_change_nothing(scene: Scenes) -> None:
    play = scene("3 worker killed, and its successor while it recovers", seed=4)
    with play.running():
        for repeat in range(REPEATS):
            worker = play.start()
            play.grown(50)
            kill(worker)
            point = ("during_takeover", "before_first_commit")[repeat % 2]
            assert play.start(kill=[point, 1]).wait(60) == -signal.SIGKILL
    play.must_be_exact(2 * REPEATS)


def test_a_storm_of_restarts_changes_nothing(scene: Scenes) -> None:
    moments = random.Random(5)
    play = scene("3 storm of restarts: killed again and again, wherever it stands", seed=5)
    with play.running():
        for _ in range(REPEATS):
            worker = play.start()
            time.sleep(moments.uniform(0.0, 2.0))  # the storm's own rhythm
            kill(worker)
    play.must_be_exact(REPEATS)


def test_ends_in_good_order_with_everything_sent_and_nothing_committed_change_nothing(scene: Scenes) -> None:
    times = random.Random(6)
    play = scene("4 worker told to end between send and commit", seed=6, pace_seconds=0.0)
    with play.running():
        for _ in range(REPEATS):
            worker = play.start(kill=["after_send", times.randint(1, 20), "SIGTERM"])
            assert worker.wait(60) == 0, worker.words()
    play.must_be_exact(REPEATS)


def test_kills_around_the_commit_of_a_decision_leave_one_decision(scene: Scenes) -> None:
    play = scene("15 worker killed right before or after it commits a decision", seed=7, load={"experiments": 60})
    with play.running():
        for _ in range(REPEATS):
            worker = play.start(prepare=["tests.faults.bending:killed_before_a_decision"])
            assert worker.wait(120) == -signal.SIGKILL, worker.words()
    play.must_be_exact(REPEATS)
