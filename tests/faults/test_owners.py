"""Owners that change: workers that come, go, freeze and wake, and a log that was cut short; the count stays exact."""

import json
import signal

import psutil
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from processors.failing import EXIT_CODE
from tests.faults.oracle import assert_exact, judge
from tests.faults.workload import Workload, end, grown
from tests.processors.installation import Installation, Worker, run_command, until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]  # many starts of a worker, on a machine that may be busy


def owned(worker: Worker) -> list[int]:
    """Return the partitions that the worker was assigned last."""
    news = [json.loads(line) for line in worker.words().splitlines() if line.startswith("{")]
    assigned = [it["partitions"] for it in news if it["event"] == "partitions_assigned"]
    return list(assigned[-1]) if assigned else []


def test_workers_that_come_and_go_under_load_change_nothing(installation: Installation) -> None:
    first = installation.start()
    workload = Workload(installation, seed=11)
    workload.define()
    with workload:
        grown(installation, 1_000)
        second = installation.start()
        until(lambda: [True] if len(owned(first)) == len(owned(second)) == 1 else [])
        grown(installation, 2_000)
        first.process.terminate()
        assert first.wait(20) == 0, first.words()
        until(lambda: [True] if len(owned(second)) == 2 else [])
        grown(installation, 2_000)
    end(installation, second)
    assert_exact(judge(installation))


def test_a_frozen_worker_that_wakes_up_is_fenced_and_changes_nothing(installation: Installation) -> None:
    frozen = installation.start()
    workload = Workload(installation, seed=12)
    workload.define()
    with workload:
        grown(installation, 1_000)
        frozen.signal(signal.SIGSTOP)
        successor = installation.start()
        until(lambda: [True] if len(owned(successor)) == 2 else [])
        grown(installation, 2_000)
        frozen.signal(signal.SIGCONT)
        # It either commits on its old epoch and is fenced, or hears first that its partitions are gone.
        until(lambda: [True] if frozen.process.poll() is not None or len(owned(frozen)) < 2 else [])
        assert frozen.process.poll() in (None, EXIT_CODE), frozen.words()
        grown(installation, 1_000)
    if frozen.process.poll() is None:
        frozen.process.terminate()
        frozen.wait(20)
    until(lambda: [True] if len(owned(successor)) == 2 else [])
    end(installation, successor)
    assert_exact(judge(installation))


def test_records_deleted_before_they_were_counted_stop_the_worker_with_an_alarm(installation: Installation) -> None:
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
    worker = installation.start()
    assert worker.wait(60) == EXIT_CODE
    assert "the position 10 is not in the log (kept: 15 to 20)" in worker.words()
    assert sum(installation.counted().values()) == 10


def test_a_killed_worker_leaves_no_process_behind(installation: Installation) -> None:
    worker = installation.start()
    installation.command(run_command("orphans"))
    assert installation.reply("run-orphans").status == "accepted"
    children = psutil.Process(worker.pid).children(recursive=True)
    assert children
    worker.signal(signal.SIGKILL)
    worker.wait()
    until(lambda: [True] if not any(child.is_running() for child in children) else [])
