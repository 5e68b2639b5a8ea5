"""Brokers that end, freeze, lose their majority; the worker waits, or ends and is started again: the count is exact."""

import random
import signal
import time
from collections.abc import Callable

import pytest

from tests.faults.ground import Ground, frozen
from tests.faults.scene import REPEATS, Scene, Supervised, kill, one_in
from tests.faults.test_owners import until_frozen

pytestmark = [pytest.mark.stack, pytest.mark.faults, pytest.mark.timeout(1800)]

Scenes = Callable[..., Scene]
_TRANSACTION_TIMEOUT = 30.0


def victim(ground: Ground, play: Scene, number: int) -> int:
    """Return the place of a node to hurt: the leader of state, offsets, transactions, or the next in turn."""
    topics = (play.installation.topics.state, "__consumer_offsets", "__transaction_state")
    if number % 4 < 3:
        return ground.nodes.index(ground.leader(topics[number % 4]))
    return number // 4 % len(ground.nodes)


def test_brokers_killed_and_started_again_change_nothing(ground: Ground, scene: Scenes) -> None:
    play = scene("7 broker killed: the leader of state, offsets, transactions in turn", seed=21)
    with play.running():
        supervised = Supervised(play)
        play.grown(100, supervised.look)
        for number in range(REPEATS):
            node = ground.nodes[victim(ground, play, number)]
            node.kill()
            if ground.number > 1:
                play.grown(50, supervised.look)  # two of three go on
            node.start()
            play.grown(50, supervised.look)
            ground.wait_in_sync(play.installation.topics.state, 2)
    play.must_be_exact(REPEATS, supervised.look())


def test_brokers_restarted_in_good_order_change_nothing(ground: Ground, scene: Scenes) -> None:
    play = scene("7 rolling clean restart of every broker", seed=22)
    with play.running():
        supervised = Supervised(play)
        for node in ground.nodes:
            play.grown(100, supervised.look)
            node.stop()
            node.start()
            ground.wait_in_sync(play.installation.topics.state, 2)
    play.must_be_exact(len(ground.nodes), supervised.look())


def test_brokers_frozen_for_a_moment_and_a_worker_killed_then_change_nothing(ground: Ground, scene: Scenes) -> None:
    lots = random.Random(23)
    play = scene("8 leader of the state frozen for 0.2 or 2 s, then the worker killed", seed=23)
    with play.running():
        for _ in range(REPEATS):
            supervised = Supervised(
                play
            )  # on a busy machine the others may give the frozen broker up, and then it ends
            play.grown(50, supervised.look)
            with frozen(ground.leader(play.installation.topics.state).pid):
                time.sleep(lots.choice((0.2, 2.0)))  # the fault's own length
            kill(supervised.worker)
    play.must_be_exact(REPEATS)


def test_a_broker_frozen_for_longer_than_a_transaction_may_last_changes_nothing(ground: Ground, scene: Scenes) -> None:
    play = scene("8 leader of the state frozen for longer than a transaction may last", seed=24, load={"rate": 300})
    with play.running():
        supervised = Supervised(play)
        play.grown(100, supervised.look)
        with frozen(ground.leader(play.installation.topics.state).pid):
            time.sleep(_TRANSACTION_TIMEOUT + 5)  # the fault's own length
        play.grown(100, supervised.look)
    play.must_be_exact(1, supervised.look())


def test_an_outage_of_all_brokers_longer_than_a_transaction_may_last_changes_nothing(
    ground: Ground, scene: Scenes
) -> None:
    play = scene("8 all brokers down for longer than a transaction may last", seed=25, load={"rate": 300})
    with play.running():
        frozen_worker = play.start(kill=["after_send", 5, "SIGSTOP"])  # its transaction stays open all the while
        until_frozen(frozen_worker)
        for node in ground.nodes:
            node.kill()
        time.sleep(_TRANSACTION_TIMEOUT + 5)  # the fault's own length
        ground.heal()
        frozen_worker.signal(signal.SIGCONT)
        supervised = Supervised(play, frozen_worker)
        play.grown(100, supervised.look)
    play.must_be_exact(1, supervised.look())


def test_a_lost_majority_of_brokers_stalls_and_changes_nothing(ground: Ground, scene: Scenes) -> None:
    if ground.number < 3:
        pytest.skip("one node has no majority to lose")
    repeats = one_in(5)
    play = scene("9 two of three brokers down", seed=26, load={"rate": 300})
    with play.running():
        supervised = Supervised(play)
        for repeat in range(repeats):
            play.grown(100, supervised.look)
            down = [ground.nodes[(repeat + place) % 3] for place in (0, 1)]
            for node in down:
                node.kill()
            time.sleep(5)  # the fault's own length
            ground.heal()
            play.grown(50, supervised.look)
            ground.wait_in_sync(play.installation.topics.state, 2)
    play.must_be_exact(repeats, supervised.look())
