"""Real roles, a real Prometheus that scrapes them, real experiments: every query of panels and alerts returns data.

What stays empty is listed with its reason.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # its stubs are a distribution of their own

from exporter.verify import verify
from grafana.asked import ASKED
from grafana.scrape import config
from processors.topics import create_topics
from producers.client import Client
from schemas.topics import Topics
from stack.ports import free_port
from stack.process import Child
from stack.prometheus import PrometheusServer
from tests.grafana.asking import Asked, label_values, of_alerts, of_panels, of_variables, values
from tests.grafana.promtool import installed
from tests.waldstream.installation import environment, until

pytestmark = [pytest.mark.stack, installed]

PARTITIONS = 2
#: What has no value in this installation, and why.
EMPTY = {metric.name: "no role serves it yet" for metric in ASKED} | {
    "sprt_queue_waiting": "no experiment here waits in a queue",
    'result="disputed"': "no archive is disputed, and the exporter makes the series at the first one",
    'result="failed"': "no export fails, and the exporter makes the series at the first one",
    "process_": "the roles serve their own registry, without the process's own metrics",
}


@dataclass(frozen=True)
class Watched:
    prometheus: str
    archives: Path


@pytest.fixture(scope="module")
def watched(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Worker and exporter under Prometheus: one run decided and archived, one running, one record rejected."""
    folder = tmp_path_factory.mktemp("watched")
    given = {"bootstrap.servers": kafka}
    ports = {"worker": free_port(), "exporter": free_port()}
    topics = Topics(f"t{folder.name[-6:]}{ports['worker']}")
    create_topics(given, topics, PARTITIONS)
    own = environment(
        folder,
        kafka_bootstrap_servers=kafka,
        topic_prefix=topics.prefix,
        app_id=topics.prefix,
        partitions=str(PARTITIONS),
        worker_metrics_port=str(ports["worker"]),
        exporter_metrics_port=str(ports["exporter"]),
    )
    scraping = config({role: [port] for role, port in ports.items()})
    scraping["global"] = {"scrape_interval": "500ms", "scrape_timeout": "500ms"}
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(scraping))
    with (
        _role("worker", folder, own),
        _role("exporter", folder, own),
        PrometheusServer(folder / "prometheus", file) as server,
        Client(given, topics) as client,
    ):
        until(lambda: sum(values(server.url, 'sum(up{job=~"waldstream-.+"})')) == len(ports))
        for experiment_id, p in (("decided", 0.9), ("running", 0.6)):
            assert client.run(_definition(experiment_id, p), timeout=60.0).status == "accepted"
        client.observe("decided", [1.0] * 40)
        client.observe("running", [1.0, 0.0] * 20)
        client.observe("unknown", [1.0])
        client.flush()
        until(lambda: values(server.url, 'count_over_time(sprt_archives_total{result="written"}[5m]) > 1'))
        until(lambda: values(server.url, "count_over_time(sprt_rejected_total[5m]) > 1"))
        yield Watched(server.url, folder / "archives")


def test_every_panel_and_alert_gets_data_or_has_a_reason_not_to(watched: Watched) -> None:
    without = [asked for asked in (*of_panels(), *of_alerts()) if not values(watched.prometheus, asked.expression)]

    assert [asked for asked in without if not _excused(asked)] == []


def test_every_variable_gets_its_options(watched: Watched) -> None:
    assert all(label_values(watched.prometheus, label, series) for _, label, series in of_variables())


def test_the_numbers_are_those_of_the_experiments(watched: Watched) -> None:
    running = '{experiment_id="running"}'

    assert values(watched.prometheus, f"sprt_samples{running}") == [40.0]
    assert len(values(watched.prometheus, f"sprt_boundary{running}")) == 2
    assert values(watched.prometheus, 'sprt_decisions_total{outcome="accept_h1"}') == [1.0]
    assert values(watched.prometheus, 'sprt_rejected_total{reason="unknown_experiment"}') == [1.0]
    assert verify(watched.archives / "decided" / "1").ok


def _excused(asked: Asked) -> bool:
    return any(name in asked.expression for name in EMPTY)


def _role(role: str, folder: Path, own: dict[str, str]) -> Child:
    return Child(role, (sys.executable, "-m", "waldstream", role), log=folder / f"{role}.log", env=own)


def _definition(experiment_id: str, p: float) -> dict[str, object]:
    return {
        "id": experiment_id,
        "title": f"The experiment {experiment_id}",
        "owner": "ana",
        "tags": ["a", "b"],
        "model": {"family": "bernoulli", "h0": {"p": 0.5}, "h1": {"p": p}},
        "errors": {"alpha": 0.01, "beta": 0.01, "thresholds": "wald"},
    }
