"""One node of real Kafka in KRaft mode, in its own data folder; a cluster of them is in `stack.cluster`.

Data survives `stop`, `kill` and the end of this process: a node on the same folder goes on where the last one ended.
"""

import base64
import fcntl
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from stack.errors import DataFolderError, NoSpaceError, PortTakenError, StackError, StartFailedError
from stack.jars import ensure_jars
from stack.java import Java, find_java
from stack.kafka_config import log4j2_properties, server_properties
from stack.ports import LOOPBACK, free_port, require_free
from stack.process import Child
from stack.server import Server

_READY_LOGGER = "kafka.server.KafkaRaftServer"
_READY = "Kafka Server started"
FAST_START = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""Options of the Java machine for a small broker that starts soon; for a benchmark give `("-XX:+UseG1GC",)`."""
RECORDS_SINCE = 25
"""The first Java that uses a recording of a start as `stack.recording` makes it."""


def new_cluster_id() -> str:
    """Return a random cluster id in the form Kafka wants: 16 bytes, base64 for URLs, no leading dash."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text


def recording_of(jars: Sequence[Path]) -> Path:
    """Return where the recording of a start with this class path is kept, if there is one: beside the jars."""
    return jars[0].parent / "start.aot"


class KafkaNode(Server):
    """One Kafka process, broker and controller at once, on loopback without encryption.

    Parameters
    ----------
    data_dir
        Holds the logs, the configuration as written for the last start, and `broker.log`.
    jars
        Class path; fetched into the default cache if None.
    java
        Runtime; found by `find_java` if None.
    port, controller_port
        Free ones if None; they stay the same over `stop`, `kill` and `start`.
    heap
        Size of the Java heap, as `256m` or `1g`.
    jvm_options
        Further options of the Java machine.
    properties
        Broker properties that replace or follow those of `stack.kafka_config`.
    node_id, voters, cluster_id
        For a node of a cluster: its number, the controller port of every node, the id they share.
    deadline
        Seconds in which the node must be ready.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        jars: Sequence[Path] | None = None,
        java: Java | None = None,
        port: int | None = None,
        controller_port: int | None = None,
        heap: str = "256m",
        jvm_options: Sequence[str] = FAST_START,
        properties: Mapping[str, str] | None = None,
        node_id: int = 1,
        voters: Mapping[int, int] | None = None,
        cluster_id: str | None = None,
        deadline: float = 90.0,
    ) -> None:
        super().__init__(f"Kafka node {node_id}", data_dir, port or free_port(), deadline=deadline)
        if "," in str(self.data_dir):
            raise DataFolderError(
                f"{self.name}: {self.data_dir} holds a comma, which Kafka takes for the end of a path"
            )
        self._jars = tuple(ensure_jars() if jars is None else jars)
        self._java = find_java() if java is None else java
        self._heap = heap
        self._jvm_options = tuple(jvm_options)
        self._properties = dict(properties or {})
        self._node_id = node_id
        self._voters = dict(voters or {node_id: controller_port or free_port()})
        self._cluster_id = cluster_id

    @property
    def bootstrap_servers(self) -> str:
        """Address that clients are given."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def log(self) -> Path:
        """What the broker logged, over all its starts."""
        return self.data_dir / "broker.log"

    @property
    def _data(self) -> Path:
        return self.data_dir / "data"

    @property
    def _config(self) -> Path:
        return self.data_dir / "server.properties"

    def _launch(self) -> Child:
        require_free(self.port, self.name)
        require_free(self._voters[self._node_id], f"{self.name}, controller")
        # Kafka's own lock comes late: a second broker would have written into the metadata of the first by then.
        with (self.data_dir / ".lock").open("wb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise self._in_use() from error
            self._write_settings()
            self._format()
            return self._java_child("kafka.Kafka", str(self._config), keeps=lock)

    def _in_use(self) -> DataFolderError:
        return DataFolderError(f"{self.name}: the data folder {self.data_dir} is in use by another Kafka")

    def _write_settings(self) -> None:
        text = server_properties(
            node_id=self._node_id,
            port=self.port,
            voters=self._voters,
            data=self._data,
            overrides=self._properties,
        )
        self._config.write_text(text)
        (self.data_dir / "log4j2.properties").write_text(log4j2_properties(self.log, _READY_LOGGER))
        # Native libraries are unpacked here at each start and would stay behind after a kill.
        shutil.rmtree(self.data_dir / "tmp", ignore_errors=True)
        (self.data_dir / "tmp").mkdir()

    def _format(self) -> None:
        """Format the data folder unless it is; meta.properties is the last thing the format tool writes."""
        if (self._data / "meta.properties").exists():
            return
        cluster_id = self._cluster_id or new_cluster_id()
        tool = self._java_child(
            "kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", cluster_id, "-c", str(self._config)
        )
        try:
            code = tool.wait(self._deadline)
        finally:
            tool.kill()
        if code != 0:
            raise self._failure(f"could not format {self._data} (exit code {code})")

    def _java_child(self, *arguments: str, keeps: IO[bytes] | None = None) -> Child:
        argv = (
            str(self._java.path),
            f"-Xms{self._heap}",
            f"-Xmx{self._heap}",
            *self._jvm_options,
            "-XX:+ExitOnOutOfMemoryError",
            "-XX:-UsePerfData",
            *self._recorded(),
            f"-XX:ErrorFile={self.data_dir / 'java-error.log'}",
            f"-Djava.io.tmpdir={self.data_dir / 'tmp'}",
            "-Djava.awt.headless=true",
            f"-Dlog4j2.configurationFile={(self.data_dir / 'log4j2.properties').as_uri()}",
            "-cp",
            os.pathsep.join(map(str, self._jars)),
            *arguments,
        )
        return Child(self.name, argv, log=self._output, cwd=self.data_dir, keeps=keeps)

    def _recorded(self) -> tuple[str, ...]:
        kept = recording_of(self._jars)
        return (f"-XX:AOTCache={kept}",) if self._java.version >= RECORDS_SINCE and kept.exists() else ()

    @property
    def _output(self) -> Path:
        return self.data_dir / "output.log"

    def _answers(self) -> bool:
        return _READY in self._log_since_launch()

    def _explain(self, log: str) -> StackError | None:
        if "Address already in use" in log:
            return PortTakenError(f"{self.name}: port {self.port} or its controller's port was taken while it started")
        if "No space left on device" in log:
            return NoSpaceError(f"{self.name}: no space left in {self.data_dir}")
        if "Failed to acquire lock" in log:
            return self._in_use()
        if not log.strip():  # it did not come as far as logging
            output = self._output.read_text(errors="replace")[-2_000:].strip() if self._output.exists() else ""
            return StartFailedError(f"{self.name} ended before it was ready; the end of {self._output}:\n{output}")
        return None
