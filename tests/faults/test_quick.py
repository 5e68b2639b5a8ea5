"""A small, seeded part of the fault runs for `make test`: kills at random and at named points, a zombie, a cut log."""

import itertools
import random
import signal
import time

import psutil
import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from processors.failing import EXIT_CODE
from schemas import events
from tests.faults.oracle import assert_exact, judge
from tests.faults.scene import Supervised, kill, stop
from tests.faults.workload import Workload
from tests.processors.installation import Installation, Worker, run_command, until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]  # many starts of a worker, on a machine that may be busy

POINTS = ("during_takeover", "before_first_commit", "before_send", "after_send", "before_commit", "after_commit")


def end(installation: Installation, worker: Worker, workload: Workload) -> None:
    """Let the worker count all that was sent, end it, and compare with the truth."""
    installation.wait_until_counted(90)
    stop(worker)
    assert_exact(judge(installation, workload.acknowledged))


def test_kills_at_random_and_at_every_named_point_change_nothing(installation: Installation) -> None:
    lots = random.Random(5)
    worker = installation.start(instance_id="w")
    workload = Workload(installation, seed=2, experiments=20)
    workload.define()
    with workload:
        for _ in range(3):
            installation.grown(200)
            time.sleep(lots.uniform(0.0, 0.3))  # the fault's own moment, not a wait for anything
            kill(worker)
            worker = installation.start(instance_id="w")
        kill(worker)
        for point in POINTS:
            times = 1 if point in ("during_takeover", "before_first_commit") else 5
            worker = installation.start(instance_id="w", kill=[point, times])
            assert worker.wait(60) == -signal.SIGKILL, worker.words()
        worker = installation.start(instance_id="w")
        installation.grown(200)
    end(installation, worker, workload)


def test_a_frozen_worker_that_wakes_up_is_fenced_and_changes_nothing(installation: Installation) -> None:
    worker = installation.start(instance_id="w")
    workload = Workload(installation, seed=12, experiments=8)
    workload.define()
    stop(worker)
    with workload:
        zombie = installation.start(instance_id="w", kill=["after_send", 3, "SIGSTOP"])
        until(lambda: [True] if psutil.Process(zombie.pid).status() == psutil.STATUS_STOPPED else [])
        successor = installation.start(instance_id="w")
        installation.grown(200)
        zombie.signal(signal.SIGCONT)
        assert zombie.wait(60) == EXIT_CODE, zombie.words()
        # Frozen before it had fenced the owner of its other partition, it may have done so when it woke up.
        supervised = Supervised(installation, successor, instance_id="w")
        installation.grown(200, supervised.look)
    installation.wait_until_counted(90, supervised.look)
    end(installation, supervised.worker, workload)


def test_a_batch_that_is_lost_before_anything_was_counted_ends_the_worker_too(installation: Installation) -> None:
    losing = installation.start(instance_id="w", prepare=["tests.faults.bending:losing_the_first_batch"])
    installation.command(run_command("e"))
    sequences = itertools.count()

    def has_ended() -> list[bool]:
        installation.observe("e", [1.0], next(sequences))
        installation.flush()
        return [True] if losing.process.poll() is not None else []

    until(has_ended, 60)

    assert losing.wait() == EXIT_CODE
    assert "observations: the batch begins at" in losing.words()
    with installation.working(instance_id="w"):
        assert sum(installation.wait_until_counted().values()) == next(sequences)


def test_a_worker_that_no_longer_hears_commands_ends_and_the_next_one_answers_them(installation: Installation) -> None:
    deaf = installation.start(instance_id="w", prepare=["tests.faults.bending:not_finding_control_again"])
    installation.command(run_command("unheard"))

    assert deaf.wait(60) == EXIT_CODE, deaf.words()

    assert "control: nothing was read behind 0; the log ends at 1" in deaf.words()
    with installation.working(instance_id="w"):
        assert installation.reply("run-unheard").status == "accepted"


def test_a_reader_at_rest_behind_markers_and_records_that_were_aborted_is_not_taken_for_silent(
    installation: Installation,
) -> None:
    worker = installation.start(prepare=["tests.faults.bending:impatient_with_silence"])
    installation.command(run_command("rest"))
    assert installation.reply("run-rest").status == "accepted"
    aborting = Producer(installation.kafka | {"transactional.id": f"aborting-{installation.name}"})
    aborting.init_transactions(20)
    aborting.begin_transaction()
    for topic in (installation.topics.control, installation.topics.archives, installation.topics.queues):
        for partition in range(installation.partitions):
            aborting.produce(topic, b"{}", b"k", partition)
    aborting.flush()
    aborting.abort_transaction()

    with pytest.raises(AssertionError, match="still runs after 10 s"):
        worker.wait(10)

    stop(worker)


def test_records_deleted_before_they_were_counted_mark_the_run_and_hold_its_verdict(installation: Installation) -> None:
    with installation.working():
        installation.command(run_command("cut"))
        assert installation.reply("run-cut").status == "accepted"
        installation.observe("cut", [1.0, 0.0] * 5)
        installation.flush()
        installation.wait_until_counted()
    installation.observe("cut", [1.0, 0.0] * 5, 10)
    installation.flush()
    partition = installation.partition_of("cut")
    cut = TopicPartition(installation.topics.observations, partition, 15)
    admin = AdminClient({**installation.kafka})
    admin.delete_records([cut])[cut].result(30)
    with installation.working() as worker:
        (held,) = until(lambda: installation.control(events.Held, experiment_id="cut"))
        installation.observe("cut", [1.0] * 60, 20)
        installation.flush()
        (crossed,) = until(lambda: installation.control(events.Held, experiment_id="cut")[1:])
        installation.command(events.Release(id="r", experiment_id="cut"))
        decision = installation.decision("cut")
    assert "the position 10 is not in the log (kept: 15 to 20)" in worker.words()
    assert (held.cause, held.offset, held.withheld) == ("records_deleted", 15, {})
    assert held.checks["records_deleted"]["words"] == (
        "records 10 to 14 of the partition were deleted before they were counted"
    )
    assert crossed.withheld["reason"] == "boundary_upper"
    assert (decision.outcome, decision.offset) == ("accept_h1", crossed.offset)
    assert decision.counts == {"applied": 10 + 5 + (crossed.offset or 0) - 19}
    assert sum(installation.counted().values()) == 10 + 5 + 60


def test_a_killed_worker_leaves_no_process_behind(installation: Installation) -> None:
    worker = Worker(installation.given(), installation.folder / "killed.log")
    installation.command(run_command("orphans"))
    assert installation.reply("run-orphans").status == "accepted"
    children = psutil.Process(worker.pid).children(recursive=True)
    assert children
    kill(worker)
    until(lambda: [True] if not any(child.is_running() for child in children) else [])
