"""A network between worker and brokers that is slow, breaks, or lets only one side speak."""

import random
import time
from collections.abc import Callable

import pytest

from tests.faults.ground import Ground
from tests.faults.scene import Scene, Supervised, one_in

pytestmark = [pytest.mark.stack, pytest.mark.faults, pytest.mark.timeout(1200)]


def test_a_bad_network_changes_nothing(ground: Ground, scene: Callable[..., Scene]) -> None:
    lots, repeats = random.Random(31), one_in(2)
    play = scene("10 network slow, connections broken, one direction closed", seed=31, load={"rate": 300})
    with play.running():
        supervised = Supervised(play, kafka={"bootstrap.servers": ground.proxied})
        play.grown(50, supervised.look)
        for _ in range(repeats):
            fault = lots.choice(("slow", "broken", "up", "down"))
            for proxy in ground.proxies:
                if fault == "slow":
                    proxy.delay = 0.1
                elif fault == "broken":
                    proxy.break_connections()
                else:
                    proxy.set(fault, is_open=False)
            time.sleep(lots.uniform(0.2, 3.0))  # the fault's own length
            for proxy in ground.proxies:
                proxy.heal()
            play.grown(50, supervised.look)
    play.must_be_exact(repeats, supervised.look())
