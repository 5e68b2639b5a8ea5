"""The runner against a real worker: a run's own source begins, pauses, ends and goes on where the log ends."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from producers import reading, runner
from producers.client import Client
from producers.runner import RunnerConfig
from schemas import codecs, events
from schemas.partitions import partition_of
from tests.waldstream.installation import PARTITIONS, System, until

pytestmark = pytest.mark.stack


@contextlib.contextmanager
def _running(system: System) -> Iterator[None]:
    stop = threading.Event()
    config = RunnerConfig(
        kafka=system.kafka, topics=system.topics, files=system.folder / "files", group=f"{system.topics.prefix}-runner"
    )
    thread = threading.Thread(target=runner.run, args=(config, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def _definition(key: str, source: dict[str, Any], **stop: Any) -> dict[str, Any]:
    return {
        "id": key,
        "model": {"family": "bernoulli", "h0": {"p": 0.5}, "h1": {"p": 0.6}},
        "errors": {"alpha": 1e-6, "beta": 1e-6, "thresholds": "wald"},
        "stop": stop,
        "source": source,
    }


def _decision(client: Client, key: str) -> events.Decision:
    for event in client.follow(key, timeout=60):
        if isinstance(event, events.Decision):
            return event
    pytest.fail(f"{key}: no decision")


def _sequences(system: System, key: str) -> list[int]:
    where = partition_of(key, PARTITIONS)
    records = reading.until_end(system.kafka, system.topics.observations, [where])
    found = [codecs.decode_observation(record.value) for record in records if record.key == key.encode()]
    return [event.sequence for event in found if event.sequence is not None]


def test_entropy_feeds_a_run_to_its_decision_and_then_stops(with_worker: System) -> None:
    with Client(with_worker.kafka, with_worker.topics) as client, _running(with_worker):
        client.run(_definition("bits", {"kind": "entropy", "p": 0.9, "rate": 500.0, "batch": 10}))

        decision = _decision(client, "bits")

        assert (decision.outcome, decision.reason) == ("accept_h1", "boundary_upper")

        def has_stopped() -> bool:
            before = _sequences(with_worker, "bits")
            return before == _sequences(with_worker, "bits")

        assert until(has_stopped)


def test_an_exhausted_file_ends_its_run_with_every_row_applied(with_worker: System) -> None:
    (with_worker.folder / "files" / "rows.csv").write_text("value\n" + "1\n0\n" * 25, "utf-8")
    with Client(with_worker.kafka, with_worker.topics) as client, _running(with_worker):
        client.run(_definition("rows", {"kind": "csv", "path": "rows.csv", "batch": 7}))

        decision = _decision(client, "rows")

    assert (decision.outcome, decision.reason, decision.n) == ("inconclusive", "source_exhausted", 50)


def test_a_source_that_cannot_be_opened_ends_its_run_with_the_reason(with_worker: System) -> None:
    with Client(with_worker.kafka, with_worker.topics) as client, _running(with_worker):
        client.run(_definition("absent", {"kind": "csv", "path": "absent.csv"}))

        decision = _decision(client, "absent")
        failed = next(event for event in client.follow("absent", timeout=30) if isinstance(event, events.Failed))

    assert (decision.outcome, decision.reason) == ("inconclusive", "failed")
    assert "source.path: absent.csv cannot be read" in failed.message


def test_a_restarted_runner_goes_on_with_the_next_number(with_worker: System) -> None:
    source = {"kind": "entropy", "rate": 50.0}
    with Client(with_worker.kafka, with_worker.topics) as client:
        with _running(with_worker):
            client.run(_definition("restarted", source))
            until(lambda: len(_sequences(with_worker, "restarted")) >= 10)
        seen = len(_sequences(with_worker, "restarted"))
        with _running(with_worker):
            until(lambda: len(_sequences(with_worker, "restarted")) >= seen + 10)
            client.stop("restarted")
            decision = _decision(client, "restarted")

    numbers = _sequences(with_worker, "restarted")
    assert numbers == list(range(len(numbers)))
    assert decision.counts.get("duplicate", 0) == 0


def test_a_paused_run_gets_no_observations_until_it_is_resumed(with_worker: System) -> None:
    with Client(with_worker.kafka, with_worker.topics) as client, _running(with_worker):
        client.run(_definition("held", {"kind": "entropy", "rate": 50.0}))
        until(lambda: len(_sequences(with_worker, "held")) >= 5)
        client.pause("held")

        def is_quiet() -> bool:
            before = len(_sequences(with_worker, "held"))
            threading.Event().wait(0.5)  # 25 records at this rate
            return before == len(_sequences(with_worker, "held"))

        assert until(is_quiet)
        quiet = len(_sequences(with_worker, "held"))
        client.resume("held")
        assert until(lambda: len(_sequences(with_worker, "held")) > quiet)
        client.stop("held")
