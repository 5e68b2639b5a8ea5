"""Every query of the dashboards and alerts as Prometheus gets it, with the dashboards' variables filled in."""

import json
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from grafana.alerts import ALERTS
from grafana.build import DASHBOARDS

_VALUES = {
    "job": "waldstream-.+",
    "instance": ".+",
    "experiment": ".+",
    "owner": ".*",
    "tag": ".*",
    "__rate_interval": "1m",
    "__range": "30m",
}


@dataclass(frozen=True)
class Asked:
    """One query and where it stands."""

    where: str
    expression: str


@dataclass(frozen=True)
class AskedOfConsole:
    """One query of the Infinity datasource: where it stands, the address, the items in the answer, their fields."""

    where: str
    path: str
    root: str
    fields: frozenset[str]


def filled(text: str) -> str:
    """Return the text with the value of each variable."""
    return re.sub(r"\$\{?(\w+)\}?", lambda found: _VALUES[found[1]], text)


def of_panels() -> Iterator[Asked]:
    for uid, contents in DASHBOARDS.items():
        for panel in contents()["panels"]:
            for target in panel.get("targets", ()):
                if "expr" in target:
                    where = f"{uid}: {panel['title']} ({target['refId']})"
                    yield Asked(where, filled(target["expr"]))


def of_alerts() -> Iterator[Asked]:
    for alert in ALERTS:
        yield Asked(alert.name, alert.expression)


def of_console(experiment_id: str, run: int) -> Iterator[AskedOfConsole]:
    """Yield every query of the console, about one run where it is about a run."""
    for uid, contents in DASHBOARDS.items():
        board = contents()
        targets = [
            *((panel["title"], target) for panel in board["panels"] for target in panel.get("targets", ())),
            *((each["name"], each["target"]) for each in board["annotations"]["list"]),
            *(
                (each["name"], each["query"]["infinityQuery"])
                for each in board["templating"]["list"]
                if each["type"] == "query" and isinstance(each["query"], dict)
            ),
        ]
        for title, target in targets:
            if target.get("parser") == "backend":
                path = target["url"].replace("${walk:raw}", f"{experiment_id}/runs/{run}")
                root = target["root_selector"].replace("${experiment:csv}", experiment_id)
                assert "$" not in path
                fields = frozenset(column["selector"] for column in target["columns"])
                yield AskedOfConsole(f"{uid}: {title}", path, root, fields)


def of_variables() -> Iterator[tuple[str, str, str]]:
    """Yield where it stands, the label, and the series that have it."""
    for uid, contents in DASHBOARDS.items():
        for variable in contents()["templating"]["list"]:
            if variable["type"] == "query" and isinstance(variable["query"], str):
                found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
                assert found is not None, variable["query"]
                yield f"{uid}: {variable['name']}", found[2], filled(found[1])


def values(prometheus: str, expression: str, at: float | None = None) -> list[float]:
    """Return the value of each series that the query gives now, or at a time."""
    given = {"query": expression} | ({} if at is None else {"time": str(at)})
    return [float(each["value"][1]) for each in _get(prometheus, "query", given)["result"]]


def label_values(prometheus: str, label: str, series: str) -> list[str]:
    """Return the values of a label among the series."""
    found: list[str] = _get(prometheus, f"label/{label}/values", {"match[]": series})
    return found


def json_of(url: str) -> Any:
    """Return what our own server on loopback answers."""
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310  loopback
        return json.load(answer)


def _get(prometheus: str, path: str, given: dict[str, str]) -> Any:
    return json_of(f"{prometheus}/api/v1/{path}?{urllib.parse.urlencode(given)}")["data"]
