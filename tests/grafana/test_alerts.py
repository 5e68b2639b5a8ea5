"""Each alert fires when it must, is explained in the runbook, and is the same in Prometheus and in Grafana."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # its stubs are a distribution of their own

from grafana import GENERATED, rules
from grafana.alerts import ALERTS, RUNBOOK, Alert
from grafana.board import FOLDER_TITLE
from grafana.build import DASHBOARDS
from grafana.variables import PROMETHEUS_UID
from tests.grafana.promtool import installed, promtool

ROOT = Path(__file__).parents[2]
UNIT_TESTS = Path(__file__).parent / "alerts.test.yml"
each_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)


@installed
def test_prometheus_accepts_the_rules() -> None:
    assert f"SUCCESS: {len(ALERTS)} rules found" in promtool("check", "rules", GENERATED / "prometheus/alerts.yml")


@installed
def test_each_alert_fires_when_it_must_and_only_then() -> None:
    assert "SUCCESS" in promtool("test", "rules", UNIT_TESTS)


@each_alert
def test_an_alert_is_tested_both_ways(alert: Alert) -> None:
    cases = [case for group in yaml.safe_load(UNIT_TESTS.read_text())["tests"] for case in group["alert_rule_test"]]
    mine = [bool(case.get("exp_alerts")) for case in cases if case["alertname"] == alert.name]

    assert set(mine) == {True, False}


@each_alert
def test_an_alert_has_an_entry_in_the_runbook(alert: Alert) -> None:
    page = (ROOT / RUNBOOK).read_text("utf-8")
    entry = re.search(rf"^### {alert.name}\n(.*?)(?=^#|\Z)", page, re.DOTALL | re.MULTILINE)

    assert entry, f"{RUNBOOK} has no heading {alert.name}"
    for part in ("**Means.**", "**Look.**", "**Do.**"):
        assert part in entry[1]


def test_the_runbook_has_no_entry_without_an_alert() -> None:
    headings = re.findall(r"^### (Waldstream\w+)$", (ROOT / RUNBOOK).read_text("utf-8"), re.MULTILINE)

    assert [alert.name for alert in ALERTS] == headings


@each_alert
def test_an_alert_leads_to_a_dashboard_that_exists(alert: Alert) -> None:
    assert alert.dashboard in DASHBOARDS


@each_alert
def test_grafana_compares_what_prometheus_compares(alert: Alert) -> None:
    (rule,) = (rule for rule in _provisioned() if rule["title"] == alert.name)
    asked, compared = rule["data"]
    evaluator = compared["model"]["conditions"][0]["evaluator"]
    sign = {"gt": ">", "lt": "<"}[evaluator["type"]]
    (prometheus,) = (it for it in rules.prometheus()["groups"][0]["rules"] if it["alert"] == alert.name)

    assert prometheus["expr"] == f"({asked['model']['expr']}) {sign} {evaluator['params'][0]:g}"
    assert (rule["condition"], compared["model"]["expression"]) == ("B", "A")
    assert asked["datasourceUid"] == PROMETHEUS_UID
    assert rule["for"] == prometheus["for"]
    assert rule["labels"] == prometheus["labels"]
    assert asked["relativeTimeRange"]["from"] >= max(
        map(_seconds, re.findall(r"\[(\w+)\]", alert.expression)), default=0
    )


def test_alerts_have_uids_of_their_own_that_grafana_takes() -> None:
    uids = [rule["uid"] for rule in _provisioned()]

    assert len(uids) == len(set(uids))
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", uid) for uid in uids)


def test_alerts_lie_in_a_folder_apart_from_the_dashboards() -> None:
    assert rules.FOLDER_TITLE != FOLDER_TITLE
    assert {group["folder"] for group in rules.provisioning()["groups"]} == {rules.FOLDER_TITLE}


def _provisioned() -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = rules.provisioning()["groups"][0]["rules"]
    return listed


def _seconds(text: str) -> int:
    return int(text[:-1]) * {"s": 1, "m": 60, "h": 3600}[text[-1]]
