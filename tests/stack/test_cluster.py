"""Three nodes keep an acknowledged write when one of them is lost, and take it back."""

from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from stack.cluster import KafkaCluster
from stack.errors import StackError

pytestmark = pytest.mark.stack


def produce(bootstrap: str, *values: bytes) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "enable.idempotence": True})
    for value in values:
        producer.produce("kept", value)
    assert producer.flush(60) == 0


def test_acknowledged_writes_survive_the_loss_of_a_node(tmp_path: Path) -> None:
    with KafkaCluster(tmp_path, properties={"broker.session.timeout.ms": "4000"}) as cluster:
        admin = AdminClient({"bootstrap.servers": cluster.bootstrap_servers})
        admin.create_topics([NewTopic("kept", 1, 3)])["kept"].result(30)
        produce(cluster.bootstrap_servers, b"by three")
        cluster.nodes[0].kill()
        produce(cluster.bootstrap_servers, b"by two")
        cluster.nodes[0].start()
        cluster.nodes[1].kill()
        consumer = Consumer({"bootstrap.servers": cluster.bootstrap_servers, "group.id": "reader"})
        consumer.assign([TopicPartition("kept", 0, 0)])
        assert [message.value() for message in consumer.consume(2, 60)] == [b"by three", b"by two"]
        consumer.close()
        cluster.kill()  # two of three cannot stop in good order
    assert not any(node.running for node in cluster.nodes)


def test_one_node_is_no_cluster(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="at least 2, given 1"):
        KafkaCluster(tmp_path, nodes=1)
