"""A worker killed under load, at random and at every named point of a step: nothing is lost, nothing doubled."""

import random
import signal
import time

import pytest

from tests.faults.oracle import assert_exact, judge
from tests.faults.workload import Workload, end, grown
from tests.processors.installation import Installation

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]  # many starts of a worker, on a machine that may be busy

POINTS = ("during_takeover", "before_first_commit", "before_send", "after_send", "before_commit", "after_commit")


def test_without_a_fault_the_committed_facts_equal_the_replay(installation: Installation) -> None:
    worker = installation.start()
    workload = Workload(installation, seed=1)
    workload.define()
    with workload:
        grown(installation, 5_000)
    end(installation, worker)
    assert_exact(judge(installation))


def test_five_kills_at_random_moments_under_load_change_nothing(installation: Installation) -> None:
    moments = random.Random(5)
    worker = installation.start(instance_id="w")
    workload = Workload(installation, seed=2)
    workload.define()
    with workload:
        for _ in range(5):
            grown(installation, 2_000)
            time.sleep(moments.uniform(0.0, 0.3))  # the fault's own moment, not a wait for anything
            worker.signal(signal.SIGKILL)
            worker.wait()
            worker = installation.start(instance_id="w")
        grown(installation, 2_000)
    end(installation, worker)
    assert_exact(judge(installation))


def test_a_kill_at_each_named_point_of_a_step_changes_nothing(installation: Installation) -> None:
    worker = installation.start(instance_id="w")
    workload = Workload(installation, seed=3)
    workload.define()
    with workload:
        grown(installation, 1_000)
        worker.signal(signal.SIGKILL)
        worker.wait()
        for point in POINTS:
            times = 1 if point in ("during_takeover", "before_first_commit") else 10
            worker = installation.start(instance_id="w", kill=[point, times])
            assert worker.wait(60) == -signal.SIGKILL, worker.words()
        worker = installation.start(instance_id="w")
        grown(installation, 2_000)
    end(installation, worker)
    assert_exact(judge(installation))
