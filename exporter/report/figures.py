"""What is in each figure, in data units, for `plot.typ`; lines differ by dash and weight, not by colour alone."""

from typing import Any, Final

import numpy as np
import pyarrow as pa

from exporter.archive import Archive
from exporter.numbers import effective_upper, p_line, shown
from exporter.report.axes import apart, axis
from exporter.report.envelope import envelope
from exporter.words import hypothesis
from schemas import events

LABEL_GAP: Final = 0.075


def walk_figure(archive: Archive, points: pa.Table) -> dict[str, Any]:
    """Return the walk against n between its lines, with the crossing and the drift expected under each hypothesis."""
    decision = archive.decision
    n = np.concatenate(([0], points["n"].to_numpy()))
    llr = np.concatenate(([0.0], points["llr"].to_numpy()))
    lower, upper = decision.lower, effective_upper(archive)
    wall = archive.definition["stop"].get("max_samples")
    right = max(10.0, float(decision.n)) * 1.04
    if wall is not None and wall <= 1.5 * decision.n:
        right = max(right, wall * 1.04)
    heights = [0.0, float(llr.min()), float(llr.max()), *(line for line in (lower, upper) if line is not None)]
    low, high = min(heights), max(heights)
    pad = 0.14 * (high - low or 1.0)
    low, high = low - pad, high + pad
    lines = [line("walk", "the walk", np.column_stack((n, llr))), *_drifts(archive, right)]
    expected = _expected(archive)
    if expected:
        low, high = min(low, expected["low"]), max(high, expected["high"])
    sides = _sides(archive)
    return {
        "x": axis("observations applied, n", 0.0, right, about=8, whole=True),
        "y": axis("log-likelihood ratio (nats)", low, high, about=8),
        "levels": [{"at": level, "style": style} for level, style, _ in sides],
        "shaded": [
            *([{"from": upper, "to": high, "text": "accept H1"}] if upper is not None else []),
            *([{"from": low, "to": lower, "text": "accept H0"}] if lower is not None else []),
        ],
        "walls": [*_walls(archive, right), *({"at": at, "text": ""} for at in _pauses(archive, points))],
        "lines": lines,
        "band": expected["points"] if expected else None,
        "band_name": expected["name"] if expected else "",
        "sides": apart(((level, text) for level, _, text in sides), low, high, LABEL_GAP),
        "point": {
            "x": decision.n,
            "y": decision.llr,
            "text": f"n = {decision.n}, LLR = {shown(decision.llr)}",
            "above": decision.llr >= (low + high) / 2,
        },
    }


def line(style: str, name: str, xy: Any) -> dict[str, Any]:
    """Return a line through points (x, y); without a name it is not in the legend."""
    return {"style": style, "name": name, "points": xy.tolist()}


def _sides(archive: Archive) -> list[tuple[float, str, str]]:
    """Return the horizontal lines: where, in which style, and what stands beside them."""
    decision, rule = archive.decision, p_line(archive)
    sides = [(0.0, "zero", "")]
    if decision.lower is not None:
        sides.append((decision.lower, "boundary", f"lower {shown(decision.lower)}"))
    if decision.upper is not None:
        sides.append((decision.upper, "boundary", f"upper {shown(decision.upper)}"))
    if rule is not None:
        sides.append((rule, "rule", f"p rule {shown(rule)}"))
    return sides


def _walls(archive: Archive, right: float) -> list[dict[str, Any]]:
    wall = archive.definition["stop"].get("max_samples")
    return [{"at": wall, "text": f"largest n = {wall}"}] if wall is not None and wall <= right else []


def _drifts(archive: Archive, right: float) -> list[dict[str, Any]]:
    """Return the expected walk under each hypothesis; the two-sided mixture has no straight one."""
    if archive.design.is_two_sided:
        return []
    drawn, slopes = [], archive.design.model.drifts()
    for which, slope in (("h1", slopes[1]), ("h0", slopes[0])):
        name = f"expected under {which.upper()} ({hypothesis(archive.definition, which)})"
        target = effective_upper(archive) if slope > 0 else archive.decision.lower
        end = right if target is None or not slope else min(right, target / slope)  # it would be decided there
        drawn.append(line(which, name, np.array([[0.0, 0.0], [end, slope * end]])))
    return drawn


def _expected(archive: Archive) -> dict[str, Any]:
    """Return the area between the 5 and 95 % points of planned walks, and their median, by n; empty for none."""
    found = envelope(archive)
    if found is None:
        return {}
    which, rows = found
    n = np.concatenate(([0.0], rows[:, 0]))
    low, middle, high = (np.concatenate(([0.0], rows[:, place])) for place in (1, 2, 3))
    edge = np.concatenate((np.column_stack((n, high)), np.column_stack((n, low))[::-1]))
    return {
        "points": {"area": edge.tolist(), "middle": np.column_stack((n, middle)).tolist()},
        "low": float(low.min()),
        "high": float(high.max()),
        "name": f"planned walks under {which.upper()}: 5, 50 and 95 % points",
    }


def _pauses(archive: Archive, points: pa.Table) -> list[int]:
    """Return after how many observations the run was paused."""
    offsets, n = points["offset"].to_numpy(), points["n"].to_numpy()
    before = [int(np.searchsorted(offsets, e.offset or 0)) for e in archive.lifecycle if isinstance(e, events.Paused)]
    return [int(n[place - 1]) if place else 0 for place in before]
