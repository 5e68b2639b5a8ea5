"""The brokers that the fault runs stand on: one node, or three of which one may be lost."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # documented as public

from stack.cluster import KafkaCluster
from stack.kafka import KafkaNode
from stack.ports import LOOPBACK, free_port
from tests.faults.proxy import Proxy

# A worker that died without a name is missed after two seconds, not six: so that a repeat is short.
_PROPERTIES = {
    "group.min.session.timeout.ms": "1000",
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",  # one that is late on a busy machine must not put the broker out of use
    "log.cleaner.backoff.ms": "500",  # compaction, where a scenario asks for it, within seconds
    "log.initial.task.delay.ms": "500",
}
NODES = {1: "one node", 3: "three nodes"}


class Ground:
    """The nodes by place, and how to hurt them; `heal` brings all back."""

    def __init__(self, folder: Path, number: int) -> None:
        self.number = number
        self._cluster: KafkaNode | KafkaCluster
        if number == 1:
            self._cluster = KafkaNode(folder, properties=_PROPERTIES)
            self.nodes: tuple[KafkaNode, ...] = (self._cluster,)
        else:
            self._cluster = KafkaCluster(folder, nodes=number, properties=_PROPERTIES)
            self.nodes = self._cluster.nodes
        self.proxies = tuple(_proxied(node) for node in self.nodes)
        self._cluster.start()

    @property
    def bootstrap(self) -> str:
        return self._cluster.bootstrap_servers

    @property
    def replicas(self) -> int:
        return self.number

    @property
    def proxied(self) -> str:
        """Return the addresses of the same brokers behind a network that can be hurt."""
        return ",".join(f"{LOOPBACK}:{proxy.port}" for proxy in self.proxies)

    def close(self) -> None:
        self._cluster.kill()

    def heal(self) -> None:
        """Mend the network, start every node that is down, and return once all are ready."""
        for proxy in self.proxies:
            proxy.heal()
        down = [node for node in self.nodes if not node.running]
        for node in down:
            node.launch()
        for node in down:
            node.wait_ready()

    def leader(self, topic: str, partition: int = 0) -> KafkaNode:
        """Return the node that leads a partition."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": "0"})
        led_by = admin.list_topics(topic, timeout=20).topics[topic].partitions[partition].leader
        return self.nodes[max(0, led_by - 1)]

    def wait_in_sync(self, topic: str, partitions: int, seconds: float = 60) -> None:
        """Return once every replica of the topic is in sync and its ends can be read."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": "0"})
        give_up = time.monotonic() + seconds
        while True:
            found = admin.list_topics(topic, timeout=20).topics[topic].partitions
            if all(len(it.isrs) == self.replicas and it.leader >= 0 for it in found.values()):
                break
            assert time.monotonic() < give_up, f"{topic} not in sync within {seconds} s"
            time.sleep(0.1)
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # of the library
        asked = {TopicPartition(topic, it): latest for it in range(partitions)}
        while True:
            try:
                for future in admin.list_offsets(asked).values():
                    future.result(30)
            except KafkaException:  # a broker that is just back knows less than who asks it
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.1)
            else:
                return


def _proxied(node: KafkaNode) -> Proxy:
    """Give a node a second door, behind a proxy; who enters there is told of the other nodes' second doors."""
    inner, controller = free_port(), node._voters[node._node_id]
    proxy = Proxy(inner)
    node._properties |= {
        "listeners": f"PLAINTEXT://{LOOPBACK}:{node.port},PROXIED://{LOOPBACK}:{inner},"
        f"CONTROLLER://{LOOPBACK}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{node.port},PROXIED://{LOOPBACK}:{proxy.port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
    }
    return proxy


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Stop a process inside the block, as a long pause of its machine would."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
