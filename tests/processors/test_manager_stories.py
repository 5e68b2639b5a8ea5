"""The manager on real Kafka: schedules, queues, retries and deadlines over workers that are killed."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from producers import runner
from producers.runner import RunnerConfig
from schemas import codecs, events
from tests.processors.installation import Installation, Worker, bernoulli, until

pytestmark = pytest.mark.stack


@pytest.fixture
def alone(kafka: str, tmp_path: Path) -> Iterator[Installation]:
    """An installation without a worker: the test starts and kills its own."""
    made = Installation(kafka, tmp_path)
    try:
        yield made
    finally:
        made.close()


def _killed(installation: Installation, worker: Worker) -> Worker:
    """Kill the worker as a power failure would, and start the next under its name."""
    worker.signal(signal.SIGKILL)
    worker.wait()
    return installation.start(instance_id="the-one")


def test_a_schedule_of_five_runs_fires_five_times_though_its_worker_is_killed_twice(alone: Installation) -> None:
    schedule = {"every": "2s", "max_runs": 5}
    given = {**bernoulli("every-2-s", max_duration="700ms"), "schedule": schedule}
    worker = alone.start(instance_id="the-one")
    alone.command(events.Define(id="d", experiment_id="every-2-s", experiment=given))

    def started() -> list[events.Started]:
        return alone.control(events.Started, experiment_id="every-2-s")

    for runs in (1, 3):
        until(lambda runs=runs: started()[runs - 1 :])  # type: ignore[misc]  # a default binds the loop's own value
        worker = _killed(alone, worker)
    last = until(lambda: [it for it in alone.control(events.Scheduled, experiment_id="every-2-s") if it.due is None])
    alone.decision("every-2-s", run=5)

    assert [it.run for it in started()] == [1, 2, 3, 4, 5]
    assert len({it.cause for it in started()}) == 5
    assert [it.id for it in alone.control(events.Decision)] == [f"every-2-s/{run}" for run in range(1, 6)]
    assert len(last) == 1


def test_a_queue_of_two_never_runs_three_and_starves_none_of_twenty(installation: Installation) -> None:
    names = [f"queued-{number:02d}" for number in range(20)]
    topics = installation.topics
    limit = codecs.encode_json(events.SlotLimit(queue="bench", limit=2))
    installation.send(topics.queues, limit, "bench", installation.partition_of("bench"))
    for name in names:
        given = {**bernoulli(name, max_duration="200ms"), "schedule": {"queue": "bench"}}
        run = events.Run(id=f"run-{name}", experiment_id=name, experiment=given)
        installation.send(topics.control, codecs.encode_json(run), name, installation.partition_of(name))
    installation.flush()

    def decided() -> dict[str, datetime]:
        return {it.experiment_id: it.at for it in installation.control(events.Decision) if it.experiment_id in names}

    ended = until(lambda: [all_of_them] if len(all_of_them := decided()) == len(names) else [])[0]
    begun = {it.experiment_id: it.at for it in installation.control(events.Started) if it.experiment_id in names}
    for at in begun.values():
        assert sum(begun[name] <= at < ended[name] for name in names) <= 2
    asked = [it.experiment_id for it in _told(installation) if isinstance(it, events.SlotRequest)]
    granted = {it.experiment_id: it.at for it in installation.control(events.SlotGranted) if it.queue == "bench"}
    assert sorted(names, key=lambda name: (granted[name], asked.index(name))) == asked


def _told(installation: Installation) -> list[Any]:
    found = []
    for message in installation.read(installation.topics.queues):
        event: Any = codecs.decode(message.value(), *events.QUEUE)
        if event.queue == "bench":
            found.append(event)
    return found


@contextmanager
def _runner(installation: Installation, files: Path) -> Iterator[None]:
    ended = threading.Event()
    config = RunnerConfig(installation.kafka, installation.topics, files, f"{installation.name}-runner")
    thread = threading.Thread(target=runner.run, args=(config, ended))
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(30)


def test_a_source_that_breaks_twice_succeeds_on_its_third_attempt(installation: Installation, tmp_path: Path) -> None:
    retry = {"max_attempts": 3, "backoff": "1500ms", "backoff_factor": 1.0}
    source = {"kind": "csv", "path": "late.csv", "rate": 10_000.0, "batch": 10}
    given = {**bernoulli("third-time"), "retry": retry, "source": source}
    with _runner(installation, tmp_path):
        installation.command(events.Run(id="r", experiment_id="third-time", experiment=given))
        installation.decision("third-time", run=2)
        (tmp_path / "late.csv").write_text("value\n" + "1\n" * 60, "utf-8")
        installation.decision("third-time", run=3)

    made = installation.control(events.Decision, experiment_id="third-time")
    assert [it.reason for it in made] == ["failed", "failed", "boundary_upper"]
    begun = installation.control(events.Started, experiment_id="third-time")
    assert [(it.run, it.attempt, it.retry_of) for it in begun] == [(1, 1, None), (2, 2, 1), (3, 3, 2)]


def test_a_run_whose_crossing_lies_in_the_backlog_is_not_timed_out_after_an_outage(alone: Installation) -> None:
    worker = alone.start(instance_id="the-one")
    alone.command(events.Define(id="d", experiment_id="backlog", experiment=bernoulli("backlog", max_duration="5s")))
    alone.reply("d")  # a worker is there: the time that runs from the start is not spent on joining
    alone.command(events.Start(id="s", experiment_id="backlog"))
    (started,) = until(lambda: alone.control(events.Started, experiment_id="backlog"))
    worker.signal(signal.SIGKILL)
    worker.wait()
    alone.observe("backlog", [1.0] * 60)
    alone.flush()
    deadline = started.deadline
    assert deadline is not None
    until(lambda: [True] if datetime.now(UTC) > deadline else [])
    alone.start(instance_id="the-one")

    decision = alone.decision("backlog")
    assert (decision.reason, decision.outcome, decision.n) == ("boundary_upper", "accept_h1", 26)


def test_a_stop_and_a_crossing_in_the_same_instant_are_one_decision(installation: Installation) -> None:
    names = [f"instant-{number}" for number in range(12)]
    for name in names:
        installation.command(events.Run(id=f"run-{name}", experiment_id=name, experiment=bernoulli(name)))
        installation.reply(f"run-{name}")
    for at, name in enumerate(names):  # the stop lies before, between and behind the observations that cross
        installation.observe(name, [1.0] * 3 * at)
        stop = events.Stop(id=f"stop-{name}", experiment_id=name)
        installation.send(installation.topics.control, codecs.encode_json(stop), name, installation.partition_of(name))
        installation.observe(name, [1.0] * 40, first_sequence=3 * at)
    installation.flush()

    for name in names:
        decision, reply = installation.decision(name), installation.reply(f"stop-{name}")
        expected = ("manual", "accepted") if decision.reason == "manual" else ("boundary_upper", "rejected")
        assert (decision.reason, reply.status) == expected
        assert decision.n <= 26
    made = [it.experiment_id for it in installation.control(events.Decision) if it.experiment_id in names]
    assert sorted(made) == sorted(names)


def test_one_command_runs_to_the_rolling_p_rule_or_to_its_time(installation: Installation) -> None:
    by_p = {
        **bernoulli("by-p"),
        "stop": {"p_value": 0.01, "max_samples": 500},
        "source": {"kind": "entropy", "p": 0.95},
    }
    by_time = {**bernoulli("by-time", max_duration="2s"), "source": {"kind": "simulate", "theta": 0.55, "rate": 3.0}}
    with _runner(installation, Path()):
        for given in (by_p, by_time):
            installation.command(events.Run(id=f"go-{given['id']}", experiment_id=given["id"], experiment=given))
        first, second = installation.decision("by-p"), installation.decision("by-time")
    (started,) = installation.control(events.Started, experiment_id="by-time")

    assert (first.outcome, first.reason) == ("accept_h1", "p_threshold")
    assert first.p_value <= 0.01
    assert (second.outcome, second.reason) == ("inconclusive", "timeout")
    assert started.deadline is not None
    assert second.at >= started.deadline


def _next_millisecond() -> None:
    """Return in a later millisecond: what the log took in the same one as a command counts as before it."""
    began = time.time_ns() // 10**6
    until(lambda: [True] if time.time_ns() // 10**6 > began else [])


def test_a_pause_leaves_out_what_was_sent_in_it_though_the_worker_reads_it_all_at_once(alone: Installation) -> None:
    worker = alone.start(instance_id="the-one")
    alone.command(events.Run(id="r", experiment_id="paused", experiment=bernoulli("paused")))
    alone.reply("r")
    worker.signal(signal.SIGKILL)
    worker.wait()
    for step, (values, order) in enumerate(
        [([1.0] * 5, events.Pause), ([0.0] * 7, events.Resume), ([1.0] * 5, events.Pause), ([0.0] * 3, events.Resume)]
    ):
        alone.observe("paused", values, first_sequence=100 * step)
        alone.flush()
        alone.command(order(id=f"o{step}", experiment_id="paused"))
        _next_millisecond()
    alone.observe("paused", [1.0] * 40, first_sequence=900)
    alone.flush()
    alone.start(instance_id="the-one")
    decision = alone.decision("paused")

    assert (decision.reason, decision.n) == ("boundary_upper", 26)
    assert decision.counts["applied"] == 26
    assert decision.counts["while_paused"] == 10
