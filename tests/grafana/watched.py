"""All five roles under a real Prometheus, with experiments in every situation that a panel shows."""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml  # type: ignore[import-untyped]  # its stubs are a distribution of their own

from grafana import GENERATED
from grafana.scrape import config
from processors.topics import create_topics
from producers.client import Client
from schemas.metrics import ROLES, Role
from schemas.topics import Topics
from stack.ports import free_port
from stack.process import Child
from stack.prometheus import PrometheusServer
from tests.grafana.asking import values
from tests.waldstream.installation import environment, until

PARTITIONS = 2


@dataclass
class Watched:
    """Where everything is; `ports` are those of each role's `/metrics`, a second worker's under `second`."""

    folder: Path
    topics: Topics
    environment: dict[str, str]
    ports: dict[str, int]
    console: str
    prometheus: str
    client: Client
    opened: contextlib.ExitStack = field(repr=False)

    @property
    def kafka(self) -> dict[str, str]:
        return {"bootstrap.servers": self.environment["WALDSTREAM_KAFKA_BOOTSTRAP_SERVERS"]}

    @property
    def archives(self) -> Path:
        return self.folder / "archives"

    def start(self, role: str, **settings: str) -> None:
        """Start a role; it ends with the block."""
        own = self.environment | {f"WALDSTREAM_{name.upper()}": value for name, value in settings.items()}
        argv = (sys.executable, "-m", "waldstream", role)
        self.opened.enter_context(
            Child(role, argv, log=self.folder / f"{role}{settings.get('worker_metrics_port', '')}.log", env=own)
        )


@contextlib.contextmanager
def watching(kafka: str, redis_url: str, folder: Path, roles: Sequence[Role] = ROLES) -> Iterator[Watched]:
    """Inside the block the roles run on topics of their own and answer Prometheus; nothing is defined yet."""
    given = {"bootstrap.servers": kafka}
    ports = {role: free_port() for role in (*ROLES, "second")}
    topics, console = Topics(f"t{folder.name[-6:]}{ports['worker']}"), free_port()
    create_topics(given, topics, PARTITIONS)
    own = environment(
        folder,
        kafka_bootstrap_servers=kafka,
        topic_prefix=topics.prefix,
        app_id=topics.prefix,
        partitions=str(PARTITIONS),
        redis_url=redis_url,
        files=str(folder),
        console_port=str(console),
        **{f"{role}_metrics_port": str(ports[role]) for role in ROLES},
    )
    targets: dict[str, list[int]] = {role: [ports[role]] for role in ROLES}
    targets["worker"].append(ports["second"])
    scraping = config(targets, rules=[str(GENERATED / "prometheus/alerts.yml")])
    scraping["global"] |= {"scrape_interval": "500ms", "scrape_timeout": "500ms"}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(scraping))
    with contextlib.ExitStack() as opened:
        server = opened.enter_context(PrometheusServer(folder / "prometheus", folder / "prometheus.yml"))
        client = opened.enter_context(Client(given, topics))
        address = f"http://127.0.0.1:{console}"
        watched = Watched(folder, topics, own, ports, address, server.url, client, opened)
        for role in roles:
            watched.start(role)
        until(lambda: values(server.url, 'sum(up{job=~"waldstream-.+"})') == [float(len(roles))], 120)
        yield watched


def demonstrate(watched: Watched) -> None:
    """Let there be one run decided and archived, one running, one fed by the runner, one waiting, a record rejected."""
    client = watched.client
    for given in (
        definition("decided", 0.9),
        definition("running", 0.6),
        definition("fed", 0.5001, source={"kind": "entropy", "rate": 20.0}, schedule={"queue": "lab"}),
        definition("waiting", 0.6, schedule={"queue": "lab"}),
    ):
        reply = client.run(given, timeout=60.0)
        assert reply.status == "accepted", reply
    client.observe("decided", [1.0] * 40)
    client.observe("running", [1.0, 0.0] * 20)
    client.observe("unknown", [1.0])
    client.flush()
    for told in (
        'sprt_archives_total{result="written"} > 0',
        "sum(sprt_rejected_total) > 0",
        'sprt_source_records_total{kind="entropy"} > 20',
        "sprt_queue_waiting > 0",
        "sprt_read_model_up > 0",
    ):
        until(lambda told=told: values(watched.prometheus, told))  # type: ignore[misc]  # mypy: a lambda's default


def definition(experiment_id: str, p: float, **sections: object) -> dict[str, object]:
    """Return a definition of a test of 0.5 against p."""
    return {
        "id": experiment_id,
        "title": f"The experiment {experiment_id}",
        "owner": "ana",
        "tags": ["a", "b"],
        "model": {"family": "bernoulli", "h0": {"p": 0.5}, "h1": {"p": p}},
        "errors": {"alpha": 0.01, "beta": 0.01, "thresholds": "wald"},
        "stop": {"max_samples": 10_000},
    } | sections
