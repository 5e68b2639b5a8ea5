"""A real Prometheus answers every query with data, when each metric of the table has been there for an hour.

The series are made from the table, so this shows that names, labels and joins fit; the values mean nothing.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import pytest

from grafana.promql import TABLE
from schemas.metrics import METRICS, Metric
from stack.prometheus import PrometheusServer
from tests.grafana.asking import Asked, label_values, of_alerts, of_panels, of_variables, values
from tests.grafana.promtool import installed, promtool

_STEP, _STEPS = 15, 240
#: Values of labels whose list is open.
_LABELS: dict[str, tuple[str, ...]] = {
    "experiment_id": ("rng-bias", "coin.2"),
    "side": ("upper", "lower"),
    "hypothesis": ("h0", "h1"),
    "title": ("A title",),
    "owner": ("ana",),
    "tags": ("rng,lab",),
    "state": ("RUNNING", "DECIDED"),
    "topic": ("sprt.observations", "sprt.control"),
    "partition": ("0", "1"),
    "queue": ("lab",),
}


@dataclass(frozen=True)
class Prometheus:
    url: str
    at: float


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    end = int(time.time()) - 60
    recorded, config = folder / "recorded.txt", folder / "prometheus.yml"
    recorded.write_text("".join(_exposed(metric, end) for metric in TABLE.values()) + "# EOF\n")
    config.write_text("global: {scrape_interval: 15s}\n")
    promtool("tsdb", "create-blocks-from", "openmetrics", recorded, folder / "server" / "data")
    with PrometheusServer(folder / "server", config) as server:
        yield Prometheus(server.url, end)


@installed
@pytest.mark.parametrize("asked", [pytest.param(it, id=it.where) for it in of_panels()])
def test_a_panel_gets_data(prometheus: Prometheus, asked: Asked) -> None:
    _answered(prometheus, asked)


@installed
@pytest.mark.parametrize("asked", [pytest.param(it, id=it.where) for it in of_alerts()])
def test_an_alert_gets_data(prometheus: Prometheus, asked: Asked) -> None:
    _answered(prometheus, asked)


@installed
@pytest.mark.parametrize(("where", "label", "series"), list(of_variables()), ids=lambda it: it if ":" in it else "")
def test_a_variable_gets_its_options(prometheus: Prometheus, where: str, label: str, series: str) -> None:
    assert label_values(prometheus.url, label, series)


@installed
@pytest.mark.parametrize(
    ("tag", "is_found"), [("rng", True), ("lab", True), (".*", True), ("la", False), ("b|lab", True)]
)
def test_a_tag_is_found_among_the_tags_as_a_whole(prometheus: Prometheus, tag: str, is_found: bool) -> None:
    expression = f'sprt_experiment_info{{tags=~"(.*,)?({tag})(,.*)?"}}'

    assert bool(values(prometheus.url, expression, prometheus.at)) is is_found


@installed
def test_the_names_and_helps_of_the_table_are_what_prometheus_recommends() -> None:
    text = "".join(f"# HELP {it.name} {it.help}\n# TYPE {it.name} {it.kind}\n" for it in METRICS)
    samples = "".join(f"{it.name}{'_count' if it.kind == 'histogram' else ''} 1\n" for it in METRICS)

    promtool("check", "metrics", text=text + samples)


def _answered(prometheus: Prometheus, asked: Asked) -> None:
    found = values(prometheus.url, asked.expression, prometheus.at)

    assert found, f"no data: {asked}"
    assert not all(math.isnan(value) for value in found), f"no number: {asked}"


def _exposed(metric: Metric, end: int) -> str:
    """Return an hour of the metric in OpenMetrics text."""
    family = metric.name.removesuffix("_total") if metric.kind == "counter" else metric.name
    sets = metric.starts or tuple(product(*(_LABELS[label] for label in metric.labels)))
    lines = [f"# TYPE {family} {metric.kind}\n"]
    for job, chosen in product(metric.roles, sets):
        labels = ",".join(
            f'{name}="{value}"'
            for name, value in zip(
                ("job", "instance", *metric.labels), (f"waldstream-{job}", "a:1", *chosen), strict=True
            )
        )
        for step in range(_STEPS):
            moment = end - (_STEPS - 1 - step) * _STEP
            if metric.kind == "histogram":
                lines += [
                    f'{family}_bucket{{{labels},le="{bound}"}} {step * (place + 1)} {moment}\n'
                    for place, bound in enumerate((*metric.buckets, "+Inf"))
                ]
                count = step * (len(metric.buckets) + 1)
                lines += [
                    f"{family}_count{{{labels}}} {count} {moment}\n",
                    f"{family}_sum{{{labels}}} {step} {moment}\n",
                ]
            else:
                value = step if metric.kind == "counter" else 1
                lines.append(f"{metric.name}{{{labels}}} {value} {moment}\n")
    return "".join(lines)
