"""What a worker needs to know; it reads no environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from processors.transactions import KillPoint
from schemas.registry import Registry
from schemas.topics import Topics


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """The settings of one worker.

    Parameters
    ----------
    kafka
        librdkafka client properties: `bootstrap.servers` and security.
    topics
        The catalog with its prefix.
    partitions
        Partitions of every topic, fixed for life.
    app_id
        Name of the group, and stem of the transactional ids `<app_id>-<partition>`: the same for all workers.
    instance_id
        A name that survives a restart (static membership), so that a worker that was killed gets its partitions back
        at once and not after the session timeout; different for each worker, None for none.
    metrics_host, metrics_port
        Where `/metrics` is served; no port, no server.
    session_seconds
        After so long without a heartbeat a worker's partitions go to others.
    pace_seconds
        Pause between two fetches while there is no lag: bounds the number of transactions. If that is longer,
        twice as long as it took to fetch, compute and commit what came, or where nothing comes a tenth of that
        silence; each at most 0.4 s.
    batch_records
        The largest batch, of many experiments twice that; what is really taken adapts to `batch_seconds`.
    batch_seconds
        How long one batch may compute.
    solver_processes
        Processes that solve definitions, started with the first one.
    solver_seconds
        A definition that takes more of a processor's time is refused.
    registry
        Where the schemas of Confluent frames are asked for; without one such frames are rejected.
    command_rate
        Commands a second that one experiment may be sent for long, ten seconds' worth at once.
    kill_point
        Only for tests: called with the name of each point of a step.
    """

    kafka: Mapping[str, str]
    topics: Topics = field(default_factory=Topics)
    partitions: int = 4
    app_id: str = "waldstream"
    instance_id: str | None = None
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None
    session_seconds: float = 10.0
    pace_seconds: float = 0.05
    batch_records: int = 100_000
    batch_seconds: float = 0.15
    solver_processes: int = 1
    solver_seconds: float = 10.0
    registry: Registry | None = None
    command_rate: float = 20.0
    kill_point: KillPoint | None = None

    @property
    def progress_group(self) -> str:
        """Where copies of the positions are published: a group that has no members."""
        return f"{self.app_id}-progress"
