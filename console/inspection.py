"""The charts beside the walk: the sum between slanted lines, the estimate in its confidence sequence, the law of n.

Pure: a document and stored points in, what a chart shows out.
"""

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

import sprt
from console import numbers
from console.documents import RunDocument
from console.walk import Points, thinned
from experiments.planning import stored_design
from sprt.estimate import COVERAGE, typical_n
from sprt.families import ExponentialFamily

_POINTS: Final = 200
_ESTIMATES: Final = 120
#: Where the lines would fall together in the chart, their common slope is taken off.
_NARROWEST: Final = 0.15
_SUMS: Final = {"bernoulli": "ones so far", "poisson": "events so far", "negative_binomial": "events so far"}

Chart = tuple[dict[str, Any], str]
Floats = npt.NDArray[np.float64]


def design_of(run: RunDocument) -> sprt.Design | None:
    """Return the design that is in force in a run, None while its definition is not known."""
    if not run.model:
        return None
    definition = {"id": run.experiment_id, "model": run.model, "errors": run.errors, "stop": run.stop}
    return stored_design(definition, run.lower, run.upper)


def counts(run: RunDocument, walk: Points) -> Chart | None:
    """Return Wald's inspection chart with its words, None for families whose statistic is no sum."""
    design = design_of(run)
    if design is None or design.is_two_sided or not isinstance(design.model, ExponentialFamily) or not len(walk):
        return None
    lines, few = sprt.boundary_lines(design), thinned(walk, _POINTS)
    n, total = np.r_[0.0, few["n"].astype(float)], np.r_[0.0, few["total"]]
    right = max(float(n[-1]) * 1.05, 10.0)
    ends = {name: height for name, height in (("h1", lines.h_reject), ("h0", -lines.h_accept)) if math.isfinite(height)}
    spread = np.ptp(np.r_[total - lines.slope * n, list(ends.values())])
    slope = 0.0 if spread < _NARROWEST * abs(lines.slope) * right else lines.slope
    name = _SUMS.get(design.model.name, "sum of the observations")
    if not slope:
        name += f", less {numbers.plain(lines.slope)} n"
    heights = total - (lines.slope - slope) * n
    spec = {
        "x": _axis("observations n", 0, math.ceil(right)),
        "y": {"name": name},
        "lines": [
            {"name": "now", "tone": "ink", "points": np.column_stack((n, heights)).tolist()},
            *(
                {
                    "name": f"accept {which.upper()}",
                    "tone": which,
                    "dash": "solid" if which == "h1" else "dashed",
                    "points": [[0.0, height], [right, height + slope * right]],
                }
                for which, height in ends.items()
            ),
        ],
        "points": [{"x": float(n[-1]), "y": float(heights[-1])}],
    }
    sides = ", ".join(
        f"{which.upper()} is accepted at {numbers.plain(height)} + {numbers.plain(lines.slope)} n"
        for which, height in ends.items()
    )
    return (
        spec,
        f"Sum of the observations against n: {numbers.plain(float(total[-1]))} at n = {numbers.count(n[-1])}; {sides}.",
    )


def estimate(run: RunDocument, walk: Points) -> Chart | None:
    """Return the estimate with its 95 % confidence sequence, None for families that have none in closed form."""
    design = design_of(run)
    if design is None or design.is_two_sided or len(walk) < 2:
        return None
    model = design.model
    if not isinstance(model, sprt.Bernoulli | sprt.Normal | sprt.Poisson):
        return None
    places = np.unique(np.searchsorted(walk["n"], np.geomspace(walk["n"][0], walk["n"][-1], _ESTIMATES)))
    n, total = walk["n"][places].astype(float), walk["total"][places]
    given: dict[str, Any] = {"n": n, "alpha": 1 - COVERAGE, "t_opt": typical_n(design)}
    if isinstance(model, sprt.Normal):
        low, high = sprt.confidence_sequence("normal", xbar=total / n, s2=model.sd**2, **given)
    else:
        low, high = sprt.confidence_sequence(model.name, S=np.round(total), **given)
    naive, low, high = total / n, np.asarray(low), np.asarray(high)
    late = slice(len(n) // 2, None)
    seen = np.concatenate((naive[late], low[late], high[late], (model.h0, model.h1)))
    seen = seen[np.isfinite(seen)]
    pad = 0.06 * float(np.ptp(seen) or 1.0)
    bottom, top = float(seen.min()) - pad, float(seen.max()) + pad
    spec = {
        "x": {
            "name": "observations n (log)",
            "log": True,
            "min": float(n[0]),
            "max": float(n[-1]),
            "format": "whole",
            "short": "n =",
        },
        "y": {"name": f"estimate of {model.parameter}", "min": bottom, "max": top},
        "bands": [{"tone": "accent", "low": _pairs(n, low, bottom, top), "high": _pairs(n, high, bottom, top)}],
        "lines": [
            {"name": "plain average", "tone": "ink-3", "width": 1.25, "points": np.column_stack((n, naive)).tolist()},
            {"name": "95 % from", "tone": "accent", "width": 1.25, "points": _pairs(n, low, bottom, top)},
            {"name": "95 % to", "tone": "accent", "width": 1.25, "points": _pairs(n, high, bottom, top)},
        ],
        "levels": [
            {"y": model.h0, "text": "H0", "tone": "h0", "dash": "dashed"},
            {"y": model.h1, "text": "H1", "tone": "h1", "dash": "solid"},
        ],
    }
    now, begin, end = (numbers.plain(float(values[-1])) for values in (naive, low, high))
    return spec, f"Estimate of {model.parameter} against n: {now}, 95 % confidence sequence {begin} to {end}."


def _axis(name: str, low: float, high: float) -> dict[str, Any]:
    return {"name": name, "min": low, "max": high, "format": "whole", "short": "n ="}


def _pairs(n: Floats, y: Floats, bottom: float, top: float) -> list[list[float]]:
    """Return points inside the chart; an end at infinity stands at the chart's edge."""
    inside = np.clip(np.nan_to_num(y, posinf=top, neginf=bottom), bottom, top)
    points: list[list[float]] = np.column_stack((n, inside)).tolist()
    return points


def law(run: RunDocument, certificate: dict[str, Any], n: int) -> Chart | None:
    """Return P(ended by n) as planned under each hypothesis, with where the run is; None without a plan."""
    planned = certificate.get("planned") or {}
    quantiles = sorted((float(level), values) for level, values in (planned.get("quantiles") or {}).items())
    if not quantiles or any(value is None for _, values in quantiles for value in values):
        return None
    last = len(quantiles[0][1]) - 1
    right = 1.05 * max(float(n), *(values[place] for _, values in quantiles for place in (0, last)), 10.0)
    spec = {
        "x": {
            "name": "observations n at the end",
            "min": 0,
            "max": math.ceil(right),
            "format": "whole",
            "short": "n =",
        },
        "y": {"name": "chance that it has ended", "min": 0, "max": 1, "format": "percent"},
        "lines": [
            {
                "name": f"if {which.upper()}",
                "tone": which,
                "dash": dash,
                "points": [[0.0, 0.0], *([float(values[place]), level] for level, values in quantiles)],
            }
            for which, place, dash in (("h0", 0, "dashed"), ("h1", last, "solid"))
        ],
        "walls": [{"x": n, "text": "", "tone": "ink", "dash": "solid"}] if n else [],
    }
    where = " and ".join(f"{_percentile(quantiles, place, n)} if {which}" for which, place in (("H0", 0), ("H1", last)))
    verb = "It ended" if run.outcome is not None else "It stands"
    return spec, f"Planned distribution of n. {verb} at n = {numbers.count(n)}: {where}."


def _percentile(quantiles: list[tuple[float, list[float]]], place: int, n: int) -> str:
    levels = [0.0, *(level for level, values in quantiles if values[place] <= n)]
    above = next((level for level, values in quantiles if values[place] > n), 1.0)
    return f"between the {100 * levels[-1]:g} and {100 * above:g} % points"
