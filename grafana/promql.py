"""PromQL out of the table of metrics: a name or a label that the table does not have is an error when building.

Queries of panels narrow to the dashboard's `job` and `instance`; those of alerts take every target.
"""

import re
from collections.abc import Iterable

from schemas.metrics import BY_NAME, ROLES, Metric

#: Metrics that Prometheus and its Python client make themselves.
_BUILT_IN = (
    Metric("up", "gauge", "1 if the last scrape of a target succeeded", ROLES),
    Metric("process_cpu_seconds_total", "counter", "Processor time of a process", ROLES),
    Metric("process_resident_memory_bytes", "gauge", "Memory of a process", ROLES),
)
TABLE: dict[str, Metric] = {metric.name: metric for metric in _BUILT_IN} | BY_NAME

#: What every query of a panel narrows to.
CHOSEN = ('job=~"$job"', 'instance=~"$instance"')
_TARGET_LABELS = {"job", "instance"}
_MATCHER = re.compile(r'^([a-z_]+)(?:=~|!~|!=|=)"[^"]*"$')


class UnknownMetricError(KeyError):
    """A query names a metric or a label that the table of metrics does not have."""


def metric(name: str) -> Metric:
    """Return the metric's line of the table.

    Raises
    ------
    UnknownMetricError
        If there is none.
    """
    try:
        return TABLE[name]
    except KeyError:
        raise UnknownMetricError(f"{name}: no such metric; allowed: {', '.join(sorted(TABLE))}") from None


def gauge(name: str, *matchers: str) -> str:
    """Return the selector of a gauge."""
    return _selector(name, "gauge", "", matchers)


def counter(name: str, *matchers: str) -> str:
    """Return the selector of a counter; it means something only inside `rate` or `increase`."""
    return _selector(name, "counter", "", matchers)


def latest(name: str, by: Iterable[str] = (), *matchers: str) -> str:
    """Return the value of a gauge, once even while two owners of a partition overlap."""
    return f"max{_by(name, by)}({gauge(name, *CHOSEN, *matchers)})"


def total(name: str, by: Iterable[str] = (), *matchers: str) -> str:
    """Return the sum of a gauge over the targets."""
    return f"sum{_by(name, by)}({gauge(name, *CHOSEN, *matchers)})"


def per_second(name: str, by: Iterable[str] = (), *matchers: str) -> str:
    """Return how fast a counter grows."""
    return f"sum{_by(name, by)}(rate({counter(name, *CHOSEN, *matchers)}[$__rate_interval]))"


def in_range(name: str, by: Iterable[str] = (), *matchers: str) -> str:
    """Return by how much a counter grew in the time that the dashboard shows."""
    return f"sum{_by(name, by)}({grown(counter(name, *CHOSEN, *matchers), '$__range')})"


def grown(selector: str, over: str) -> str:
    """Return by how much each series of a counter grew; one that is younger than that counts in full.

    `increase` alone takes the first sample of a series for its beginning, so what a process counted before its first
    scrape would be missing.
    """
    return f"{selector} unless {selector} offset {over} or increase({selector}[{over}])"


def count_in_range(name: str, *matchers: str) -> str:
    """Return how many values a histogram took in the time that the dashboard shows."""
    return f"sum({grown(_selector(name, 'histogram', '_count', (*CHOSEN, *matchers)), '$__range')})"


def quantile(q: float, name: str, over: str = "$__rate_interval") -> str:
    """Return the quantile of what a histogram took in lately."""
    buckets = _selector(name, "histogram", "_bucket", CHOSEN)
    taken = f"rate({buckets}[{over}])" if over == "$__rate_interval" else grown(buckets, over)
    return f"histogram_quantile({q:g}, sum by (le) ({taken}))"


def _selector(name: str, kind: str, suffix: str, matchers: Iterable[str]) -> str:
    line = metric(name)
    if line.kind != kind:
        raise UnknownMetricError(f"{name}: a {line.kind}, used as a {kind}")
    given = tuple(matchers)
    for matcher in given:
        found = _MATCHER.match(matcher)
        if found is None:
            raise UnknownMetricError(f'{name}: no matcher {matcher!r}; allowed: label="value", and with !=, =~ or !~')
        _check_label(line, found[1])
    return f"{name}{suffix}{{{', '.join(given)}}}" if given else f"{name}{suffix}"


def _by(name: str, labels: Iterable[str]) -> str:
    given = tuple(labels)
    for label in given:
        _check_label(metric(name), label)
    return f" by ({', '.join(given)}) " if given else ""


def _check_label(line: Metric, label: str) -> None:
    allowed = _TARGET_LABELS.union(line.labels)
    if label not in allowed:
        raise UnknownMetricError(f"{line.name}: no label {label!r}; allowed: {', '.join(sorted(allowed))}")
