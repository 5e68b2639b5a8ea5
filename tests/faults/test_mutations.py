"""Each protection switched off in turn makes a scenario fail that passes with it: none is there for nothing."""

import random
import signal
import time
from collections.abc import Callable

import pytest

from tests.faults.oracle import Verdict, assert_exact
from tests.faults.scene import Scene, kill, stop
from tests.faults.test_owners import until_frozen
from tests.faults.workload import run_until
from tests.processors.installation import Worker

pytestmark = [pytest.mark.stack, pytest.mark.faults, pytest.mark.timeout(900)]

Scenes = Callable[..., Scene]
_TIMES = 4


def zombie(play: Scene, bent: list[str]) -> Verdict:
    """Freeze the owner before it sends, let a successor go on, wake it up, and end it once it has had its say."""
    with play.running():
        for _ in range(_TIMES):
            frozen = play.start(kill=["before_send", 4, "SIGSTOP"], prepare=bent)
            until_frozen(frozen)
            successor = play.start(prepare=bent)
            play.grown(100)
            frozen.signal(signal.SIGCONT)
            _let_speak(frozen)
            successor.process.kill()
            successor.wait()
    return play.end(_TIMES)


def zombie_in_the_takeover(play: Scene, bent: list[str]) -> Verdict:
    """The same, with the owner waking up while its successor takes over."""
    with play.running():
        for _ in range(_TIMES):
            frozen = play.start(kill=["before_send", 4, "SIGSTOP"], prepare=[it for it in bent if not _only_later(it)])
            until_frozen(frozen)
            successor = play.start(prepare=bent, **({} if bent else {"kill": ["during_takeover", 1, "SIGSTOP"]}))
            until_frozen(successor)
            frozen.signal(signal.SIGCONT)
            _let_speak(frozen)
            successor.signal(signal.SIGCONT)
            play.grown(50)
            kill(successor)
    return play.end(_TIMES)


def _only_later(bent: str) -> bool:
    return bent.endswith("reading_before_the_fence")


def _let_speak(worker: Worker) -> None:
    """Wait until a woken process is fenced; one that is not has some seconds to commit, then it is killed."""
    deadline = time.monotonic() + 8
    while worker.process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    kill(worker)


def lost_batches(play: Scene, bent: list[str]) -> Verdict:
    """Batches are lost behind the reader; whoever notices ends, and is started again."""
    with play.running():
        for _ in range(_TIMES):
            worker = play.start(prepare=["tests.faults.bending:losing_batches", *bent])
            deadline = time.monotonic() + 10
            while worker.process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            kill(worker)
    return play.end(_TIMES)


def halves(play: Scene, bent: list[str]) -> Verdict:
    """Kill the worker before it commits, at a time that is not the same for what it says and for what it remembers."""
    times = random.Random(75)
    with play.running():
        for _ in range(4 * _TIMES):
            worker = play.start(kill=["before_commit", times.randint(1, 16)], prepare=bent)
            assert worker.wait(60) == -signal.SIGKILL
    return play.end(4 * _TIMES)


def observations_right_behind_the_start(play: Scene, bent: list[str]) -> Verdict:
    """Define, start and observe without waiting for anything; every record must count."""
    installation, wrong = play.installation, 0
    worker = play.start(prepare=bent)
    for number in range(_TIMES):
        name = f"at-once-{number}"
        play.workload.order(run_until(name, 25))
        installation.observe(name, [1.0, 0.0] * 20)
        installation.flush()
        play.workload.acknowledged += 40
    play.until_all_read()
    stop(worker)
    for number in range(_TIMES):
        name = f"at-once-{number}"
        found = installation.memory(installation.partition_of(name)).experiments.get(name)
        wrong += 40 - (0 if found is None else found.hot.counts.get("applied", 0))
    return Verdict(_TIMES * 40, lost=wrong)


@pytest.mark.parametrize("ground", [1], indirect=True, ids=["one-node"])
@pytest.mark.parametrize(
    ("protection", "scenario", "partitions"),
    [
        ("without_fence", zombie, 2),
        ("reading_before_the_fence", zombie_in_the_takeover, 1),
        ("without_chain_check", lost_batches, 2),
        ("without_barrier", observations_right_behind_the_start, 2),
        ("without_one_transaction", halves, 2),
    ],
)
def test_a_protection_switched_off_makes_its_scenario_fail(
    scene: Scenes, protection: str, scenario: Callable[[Scene, list[str]], Verdict], partitions: int
) -> None:
    with_it = scene(f"mutation check: {scenario.__name__}, all protections on", seed=70, partitions=partitions)
    assert_exact(scenario(with_it, []))
    without = scene(f"(not exact) {scenario.__name__} {protection}", seed=70, partitions=partitions, is_noted=False)
    verdict = scenario(without, [f"tests.faults.bending:{protection}"])
    assert not verdict.is_exact, f"nothing shows that the protection is needed: {verdict}"
