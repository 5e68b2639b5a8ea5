"""What the panels of a dashboard ask, answered by Prometheus and the console over HTTP, as Grafana would get it."""

import json
import re
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Series:
    """One line: its labels, and moments (seconds since the epoch) with values; one moment for an instant query."""

    labels: dict[str, str]
    times: list[float]
    values: list[float]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the data are, and the time that is shown, in seconds since the epoch."""

    prometheus: str
    console: str
    console_token: str | None
    start: float
    end: float

    def range(self, expression: str, variables: dict[str, str]) -> list[Series]:
        """Return the lines of an expression over the time that is shown, some 300 points each."""
        step = max((self.end - self.start) / 300, 1.0)
        asked = {"query": self._filled(expression, variables), "start": self.start, "end": self.end, "step": step}
        return [_series(each["metric"], each["values"]) for each in self._prometheus("query_range", asked)]

    def now(self, expression: str, variables: dict[str, str]) -> list[Series]:
        """Return the values of an expression at the end of the time that is shown."""
        asked = {"query": self._filled(expression, variables), "time": self.end}
        return [_series(each["metric"], [each["value"]]) for each in self._prometheus("query", asked)]

    def label_values(self, label: str, series: str) -> list[str]:
        """Return the values of a label among the series of the time that is shown."""
        query = urllib.parse.urlencode({"match[]": series, "start": self.start, "end": self.end})
        found: list[str] = _json(f"{self.prometheus}/api/v1/label/{label}/values?{query}")["data"]
        return found

    def of_console(self, path: str) -> Any:
        """Return what the console's API answers."""
        headers = {} if self.console_token is None else {"Authorization": f"Bearer {self.console_token}"}
        return _json(self.console + path, headers)

    def _filled(self, expression: str, variables: dict[str, str]) -> str:
        values = variables | {"__range": f"{self.end - self.start:.0f}s", "__rate_interval": "20s"}
        return re.sub(r"\$\{?(\w+)\}?", lambda found: values.get(found[1], ".+"), expression)

    def _prometheus(self, path: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = _json(f"{self.prometheus}/api/v1/{path}?{urllib.parse.urlencode(asked)}")["data"][
            "result"
        ]
        return found


def _series(labels: dict[str, str], samples: list[list[Any]]) -> Series:
    return Series(labels, [float(at) for at, _ in samples], [float(value) for _, value in samples])


def _json(url: str, headers: dict[str, str] | None = None) -> Any:
    request = urllib.request.Request(url, headers=headers or {})  # noqa: S310  an address that the user gave
    with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310  same
        return json.load(answer)
