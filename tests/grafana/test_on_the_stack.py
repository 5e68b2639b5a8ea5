"""Real roles, a real Prometheus that scrapes them, real experiments: every query of panels and rules returns data.

What stays empty is listed with its reason.
"""

import contextlib
import math
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonata import Jsonata
from prometheus_client.parser import text_string_to_metric_families

from exporter.verify import verify
from grafana.asked import Sources
from grafana.build import DASHBOARDS
from grafana.pictures import draw
from schemas.metrics import BY_NAME, METRICS, ROLES, Role
from tests.grafana.asking import (
    Asked,
    AskedOfConsole,
    json_of,
    label_values,
    of_alerts,
    of_console,
    of_panels,
    of_variables,
    values,
)
from tests.grafana.promtool import installed, promtool
from tests.grafana.watched import Watched, demonstrate, watching
from tests.waldstream.installation import until

pytestmark = [pytest.mark.stack, installed]

#: What has no value in this installation, and why.
EMPTY = {
    "WaldstreamExperimentStuck": "it looks ten minutes back; test_queries asks it with an hour of data",
    "WaldstreamRegistryAway": "no schema registry is set here; its series begins with the first wait for one",
}

#: Experiments whose run is open, after `demonstrate`.
_OPEN = {"running", "fed"}


@pytest.fixture(scope="module")
def watched(kafka: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watching(kafka, redis_url, tmp_path_factory.mktemp("watched")) as made:
        demonstrate(made)
        yield made


def test_every_panel_and_rule_gets_data_or_has_a_reason_not_to(watched: Watched) -> None:
    asked = [*of_panels(), *of_alerts()]
    with contextlib.suppress(pytest.fail.Exception):  # then what is missing is said below
        until(lambda: _without(watched, asked) == sorted(EMPTY), 20)

    assert _without(watched, asked) == sorted(EMPTY)


def test_every_query_of_the_console_gets_rows(watched: Watched) -> None:
    for asked in of_console("decided", 1):
        assert _rows(watched, asked), asked


def test_every_variable_gets_its_options(watched: Watched) -> None:
    assert all(label_values(watched.prometheus, label, series) for _, label, series in of_variables())


def test_the_numbers_are_those_of_the_experiments(watched: Watched) -> None:
    running = '{experiment_id="running"}'

    assert values(watched.prometheus, f"sprt_samples{running}") == [40.0]
    assert values(watched.prometheus, f"sprt_running{running}") == [1.0]
    assert values(watched.prometheus, f"sprt_max_samples{running}") == [10_000.0]
    assert len(values(watched.prometheus, f"sprt_boundary{running}")) == 2
    assert values(watched.prometheus, 'sprt_decisions_total{outcome="accept_h1", reason="boundary_upper"}') == [1.0]
    assert values(watched.prometheus, 'sprt_rejected_total{reason="unknown_experiment"}') == [1.0]
    assert values(watched.prometheus, 'sprt_queue_waiting{queue="lab"}') == [1.0]
    assert values(watched.prometheus, 'sprt_sources{kind="entropy"}') == [1.0]
    assert values(watched.prometheus, "sum(sprt_observations_total)") == values(
        watched.prometheus, 'sum(sprt_observations_total{result=~"applied|rejected|after_stop"})'
    )
    assert verify(watched.archives / "decided" / "1").ok


def test_no_rule_fires_but_that_of_the_rejected_record(watched: Watched) -> None:
    def evaluated() -> list[dict[str, Any]]:
        rules = json_of(f"{watched.prometheus}/api/v1/rules?type=alert")["data"]["groups"][0]["rules"]
        return [] if any(rule["health"] == "unknown" for rule in rules) else list(rules)

    found = until(evaluated)
    assert {rule["name"] for rule in found if rule["state"] == "firing"} <= {"WaldstreamRecordsRejected"}
    assert {rule["health"] for rule in found} == {"ok"}


def test_every_dashboard_can_be_drawn_and_the_drawing_is_in_the_documentation(watched: Watched, tmp_path: Path) -> None:
    now = time.time()
    drawn = draw(Sources(watched.prometheus, watched.console, None, now - 60, now), tmp_path)

    assert [path.stem for path in drawn] == list(DASHBOARDS)
    for path in drawn:
        assert path.read_bytes().startswith(b"\x89PNG")
        assert (Path(__file__).parents[2] / "docs/images" / path.name).is_file()


@pytest.mark.parametrize("role", ROLES)
def test_a_role_serves_its_part_of_the_table_and_nothing_else_of_ours(watched: Watched, role: Role) -> None:
    text = _metrics(watched.ports[role])
    served = {found.name for found in text_string_to_metric_families(text)}
    of_role = {it.name.removesuffix("_total") for it in METRICS if role in it.roles}

    promtool("check", "metrics", text=text)
    assert {name for name in served if name.startswith("sprt_")} == of_role
    assert {"process_resident_memory_bytes", "process_cpu_seconds"} <= served


@pytest.mark.parametrize("role", ROLES)
def test_a_closed_list_of_labels_is_there_from_the_start(watched: Watched, role: Role) -> None:
    text = _metrics(watched.ports[role])
    for family in text_string_to_metric_families(text):
        metric = BY_NAME.get(family.name) or BY_NAME.get(f"{family.name}_total")
        if metric is not None and metric.starts:
            assert {tuple(sample.labels.values()) for sample in family.samples} == {
                *(tuple(dict(zip(metric.labels, values, strict=True)).values()) for values in metric.starts)
            }


def test_two_workers_never_both_show_an_experiment_after_a_rebalance(watched: Watched) -> None:
    shown = "count by (experiment_id) (sprt_samples)"
    watched.start("worker", worker_metrics_port=str(watched.ports["second"]))
    until(lambda: sorted(values(watched.prometheus, "sprt_partitions_owned")) == [1.0, 1.0], 90)

    # the new owner does not show what had been decided before
    until(lambda: values(watched.prometheus, shown) == [1.0] * len(_OPEN))
    served = [_experiments(watched.ports[worker]) for worker in ("worker", "second")]

    assert not served[0] & served[1]
    assert served[0] | served[1] == _OPEN


def _without(watched: Watched, asked: list[Asked]) -> list[str]:
    """Return which queries have no value, or none that is a number."""
    found = {it.where: values(watched.prometheus, it.expression) for it in asked}
    return sorted(where for where, numbers in found.items() if not numbers or all(map(math.isnan, numbers)))


def _rows(watched: Watched, asked: AskedOfConsole) -> list[object]:
    """Return the rows that Grafana's Infinity plugin would take out of the console's answer."""
    found = Jsonata(asked.root).evaluate(json_of(watched.console + asked.path))
    rows = list(found) if isinstance(found, list) else [found] if found else []
    for row in rows:
        assert not asked.fields - row.keys(), (asked, row)
    return rows


def _experiments(port: int) -> set[str]:
    families = {found.name: found for found in text_string_to_metric_families(_metrics(port))}
    return {sample.labels["experiment_id"] for sample in families["sprt_samples"].samples}


def _metrics(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
    return text
