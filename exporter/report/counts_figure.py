"""Wald's inspection chart: the running sum against n, between the slanted lines at which the test ends."""

from typing import Any, Final

import numpy as np
import pyarrow as pa

from exporter.archive import Archive
from exporter.numbers import effective_upper
from exporter.report.axes import apart, axis
from exporter.report.figures import LABEL_GAP, line
from sprt.families.base import ExponentialFamily

#: Below this share of the chart's height the lines would fall together: then their common slope is taken off.
_NARROWEST: Final = 0.15
_SUMS: Final = {
    "bernoulli": ("ones so far", "(count)"),
    "poisson": ("events so far", "(count)"),
    "negative_binomial": ("events so far", "(count)"),
}


def counts_figure(archive: Archive, points: pa.Table) -> dict[str, Any] | None:
    """Return the chart, None for families whose statistic is no sum and for two-sided tests."""
    decision, model = archive.decision, archive.design.model
    if archive.design.is_two_sided or not isinstance(model, ExponentialFamily):
        return None
    ratio = model.line(model.h1)
    n = np.concatenate(([0], points["n"].to_numpy())).astype(float)
    heights = np.concatenate(([0.0], points["llr"].to_numpy())) / ratio.slope  # the sum, less the lines' slope times n
    levels = [
        (level / ratio.slope, style, name)
        for level, style, name in (
            (effective_upper(archive), "boundary", "accept H1"),
            (decision.lower, "rule", "accept H0"),
        )
        if level is not None
    ]
    right = max(10.0, float(decision.n)) * 1.04
    slope = model.centre - ratio.drift / ratio.slope
    spread = np.concatenate((heights, [level for level, _, _ in levels]))
    is_level = float(np.ptp(spread)) < _NARROWEST * abs(slope) * right
    if is_level:
        label = " ".join((_sum(model.name)[0], f"less {slope:.4g} n", _sum(model.name)[1])).strip()
        slope = 0.0
    else:
        label = " ".join(_sum(model.name)).strip()
    ends = np.array([0.0, right])
    drawn = [line("walk", "", np.column_stack((n, heights + slope * n)))]
    drawn += [line(style, "", np.column_stack((ends, level + slope * ends))) for level, style, _ in levels]
    every = np.concatenate([np.array(entry["points"])[:, 1] for entry in drawn])
    low, high = float(every.min()), float(every.max())
    pad = 0.06 * (high - low or 1.0)
    low, high = low - pad, high + pad
    return {
        "x": axis("observations applied, n", 0.0, right, about=5, whole=True),
        "y": axis(label, low, high, about=5),
        "levels": [],
        "shaded": [],
        "walls": [],
        "lines": drawn,
        "sides": apart(((level + slope * right, name) for level, _, name in levels), low, high, LABEL_GAP),
        "point": {"x": decision.n, "y": decision.llr / ratio.slope + slope * decision.n, "text": "", "above": True},
    }


def _sum(family: str) -> tuple[str, str]:
    return _SUMS.get(family, ("sum of the observations", ""))
