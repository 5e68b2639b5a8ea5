"""Several Kafka nodes on one host that replicate to each other; each may be killed and started again on its own.

With three nodes one may be lost without losing an acknowledged write: `min.insync.replicas` is 2.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from stack.errors import StackError
from stack.jars import ensure_jars
from stack.java import Java, find_java
from stack.kafka import FAST_START, KafkaNode, new_cluster_id
from stack.ports import free_port


class KafkaCluster:
    """Kafka nodes numbered from 1, every one broker and controller.

    Parameters
    ----------
    data_dir
        Holds a folder `node-<n>` per node and the cluster's id; a cluster on the same folder goes on with its data.
    nodes
        How many, at least 2; an odd number keeps a majority of controllers best.
    jars, java, heap, jvm_options, properties
        As of `KafkaNode`, for every node.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        nodes: int = 3,
        jars: Sequence[Path] | None = None,
        java: Java | None = None,
        heap: str = "256m",
        jvm_options: Sequence[str] = FAST_START,
        properties: Mapping[str, str] | None = None,
    ) -> None:
        if nodes < 2:
            raise StackError(f"nodes: a cluster has at least 2, given {nodes}; one alone is a KafkaNode")
        jars = ensure_jars() if jars is None else jars
        java = find_java() if java is None else java
        voters = {number: free_port() for number in range(1, nodes + 1)}
        cluster_id = _kept_cluster_id(data_dir)
        self.nodes = tuple(
            KafkaNode(
                data_dir / f"node-{number}",
                jars=jars,
                java=java,
                heap=heap,
                jvm_options=jvm_options,
                properties=properties,
                node_id=number,
                voters=voters,
                cluster_id=cluster_id,
            )
            for number in voters
        )

    @property
    def bootstrap_servers(self) -> str:
        """Addresses of all nodes."""
        return ",".join(node.bootstrap_servers for node in self.nodes)

    def start(self) -> None:
        """Return once every node is registered and ready, so that topics with all replicas can be created."""
        try:
            for node in self.nodes:
                node.launch()
            for node in self.nodes:
                node.wait_ready()
        except BaseException:
            self.kill()
            raise

    def stop(self, deadline: float = 10.0) -> None:
        """End all nodes together, by force after the deadline in seconds: one left without a majority would wait on."""
        give_up = time.monotonic() + deadline
        for node in self.nodes:
            node.terminate()
        for node in self.nodes:
            node.stop(max(0.0, give_up - time.monotonic()))

    def kill(self) -> None:
        """End all nodes at once, as a power cut of the processes would."""
        for node in self.nodes:
            node.kill()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _kept_cluster_id(data_dir: Path) -> str:
    """Return the id that the folder's nodes were or will be formatted with."""
    file = data_dir / "cluster.id"
    if not file.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        file.write_text(new_cluster_id())
    return file.read_text()
