"""The numbers of a run, each with what it means; only those that changed are sent."""

from datetime import UTC, datetime, timedelta
from typing import Any

from nicegui.element import Element

from console import numbers
from console.documents import LivePoint, RunDocument
from console.pages.shell import set_text, tag
from console.walk import Points

Figure = tuple[str, str, str]  # label, value, note
_RATE_POINTS = 20
#: Families whose parameter is the mean of an observation.
_AVERAGED = ("bernoulli", "normal", "poisson", "negative_binomial")


class Figures:
    """The list of numbers beside the chart."""

    def __init__(self, run: RunDocument) -> None:
        self._cells: dict[str, tuple[Element, Element, Element]] = {}
        self._order: list[str] = []
        self._bar: Element | None = None
        self._add("Observations")
        self._limit = run.stop.get("max_samples")
        if self._limit:
            with self._cells["Observations"][0], tag("div", "bar", aria_hidden="true"):
                self._bar = tag("i")
        for label in (
            "Planned mean",
            "Log-likelihood ratio",
            "To the H1 line",
            "To the H0 line",
            "Overshoot",
            "Always-valid p",
        ):
            self._add(label)
        for label in ("Estimate", "Adjusted estimate", "95 % interval", "Records"):
            self._add(label)
        for label in ("Rate", "Time"):
            self._add(label)

    def _add(self, label: str) -> None:
        with tag("div", "figure") as whole:
            with tag("div", "row"):
                tag("span", "label", label)
                value = tag("span", "value")
            note = tag("div", "note")
        self._cells[label] = (whole, value, note)

    def show(self, run: RunDocument, point: LivePoint | None, walk: Points, decision: dict[str, Any] | None) -> None:
        """Bring the numbers up to date."""
        shown = {label: (value, note) for label, value, note in _figures(run, point, walk, decision)}
        for label, (whole, value, note) in self._cells.items():
            whole.set_visibility(label in shown)
            if label in shown:
                set_text(value, shown[label][0])
                set_text(note, shown[label][1])
        if self._bar is not None and self._limit:
            n = run.n if run.n is not None else (point.n if point is not None else 0)
            width = f"{min(n / self._limit, 1):.2%}"
            if self._bar.style.get("width") != width:
                self._bar.style(f"width: {width}")


def _figures(run: RunDocument, point: LivePoint | None, walk: Points, decision: dict[str, Any] | None) -> list[Figure]:
    n = run.n if run.n is not None else (point.n if point is not None else 0)
    llr = run.llr if run.llr is not None else (point.llr if point is not None else 0.0)
    p_value = run.p_value if run.p_value is not None else (point.p_value if point is not None else 1.0)
    limit = run.stop.get("max_samples")
    found: list[Figure] = [
        ("Observations", numbers.count(n), f"of at most {numbers.count(limit)}" if limit else "no limit is set"),
        *_planned(run),
    ]
    if run.is_blinded:
        return [*found, *_pace(run, walk), *_times(run)]
    found.append(("Log-likelihood ratio", f"{numbers.signed(llr)} nats", _leaning(run, llr)))
    if run.outcome is None:
        if run.upper is not None:
            found.append(
                ("To the H1 line", _distance(run.upper - llr), f"H1 is accepted at {numbers.signed(run.upper)}")
            )
        if run.lower is not None:
            found.append(
                ("To the H0 line", _distance(llr - run.lower), f"H0 is accepted at {numbers.signed(run.lower)}")
            )
    else:
        found += _overshoot(run, llr)
    found.append(("Always-valid p", numbers.probability(p_value), "may be read at any time, without correction"))
    found += _estimates(run, point, decision, n)
    if decision and decision.get("counts"):
        counts = {name.replace("_", " "): number for name, number in decision["counts"].items() if number}
        others = [f"{numbers.count(number)} {name}" for name, number in counts.items() if name != "applied"]
        note = "applied; " + (", ".join(others) or "none left out")
        found.append(("Records", numbers.count(counts.get("applied", 0)), note))
    return [*found, *_pace(run, walk), *_times(run)]


def _pace(run: RunDocument, walk: Points) -> list[Figure]:
    lately = rate(walk) if run.state == "RUNNING" else None
    return [] if lately is None else [("Rate", f"{numbers.plain(lately, 3)} / s", "observations applied, lately")]


def _planned(run: RunDocument) -> list[Figure]:
    means = [
        f"{numbers.count(mean)} if {name}"
        for mean, name in ((run.mean_n_h0, "H0"), (run.mean_n_h1, "H1"))
        if mean is not None
    ]
    return [("Planned mean", " · ".join(means), "observations until a decision, on average")] if means else []


def _leaning(run: RunDocument, llr: float) -> str:
    if run.outcome is not None:
        return "where the walk stood when the run ended"
    if abs(llr) < 0.005:
        return "the data so far favour neither hypothesis"
    which = "H1" if llr > 0 else "H0"
    return f"the data so far favour {which}; only a boundary decides"


def _distance(value: float) -> str:
    return f"{numbers.signed(value).lstrip('+')} nats"


def _overshoot(run: RunDocument, llr: float) -> list[Figure]:
    if run.reason in ("boundary_upper", "p_threshold") and run.upper is not None:
        return [("Overshoot", _distance(abs(llr - run.upper)), f"beyond the H1 line at {numbers.signed(run.upper)}")]
    if run.reason == "boundary_lower" and run.lower is not None:
        return [("Overshoot", _distance(abs(run.lower - llr)), f"beyond the H0 line at {numbers.signed(run.lower)}")]
    return []


def _estimates(run: RunDocument, point: LivePoint | None, decision: dict[str, Any] | None, n: int) -> list[Figure]:
    estimate = (decision or {}).get("estimate") or {}
    found: list[Figure] = []
    naive = estimate.get("naive")
    if naive is None and point is not None and n and run.outcome is None and run.model.get("family") in _AVERAGED:
        naive = point.total / n
    if naive is not None:
        ones = ""
        if run.model.get("family") == "bernoulli" and point is not None:
            ones = f"{numbers.count(point.total)} ones in {numbers.count(point.n)}; "
        kind = "plain average" if run.model.get("family") in _AVERAGED else "maximum likelihood"
        found.append(("Estimate", numbers.plain(naive), f"{ones}{kind}, not adjusted for the stopping rule"))
    if (adjusted := estimate.get("median_unbiased")) is not None:
        found.append(("Adjusted estimate", numbers.plain(adjusted), "median-unbiased under the stopping rule"))
    interval = estimate.get("interval")
    if isinstance(interval, list | tuple) and len(interval) == 2 and None not in interval:
        low, high = (numbers.plain(value) for value in interval)
        how = f"valid under the stopping rule ({estimate['ordering']})" if estimate.get("ordering") else "adjusted"
        found.append(("95 % interval", f"{low} to {high}", how))
    return found


def rate(walk: Points) -> float | None:
    """Return how many observations a second were applied lately, None before the second point."""
    tail = walk[-_RATE_POINTS:]
    if len(tail) < 2:
        return None
    seconds = (int(tail["at"][-1]) - int(tail["at"][0])) / 1e6
    return (int(tail["n"][-1]) - int(tail["n"][0])) / seconds if seconds > 0 else None


def _times(run: RunDocument) -> list[Figure]:
    if run.started_at is None:
        return []
    end = run.decided_at or datetime.now(UTC)
    note = f"since {numbers.moment(run.started_at)}"
    if run.deadline is not None and run.is_active:
        note += f"; {numbers.duration(run.deadline - end)} left"
    return [("Time", numbers.duration(max(end - run.started_at, timedelta())), note)]
