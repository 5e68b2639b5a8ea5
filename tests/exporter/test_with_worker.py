"""Worker and exporter side by side: two folds of one log that must agree, whatever happens to the run."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest
from confluent_kafka import Producer

import sprt
from experiments.planning import stored_design
from exporter import document
from exporter.verify import verify
from producers import reading, runner
from producers.client import Client
from producers.runner import RunnerConfig
from schemas import codecs, events
from schemas.partitions import partition_of
from tests.exporter.runs import bits, definition, observation
from tests.waldstream.installation import PARTITIONS, System, installed, until

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def system(kafka: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with installed(kafka, redis_url, tmp_path_factory.mktemp("exporting"), ("worker", "exporter")) as made:
        yield made


@pytest.fixture
def client(system: System) -> Iterator[Client]:
    with Client(system.kafka, system.topics, actor="ana") as made:
        yield made


def archived(client: Client, key: str, run: int = 1) -> tuple[Path, document.Document]:
    """Return the folder and the document of the run's archive, proven by its published digest."""
    for event in client.follow(key, timeout=90):
        if isinstance(event, events.Archived) and event.run == run:
            assert not event.disputed
            proof = verify(event.location, event.manifest_digest)
            assert proof.ok, proof.reasons
            return Path(event.location), document.decoded((Path(event.location) / "experiment.json").read_bytes())
    pytest.fail(f"{key}: no archive of run {run}")


def feed(client: Client, key: str, values: list[float]) -> None:
    for value in values:
        client.observe(key, [value])
    client.flush()


def length(system: System, partition: int) -> int:
    return sum(1 for _ in reading.until_end(system.kafka, system.topics.observations, [partition]))


def send(system: System, sent: list[events.Observation], partition: int) -> None:
    producer = Producer(system.kafka)
    for event in sent:
        producer.produce(
            system.topics.observations, codecs.encode_json(event), event.experiment_id.encode(), partition=partition
        )
    assert producer.flush(30) == 0


def test_a_pause_leaves_the_same_hole_in_worker_and_archive(client: Client) -> None:
    client.define(definition(id="paused-once"))
    feed(client, "paused-once", [1.0] * 3)
    client.start("paused-once", reason="bench is free")
    feed(client, "paused-once", bits(0.7, 40))
    client.pause("paused-once", reason="recalibration")
    feed(client, "paused-once", [0.0] * 25)
    client.resume("paused-once", reason="calibrated")
    feed(client, "paused-once", bits(0.7, 400, seed=2))
    folder, read = archived(client, "paused-once")
    table = pd.read_parquet(folder / "observations.parquet")
    assert (table["status"] == "applied").sum() == read.decision.n
    begin, end = (
        next(e.event.offset for e in read.timeline if isinstance(e.event, kind))
        for kind in (events.Paused, events.Resumed)
    )
    assert begin is not None
    assert end is not None
    inside = table["offset"].between(begin, end - 1)
    assert (table.loc[inside, "status"] == "while_paused").all()
    assert inside.sum() == read.counts["while_paused"] >= 25
    both = table[table["status"].isin(["applied", "while_paused"])]["value"]
    design = stored_design(read.definition, read.design.lower, read.design.upper)
    assert read.numbers["llr_with_paused"] == sprt.path(design, both.to_numpy())[-1]
    assert read.numbers["naive_with_paused"] == pytest.approx(both.mean())
    reasons = [entry.event.reason for entry in read.timeline if isinstance(entry.event, events.Command)]
    assert reasons[1:] == ["bench is free", "recalibration", "calibrated"]
    paused = next(entry.event for entry in read.timeline if isinstance(entry.event, events.Paused))
    assert paused.actor == "ana"


def test_every_run_of_an_experiment_has_its_own_archive(client: Client) -> None:
    client.run(definition(id="twice"))
    feed(client, "twice", bits(0.7, 400))
    _, first = archived(client, "twice")
    client.start("twice", reason="replication")
    feed(client, "twice", bits(0.4, 600))
    _, second = archived(client, "twice", 2)
    assert (first.decision.outcome, second.decision.outcome) == ("accept_h1", "accept_h0")
    assert second.decision.id == "twice/2"
    assert {entry.event.run for entry in second.timeline if isinstance(entry.event, events.Started)} == {2}
    assert second.offsets.first > first.offsets.last


def test_a_stop_by_hand_is_archived_with_who_and_why(client: Client) -> None:
    client.run(definition(id="by-hand"))
    feed(client, "by-hand", [1.0, 0.0, 1.0])
    client.stop("by-hand", reason="instrument fault")
    _, read = archived(client, "by-hand")
    assert (read.decision.outcome, read.decision.reason) == ("inconclusive", "manual")
    assert f"stopped by hand at n = {read.decision.n}" in read.verdict
    assert read.decision.actor == "ana"
    assert any(isinstance(e.event, events.Stop) and e.event.reason == "instrument fault" for e in read.timeline)


@pytest.mark.parametrize(
    ("key", "stop", "p", "reason"),
    [
        ("by-clock", {"max_duration": "2s"}, 0.55, "timeout"),
        ("by-p", {"p_value": 0.01, "max_samples": 5000}, 0.75, "p_threshold"),
        ("by-limit", {"max_samples": 30}, 0.55, "max_samples"),
    ],
)
def test_each_way_to_end_is_proven(client: Client, key: str, stop: dict[str, Any], p: float, reason: str) -> None:
    client.run(definition(id=key, stop=stop))
    feed(client, key, bits(p, 30 if reason != "p_threshold" else 200))
    _, read = archived(client, key)
    assert read.decision.reason == reason


def test_what_was_sent_twice_or_is_not_allowed_is_in_the_table_with_its_fate(client: Client, system: System) -> None:
    client.run(definition(id="messy"))
    home = partition_of("messy", PARTITIONS)
    before = length(system, home)
    raw = [
        observation(number, [value], experiment_id="messy", source="s", observed_at=None)
        for number, value in enumerate(bits(0.7, 600))
    ]
    raw[30:30] = [raw[4], msgspec.structs.replace(raw[0], values=[0.5, 1.0], sequence=None)]
    send(system, [raw[0]], (home + 1) % PARTITIONS)  # not its experiment's partition: the worker sends it on
    until(lambda: length(system, home) > before)
    send(system, raw[1:], home)
    folder, read = archived(client, "messy")
    table = pd.read_parquet(folder / "observations.parquet")
    assert (read.counts["duplicate"], read.counts["rejected"]) == (1, 1)
    assert table.loc[table["status"] == "rejected", "value"].tolist() == [0.5, 1.0]
    assert table.loc[table["status"] == "duplicate", "sequence"].tolist() == [4]
    assert sorted(table.loc[table["status"] == "applied", "sequence"]) == list(range(read.decision.n))


def test_an_archive_that_was_lost_is_written_again_when_it_is_asked_for(client: Client) -> None:
    client.run(definition(id="lost"))
    feed(client, "lost", bits(0.7, 400))
    folder, read = archived(client, "lost")
    shutil.rmtree(folder)

    assert client.archive("lost", reason="the disk was lost").status == "accepted"
    until((folder / "experiment.json").exists)
    assert verify(folder).ok
    assert document.decoded((folder / "experiment.json").read_bytes()).decision == read.decision


def test_a_source_that_breaks_twice_leaves_three_archives(client: Client, system: System) -> None:
    ended = threading.Event()
    config = RunnerConfig(system.kafka, system.topics, system.folder / "files", f"{system.topics.prefix}-runner")
    thread = threading.Thread(target=runner.run, args=(config, ended))
    thread.start()
    try:
        source = {"kind": "csv", "path": "late.csv", "rate": 10_000.0, "batch": 10}
        retry = {"max_attempts": 3, "backoff": "2s", "backoff_factor": 1.0}
        client.run(definition(id="third", source=source, retry=retry))
        found = [archived(client, "third")[1], archived(client, "third", 2)[1]]
        (system.folder / "files" / "late.csv").write_text("value\n" + "1\n" * 400, "utf-8")
        found.append(archived(client, "third", 3)[1])
    finally:
        ended.set()
        thread.join(30)

    assert [read.decision.reason for read in found] == ["failed", "failed", "boundary_upper"]
    started = [next(e.event for e in read.timeline if isinstance(e.event, events.Started)) for read in found]
    assert [(it.attempt, it.retry_of) for it in started] == [(1, None), (2, 1), (3, 2)]


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_hundreds_of_runs_that_close_at_once_are_each_archived_once(client: Client, system: System) -> None:
    names = [f"many-{number:03d}" for number in range(300)]
    for name in names:
        client.run(definition(id=name, stop={"max_samples": 5}, export={"formats": ["csv"]}))
    for name in names:
        client.observe(name, [1.0, 0.0, 1.0, 0.0, 1.0])
    client.flush()

    def archived_ones() -> list[events.ArchiveWritten]:
        found = [it for it in _announced(system) if it.experiment_id.startswith("many-")]
        return found if len(found) >= len(names) else []

    announced = until(archived_ones, 600)
    assert sorted(it.experiment_id for it in announced) == names
    proofs = [verify(it.location, it.manifest_digest) for it in announced]
    assert [proof.reasons for proof in proofs if not proof.ok] == []


def _announced(system: System) -> list[events.ArchiveWritten]:
    return [
        codecs.decode(record.value, events.ArchiveWritten)
        for record in reading.until_end(system.kafka, system.topics.archives, range(PARTITIONS))
    ]
