"""Four pictures of a design on one page: operating characteristic, expected n, boundaries, distribution of n."""

import json
import math
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np
import typst

import sprt
from exporter.report.axes import apart, axis
from exporter.report.figures import LABEL_GAP, line

Format = Literal["svg", "png", "pdf"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
_HERE: Final = Path(__file__).parent
_THETAS: Final = 61
_SIMULATED: Final = 9  # thetas of a family whose figures are simulated
_LEVELS: Final = (*(k / 50 for k in range(1, 50)), 0.99, 0.995)
_NAMES: Final = (("h0", "under H0"), ("rule", "midway"), ("h1", "under H1"))


def pictures(design: sprt.Design, title: str, fixed_n: int | None, kind: Format) -> bytes:
    """Return the page in this format (`svg`, `png` or `pdf`)."""
    null, other = design.model.h0, design.model.h1
    thetas = np.linspace(*_reach(design), _THETAS if design.model.has_exact_law else _SIMULATED)
    found = sprt.characteristics(design, thetas)
    three = sprt.characteristics(design, [null, (null + other) / 2, other], levels=_LEVELS)
    figures = [
        (
            "Operating characteristic",
            _curve(design, np.column_stack((thetas, found.p_accept_h1)), "probability to accept H1", 1.0),
        ),
        ("Expected n", _expected(design, thetas, found.mean_n, fixed_n)),
        ("Boundaries", _boundaries(design, three)),
        ("Distribution of n", _distribution(design, three)),
    ]
    data = {"title": title, "figures": [{"title": name, "figure": figure} for name, figure in figures]}
    made: bytes = typst.compile(
        _HERE / "design.typ", root=_HERE.parent, sys_inputs={"design": json.dumps(data)}, format=kind, ppi=144.0
    )
    return made


def _reach(design: sprt.Design) -> tuple[float, float]:
    """Return the thetas to draw: the hypotheses and half their distance beyond, within the family's space."""
    low, high = sorted((design.model.h0, design.model.h1))
    margin = 0.5 * (high - low)
    if design.is_two_sided:
        low = min(low, 2.0 * design.model.h0 - high)
    begin, end = low - margin, high + margin
    name = design.model.name
    if name == "bernoulli":
        return max(begin, 0.5 * low), min(end, 0.5 * (1.0 + high))
    if name in ("normal", "two_arm_normal", "student_t", "multinomial"):
        return begin, end
    return max(begin, 0.5 * low), end


def _curve(design: sprt.Design, points: Any, label: str, high: float, *levels: tuple[float, str]) -> dict[str, Any]:
    """Return a curve over the true parameter, with a dotted line at each hypothesis and the levels named beside it."""
    model = design.model
    return {
        "x": axis(f"true {model.parameter.replace('_', ' ')}", float(points[0, 0]), float(points[-1, 0]), about=5),
        "y": axis(label, 0.0, high, about=5),
        "levels": [{"at": at, "style": "rule"} for at, _ in levels],
        "shaded": [],
        "walls": [{"at": model.h0, "text": ""}, {"at": model.h1, "text": ""}],
        "lines": [line("walk", "", points)],
        "sides": apart(levels, 0.0, high, LABEL_GAP),
        "point": None,
    }


def _expected(design: sprt.Design, thetas: Any, mean_n: Any, fixed_n: int | None) -> dict[str, Any]:
    high = 1.08 * max(float(np.max(mean_n)), float(fixed_n or 0))
    levels = [] if fixed_n is None else [(float(fixed_n), f"fixed n = {fixed_n}")]
    return _curve(design, np.column_stack((thetas, mean_n)), "expected n", high, *levels)


def _last(design: sprt.Design, three: sprt.Characteristics) -> float:
    """Return the n up to which there is something to see."""
    late = 1.15 * float(np.max(three.quantiles[0.99]))
    return max(5.0, min(late, 1.05 * (design.max_n or math.inf)))


def _boundaries(design: sprt.Design, three: sprt.Characteristics) -> dict[str, Any]:
    right = _last(design, three)
    lines = [
        (level, name)
        for level, name in ((design.lower, "accept H0"), (design.upper, "accept H1"), (design.p_line, "p rule"))
        if math.isfinite(level)
    ]
    low, high = min(0.0, *(level for level, _ in lines), -1.0), max(0.0, *(level for level, _ in lines), 1.0)
    pad = 0.14 * (high - low)
    low, high = low - pad, high + pad
    drawn = []
    for style, slope in zip(("h0", "h1"), design.model.drifts(), strict=True):
        target = design.effective_upper if slope > 0 else design.lower
        end = min(right, target / slope) if slope and math.isfinite(target) else right
        drawn.append(
            line(
                style, f"expected {'under H1' if slope > 0 else 'under H0'}", np.array([[0.0, 0.0], [end, slope * end]])
            )
        )
    return {
        "x": axis("n", 0.0, right, about=5, whole=True),
        "y": axis("log-likelihood ratio (nats)", low, high, about=6),
        "levels": [{"at": level, "style": "rule" if name == "p rule" else "boundary"} for level, name in lines],
        "shaded": [],
        "walls": [{"at": design.max_n, "text": ""}] if design.max_n is not None and design.max_n <= right else [],
        "lines": [] if design.is_two_sided else drawn,
        "sides": apart(((level, f"{name} {level:.4g}") for level, name in lines), low, high, LABEL_GAP),
        "point": None,
    }


def _distribution(design: sprt.Design, three: sprt.Characteristics) -> dict[str, Any]:
    right = _last(design, three)
    lines = []
    for k, (style, name) in enumerate(_NAMES):
        steps = [[0.0, 0.0]]
        for level, n in sorted(three.quantiles.items()):
            if n[k] <= right:
                steps += [[float(n[k]), steps[-1][1]], [float(n[k]), level]]
        lines.append(line(style, name, np.array(steps)))
    return {
        "x": axis("n at the stop", 0.0, right, about=5, whole=True),
        "y": axis("probability to have ended", 0.0, 1.0, about=5),
        "levels": [],
        "shaded": [],
        "walls": [],
        "lines": lines,
        "sides": [],
        "point": None,
    }
