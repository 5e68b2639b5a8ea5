"""The doctor: what it finds in a cluster that is not ready, in one that is, and in one that somebody changed."""

from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from processors import clients
from processors.doctor import Finding, examine
from processors.topics import create_topics
from schemas.topics import Topics
from tests.faults.test_records import configure

pytestmark = pytest.mark.stack


def findings(kafka: dict[str, str], topics: Topics, partitions: int = 2, copies: int = 1) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for finding in examine(kafka, topics, partitions, copies, app_id=topics.prefix, folders=[Path("nowhere/yet")]):
        found.setdefault(finding.check, []).append(finding)
    return found


def test_the_doctor_names_what_is_missing_and_what_was_changed(kafka: str) -> None:
    properties, topics = {"bootstrap.servers": kafka}, Topics(f"d{uuid4().hex[:8]}")
    bare = findings(properties, topics, copies=3)
    assert {it.remedy for it in bare["topics"]} == {"waldstream topics create"}
    assert bare["brokers"][0].status == "wrong"
    assert bare["brokers"][0].remedy == "start 2 more, or set replication_factor to at most 1"
    assert "transactions" not in bare

    create_topics(properties, topics, 2)
    ready = findings(properties, topics)
    assert [it for found in ready.values() for it in found if it.status == "wrong"] == []
    assert [it.status for it in ready["topics"]] == ["ok"] * 7
    assert [it.found for it in ready["transactions"]] == ["one was begun, written and aborted"]
    assert ready["clocks"][0].status == "ok"
    assert ready["progress"][0].found == "0 observation records are not counted yet"
    assert ready["disk"][0].found.endswith("nowhere/yet")

    configure(properties, topics.observations, message_timestamp_type="CreateTime")
    configure(properties, topics.control, retention_ms="86400000")
    changed = {it.found: it for it in findings(properties, topics, partitions=3)["topics"]}
    assert changed[f"{topics.observations}: message.timestamp.type=CreateTime"].status == "wrong"
    assert changed[f"{topics.control}: retention.ms=86400000"].status == "warning"
    assert changed[f"{topics.walks}: 2 partitions; the setting says 3"].status == "wrong"


def test_the_doctor_sees_records_that_were_deleted_before_they_were_counted(kafka: str) -> None:
    properties, topics = {"bootstrap.servers": kafka}, Topics(f"d{uuid4().hex[:8]}")
    create_topics(properties, topics, 2)
    reader = clients.reader(properties, f"{topics.prefix}-progress")
    reader.commit(offsets=[TopicPartition(topics.observations, 0, 0)], asynchronous=False)
    reader.close()
    producer = Producer(clients.transactional(properties, "fills"))
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(topics.observations, b"x", partition=0)
    producer.commit_transaction(20)
    cut = TopicPartition(topics.observations, 0, 1)
    admin = AdminClient({**properties})
    admin.delete_records([cut])[cut].result(30)
    progress = findings(properties, topics)["progress"]
    assert progress[0].status == "wrong"
    assert progress[0].found == "partition 0: position 0, the log begins at 1"
