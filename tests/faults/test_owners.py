"""Owners that change: workers that come, go, freeze and wake; the count stays exact."""

import json
import random
import signal
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from processors.failing import EXIT_CODE
from tests.faults.scene import REPEATS, Scene, Supervised, kill, one_in, stop
from tests.processors.installation import Worker, until

pytestmark = [pytest.mark.stack, pytest.mark.faults, pytest.mark.timeout(1200)]

Scenes = Callable[..., Scene]


def assigned(worker: Worker) -> list[list[int]]:
    """Return the partitions that the worker was assigned, each time."""
    news = [json.loads(line) for line in worker.words().splitlines() if line.startswith("{")]
    return [it["partitions"] for it in news if it["event"] == "partitions_assigned"]


def until_shared(workers: list[Worker], partitions: int) -> None:
    """Return once all of the workers are in the group, and each partition is one's.

    A worker may be left without any: nobody who has no more than a fair share, rounded up, gives one away.
    """

    def shared() -> list[bool]:
        found = [assigned(it) for it in workers]
        owned = sorted(partition for them in found if them for partition in them[-1])
        return [True] if all(found) and owned == list(range(partitions)) else []

    until(shared, 120)


def until_frozen(worker: Worker) -> None:
    """Return once the process has stopped itself."""
    until(lambda: [True] if psutil.Process(worker.pid).status() == psutil.STATUS_STOPPED else [])


def frozen_owners(play: Scene, repeats: int) -> None:
    """Freeze the owner inside a step, let a successor go on, wake it: it must find itself fenced."""
    lots = random.Random(11)
    with play.running():
        for _ in range(repeats):
            point = lots.choice(("before_send", "after_send", "before_commit", "after_commit"))
            zombie = play.start(kill=[point, lots.randint(2, 8), "SIGSTOP"])
            until_frozen(zombie)
            successor = Supervised(play)
            play.grown(50, successor.look)
            zombie.signal(signal.SIGCONT)
            assert zombie.wait(60) == EXIT_CODE, zombie.words()
            # If it woke inside the take-over of its other partition, it has fenced its successor there before it ended.
            play.grown(50, successor.look)
            kill(successor.worker)


def woken_in_the_takeover(play: Scene, repeats: int, **options: object) -> None:
    """Freeze the owner before it sends, and its successor in the take-over; the owner wakes first."""
    lots = random.Random(12)
    with play.running():
        for _ in range(repeats):
            zombie = play.start(kill=["before_send", lots.randint(2, 8), "SIGSTOP"])
            until_frozen(zombie)
            successor = play.start(**{"kill": ["during_takeover", 1, "SIGSTOP"], **options})
            until_frozen(successor)
            zombie.signal(signal.SIGCONT)
            assert zombie.wait(60) == EXIT_CODE, zombie.words()
            successor.signal(signal.SIGCONT)
            play.grown(50)
            stop(successor)


def test_frozen_workers_that_wake_up_are_fenced_and_change_nothing(scene: Scenes) -> None:
    play = scene("5 worker frozen inside a step, wakes after its successor has gone on", seed=11)
    frozen_owners(play, REPEATS)
    play.must_be_exact(REPEATS)


def test_frozen_workers_that_wake_during_the_takeover_change_nothing(scene: Scenes) -> None:
    play = scene("5 worker frozen before it sends, wakes inside its successor's take-over", seed=12, partitions=1)
    woken_in_the_takeover(play, REPEATS)
    play.must_be_exact(REPEATS)


def test_workers_frozen_beyond_the_session_timeout_change_nothing(scene: Scenes) -> None:
    repeats = one_in(4)
    play = scene("5 worker frozen until the group gives it up", seed=13, instance_id=None)
    with play.running():
        for _ in range(repeats):
            frozen = play.start()
            play.grown(50)
            frozen.signal(signal.SIGSTOP)
            successor = Supervised(play)
            play.grown(100, successor.look)
            frozen.signal(signal.SIGCONT)
            # It is fenced by its next commit, or hears first that its partitions are gone and joins again. Where it was
            # frozen before the fence of its second partition, it fences its successor there before it ends.
            play.grown(100, successor.look)
            frozen.process.terminate()
            assert frozen.wait(60) in (0, EXIT_CODE), frozen.words()
            play.grown(50, successor.look)
            stop(successor.worker)
    play.must_be_exact(repeats)


def test_workers_that_come_and_go_change_nothing(scene: Scenes) -> None:
    rounds = one_in(5)
    play = scene("6 one worker, three, one again, over and over", seed=14, instance_id=None, partitions=4)
    with play.running():
        first = play.start()
        play.grown(100)
        for _ in range(rounds):
            second, third = play.start(), play.start()
            until_shared([first, second, third], 4)
            play.grown(200)
            stop(first)
            stop(second)
            first = third
            until_shared([first], 4)
            play.grown(100)
    play.must_be_exact(4 * rounds, first)


def joined(worker: Worker) -> Worker:
    """Return a worker that was just started once it has joined: before that, to be ended is to be killed."""
    until(lambda: assigned(worker))
    return worker


@pytest.mark.parametrize("named", [True, False], ids=["named", "nameless"])
def test_a_rolling_restart_changes_nothing(scene: Scenes, named: bool) -> None:
    rounds = one_in(6)
    title = "with names that survive a restart" if named else "without names"
    # Nobody dies here: a worker that a busy machine keeps from its heartbeats must not be taken for one that did.
    options: dict[str, Any] = {"seed": 15, "session_seconds": 10.0}
    play = scene(f"6 rolling restart of three workers {title}, two partitions", **options)
    names = ["a", "b", "c"] if named else [None] * 3
    with play.running():
        workers = [joined(play.start(instance_id=name)) for name in names]
        play.grown(100)
        for _ in range(rounds):
            for place, name in enumerate(names):
                stop(workers[place])
                workers[place] = joined(play.start(instance_id=name))
                play.grown(50)
        for worker in workers[1:]:
            stop(worker)
    play.must_be_exact(3 * rounds, workers[0])
