"""The estimate against n inside its confidence sequence, for the families that have one in closed form."""

from typing import Any, Final

import numpy as np
import pyarrow as pa

import sprt
from exporter.archive import Archive
from exporter.numbers import parameter_name, shown
from exporter.report.axes import axis
from exporter.words import hypothesis
from sprt.estimate import COVERAGE, typical_n
from sprt.families.base import ExponentialFamily

_POINTS: Final = 160


def estimate_figure(archive: Archive, points: pa.Table) -> dict[str, Any] | None:
    """Return the naive estimate and the 95 % confidence sequence against n, None where there is none."""
    design, decision = archive.design, archive.decision
    model = design.model
    families = (sprt.Bernoulli, sprt.Normal, sprt.Poisson)
    if design.is_two_sided or not isinstance(model, families) or decision.n < 2:
        return None
    assert isinstance(model, ExponentialFamily)  # noqa: S101 the three above are, and mypy should know
    chosen = _spread(points["n"].to_numpy())
    n, llr = (points[name].to_numpy()[chosen].astype(float) for name in ("n", "llr"))
    line = model.line(model.h1)
    sums = (llr - line.drift * n) / line.slope
    options = {"alpha": 1 - COVERAGE, "t_opt": typical_n(design)}
    if isinstance(model, sprt.Normal):
        low, high = sprt.confidence_sequence("normal", n=n, xbar=model.centre + sums / n, s2=model.sd**2, **options)
    else:
        sums = np.round(sums)
        low, high = sprt.confidence_sequence(model.name, S=sums, n=n, **options)
    naive = model.centre + sums / n
    limits = _limits(naive, np.asarray(low), np.asarray(high), (model.h0, model.h1))
    name = parameter_name(archive.definition)
    return {
        "x": axis("observations applied, n", 0.0, 1.04 * decision.n, about=5, whole=True),
        "y": axis(f"estimate of {name}", *limits, about=6),
        "levels": [{"at": model.h0, "style": "h0"}, {"at": model.h1, "style": "h1"}],
        "shaded": [],
        "walls": [],
        "lines": [
            _line("walk", "naive estimate", n, naive),
            _line("boundary", "95 % confidence sequence", n, np.asarray(low)),
            _line("boundary", "", n, np.asarray(high)),
        ],
        "sides": [
            {"at": value, "place": (value - limits[0]) / (limits[1] - limits[0]), "text": f"{which} {shown(value)}"}
            for which, value in (("H0", model.h0), ("H1", model.h1))
        ],
        "point": None,
        "caption": f"{hypothesis(archive.definition, 'h0')} and {hypothesis(archive.definition, 'h1')}",
    }


def _line(style: str, name: str, x: Any, y: Any) -> dict[str, Any]:
    """Return a line through the finite points."""
    keep = np.isfinite(y)
    return {"style": style, "name": name, "points": np.column_stack((x[keep], y[keep])).tolist()}


def _spread(n: Any) -> Any:
    """Return which points to take: all of a short walk, else evenly spaced over n."""
    if len(n) <= _POINTS:
        return np.arange(len(n))
    return np.unique(np.searchsorted(n, np.linspace(n[0], n[-1], _POINTS)))


def _limits(naive: Any, low: Any, high: Any, hypotheses: tuple[float, float]) -> tuple[float, float]:
    """Return the range of the axis: the later two thirds of the sequence, and both hypotheses, fit in."""
    late = slice(len(naive) // 3, None)
    values = np.concatenate((naive[late], low[late], high[late], hypotheses))
    values = values[np.isfinite(values)]
    pad = 0.06 * float(values.max() - values.min())
    return float(values.min()) - pad, float(values.max()) + pad
