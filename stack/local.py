"""The whole local stack as one `with` block: Java and jars found or fetched, Kafka and Redis started together.

Whatever ends the block stops both; whatever ends the process ends both.
"""

import contextlib
import fcntl
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from rich.console import Console

from stack.errors import DataFolderError
from stack.jars import ensure_jars
from stack.java import find_java
from stack.kafka import FAST_START, KafkaNode
from stack.redis import RedisServer


class LocalStack:
    """Real Kafka and Redis on loopback; `kafka` and `redis` may be stopped, killed and started inside the block.

    Parameters
    ----------
    data_dir
        Holds `kafka/` and `redis/`; one stack at a time. Kafka's data stay for the next start.
    cache_dir
        Where the broker's jars are kept; the user's cache if None.
    console
        Where progress is drawn; silent if None.
    kafka_port, redis_port
        Free ones if None.
    java, redis_server
        Programs to use instead of those found.
    heap, jvm_options, properties
        As of `KafkaNode`.
    registry
        Address of a Maven repository; Maven Central if None.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        cache_dir: Path | None = None,
        console: Console | None = None,
        kafka_port: int | None = None,
        redis_port: int | None = None,
        java: Path | None = None,
        redis_server: Path | None = None,
        heap: str = "512m",
        jvm_options: Sequence[str] = FAST_START,
        properties: Mapping[str, str] | None = None,
        registry: str | None = None,
    ) -> None:
        self.data_dir = data_dir
        self._console = console
        self._running = contextlib.ExitStack()
        self.redis = RedisServer(data_dir / "redis", port=redis_port, program=redis_server)
        self.kafka = KafkaNode(
            data_dir / "kafka",
            java=find_java(java),
            jars=ensure_jars(cache_dir, console=console, registry=registry),
            port=kafka_port,
            heap=heap,
            jvm_options=jvm_options,
            properties=properties,
        )

    @property
    def bootstrap_servers(self) -> str:
        """Address of Kafka."""
        return self.kafka.bootstrap_servers

    @property
    def redis_url(self) -> str:
        """Address of Redis with its password."""
        return self.redis.url

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opened:
            opened.enter_context(_only_user(self.data_dir))
            opened.callback(self.redis.stop)
            opened.callback(self.kafka.stop)
            with self._console.status("starting Kafka and Redis") if self._console else contextlib.nullcontext():
                self.kafka.launch()
                self.redis.start()
                self.kafka.wait_ready()
            self._running = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()


@contextlib.contextmanager
def _only_user(data_dir: Path) -> Iterator[None]:
    """Hold the data folder; the system lets go of it when the process ends, however it ends."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        file = (data_dir / ".lock").open("w")
    except OSError as error:
        raise DataFolderError(f"the data folder {data_dir} cannot be used: {error}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataFolderError(
                f"the data folder {data_dir} is in use by another local stack; end it first"
            ) from error
        yield
