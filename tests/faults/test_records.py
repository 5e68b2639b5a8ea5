"""Records that are poison, sent again, transactional, compacted away, or refused by the log on the way out."""

import os
import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # documented as public
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from processors.failing import EXIT_CODE
from schemas import codecs, events
from tests.faults.oracle import assert_exact
from tests.faults.scene import REPEATS, Scene, kill, one_in, stop
from tests.processors.installation import headers, until

pytestmark = [pytest.mark.stack, pytest.mark.faults, pytest.mark.timeout(900)]

Scenes = Callable[..., Scene]


def configure(kafka: Mapping[str, str], topic: str, **changes: str) -> None:
    """Change a topic's configuration; on return the cluster has taken it."""
    admin = AdminClient({**kafka, "log_level": "0"})
    entries = [
        ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
        for name, value in changes.items()
    ]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
    admin.incremental_alter_configs([resource])[resource].result(30)


@pytest.mark.parametrize("topic", ["state", "control", "walks"])
def test_records_that_the_log_refuses_end_the_worker_and_change_nothing(scene: Scenes, topic: str) -> None:
    repeats = one_in(4)
    play = scene(f"11 {topic} refuses what the worker sends", seed=41, load={"experiments": 60})
    name = getattr(play.installation.topics, topic)
    with play.running():
        for _ in range(repeats):
            worker = play.start()
            play.grown(50)
            configure(play.installation.kafka, name, max_message_bytes="80")
            assert worker.wait(60) == EXIT_CODE, worker.words()
            configure(play.installation.kafka, name, max_message_bytes=str(4 * 1024 * 1024))
    play.must_be_exact(repeats)


def test_poison_by_content_and_by_size_is_set_aside_and_its_neighbours_count(scene: Scenes) -> None:
    play = scene("12 poison by content and by size, among neighbours, with kills", seed=42)
    installation = play.installation
    lots = random.Random(42)
    packed = Producer({**installation.kafka, "compression.type": "zstd", "message.max.bytes": 30_000_000})
    sent = 0
    ok = codecs.encode_avro(events.Observation(experiment_id="e-001", values=[1.0]))
    once = codecs.encode_json(events.Observation(experiment_id="e-001", values=[1.0]))
    hexadecimal = os.urandom(600_000).hex().encode()  # 1.2 MB that only a better packer than ours halves
    with play.running():
        for repeat in range(REPEATS):
            worker = play.start()
            poison: list[tuple[bytes | None, bytes | None, Any]] = [
                (None, b"e-001", []),
                (b"", b"e-001", []),
                (lots.randbytes(200), b"e-001", []),
                (ok[: len(ok) // 2], b"e-001", []),
                (ok, b"another-key", []),
                (codecs.encode_avro(events.Observation(experiment_id="nobody-knows", values=[1.0])), None, []),
            ]
            large: list[tuple[bytes | None, bytes | None, Any]] = [
                (once.ljust(20_000_000), b"e-001", []),
                (hexadecimal, b"e-001", []),
                (once, b"e-001", [("large", b"x" * 5_000_000)]),
                (b"poison", b"e-001", [("large", b"x" * 5_000_000)]),
                (b"poison", b"k" * 5_000_000, []),
            ]
            for value, key, given in poison + (large if repeat % 4 == 0 else []):
                for partition in range(installation.partitions):
                    packed.produce(installation.topics.observations, value, key, partition=partition, headers=given)
                    packed.produce(installation.topics.control, value, key, partition=partition, headers=given)
                    sent += 1
            assert packed.flush(60) == 0
            play.grown(100)
            kill(worker)
        play.workload.acknowledged += sent
    play.must_be_exact(REPEATS)
    cut = [
        it for it in installation.read(installation.topics.rejected) if "__sprt.errors.cut_from_bytes" in headers(it)
    ]
    assert cut
    assert all(len(it.value() or b"") <= 1024 * 1024 for it in cut)


def test_producers_that_send_again_what_was_sent_count_once(scene: Scenes) -> None:
    lots, repeats = random.Random(43), one_in(2)
    play = scene("13 producer starts again and sends its newest records again, in order or not", seed=43)
    installation = play.installation
    with play.running():
        worker = play.start()
        for _ in range(repeats):
            play.grown(100)
            newest = installation.read(installation.topics.observations)[-200:]
            if lots.random() < 0.5:
                lots.shuffle(newest)
            for message in newest:
                installation.producer.produce(
                    message.topic() or "", message.value(), message.key(), partition=message.partition() or 0
                )
            play.workload.acknowledged += len(newest)
    play.must_be_exact(repeats, worker)


def test_a_transactional_source_counts_what_was_committed(scene: Scenes) -> None:
    lots = random.Random(44)
    play = scene("2 worker killed, its source transactional: every fourth transaction aborted", seed=44)
    installation, topic = play.installation, play.installation.topics.observations
    source = Producer({**installation.kafka, "transactional.id": f"{installation.name}-source", "log_level": 0})
    source.init_transactions(30)
    sequences = dict.fromkeys(play.workload.names, 0)
    with play.running():
        for _ in range(REPEATS):
            worker = play.start()
            for _ in range(5):
                source.begin_transaction()
                before, number = dict(sequences), 0
                for name in lots.choices(play.workload.names, k=40):
                    event = events.Observation(
                        experiment_id=name, values=[float(lots.random() < 0.5)], source="t", sequence=sequences[name]
                    )
                    source.produce(topic, codecs.encode_avro(event), name, partition=installation.partition_of(name))
                    sequences[name] += 1
                    number += 1
                source.flush(30)
                if lots.random() < 0.25:
                    source.abort_transaction(30)
                    sequences = before
                else:
                    source.commit_transaction(30)
                    play.workload.acknowledged += number
            play.grown(50)
            kill(worker)
    play.must_be_exact(REPEATS)


def test_a_compacted_source_counts_the_records_that_are_left(scene: Scenes) -> None:
    play = scene("14 source compacted before it was counted: holes between the offsets", seed=45)
    installation, topic = play.installation, play.installation.topics.observations
    configure(installation.kafka, topic, segment_ms="500")
    with play.running():  # nobody counts yet
        until(lambda: [1] if play.workload.acknowledged > 2_000 else [])
    compaction = {"min_compaction_lag_ms": "0", "min_cleanable_dirty_ratio": "0.001"}
    configure(installation.kafka, topic, cleanup_policy="compact", **compaction)
    until(lambda: [1] if len(installation.read(topic)) < play.workload.acknowledged // 2 else [], 120)
    configure(installation.kafka, topic, cleanup_policy="delete")  # what a worker asks for when it starts
    worker = play.start()
    play.until_all_read()
    stop(worker)
    assert_exact(play.judged(1, acknowledged=None))
