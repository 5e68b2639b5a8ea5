"""The operating characteristic and the mean n of a design against its parameter, for the form that is filled in."""

from typing import Any, Final

import numpy as np

import sprt
from console import numbers
from experiments.planning import Refusal, Solution, stored_design
from sprt.families.base import LinearFamily

#: Quadratures take longer than recursions, and their curves are as smooth with fewer places.
_PLACES: Final = 25
_FEW_PLACES: Final = 9

Curves = tuple[dict[str, Any], dict[str, Any]]


def curves(solution: Solution) -> Curves | Refusal:
    """Return the charts of P(accept H1) and of the mean n against the parameter, or why there are none."""
    try:
        design = stored_design(solution.definition, solution.lower, solution.upper)
        if not design.model.has_exact_law:
            return Refusal("no_curves", f"the curves of {design.model.name} would have to be simulated")
        theta = _around(design)
        law = sprt.characteristics(design, theta)
    except sprt.SprtError as error:
        return Refusal("no_curves", str(error))
    walls = [
        {"x": design.model.h0, "text": "H0", "tone": "h0", "dash": "dashed"},
        {"x": design.model.h1, "text": "H1", "tone": "h1", "dash": "solid"},
    ]
    x = {"name": design.model.parameter, "min": float(theta[0]), "max": float(theta[-1])}
    operating = {
        "x": x,
        "y": {"name": "chance of each end", "min": 0, "max": 1, "format": "percent"},
        "lines": [
            {"name": "H1 accepted", "tone": "h1", "points": _pairs(theta, law.p_accept_h1)},
            {"name": "H0 accepted", "tone": "h0", "dash": "dashed", "points": _pairs(theta, law.p_accept_h0)},
            {"name": "inconclusive", "tone": "idle", "dash": "dotted", "points": _pairs(theta, law.p_undecided)},
        ],
        "walls": walls,
    }
    length = {
        "x": x,
        "y": {"name": "observations", "min": 0, "format": "whole"},
        "lines": [
            {"name": "mean n", "tone": "ink", "points": _pairs(theta, law.mean_n)},
            {"name": "95 % end by", "tone": "ink-3", "dash": "dashed", "points": _pairs(theta, law.quantiles[0.95])},
        ],
        "walls": walls,
    }
    fixed = (solution.certificate.get("planned") or {}).get("fixed_n")
    if fixed:
        length["levels"] = [{"y": fixed, "text": f"a test of fixed n: {numbers.count(fixed)}", "tone": "ink-3"}]
    return operating, length


def _around(design: sprt.Design) -> Any:
    """Return parameter values from before H0 to beyond H1, inside the family's space, both hypotheses among them."""
    h0, h1 = design.model.h0, design.model.h1
    step = h1 - h0
    places = _PLACES if isinstance(design.model, LinearFamily) and design.model.is_lattice else _FEW_PLACES
    theta = np.unique(np.r_[np.linspace(h0 - 0.6 * step, h1 + 0.6 * step, places), h0, h1].round(12))
    return np.array([value for value in theta.tolist() if _is_possible(design, value)])


def _is_possible(design: sprt.Design, theta: float) -> bool:
    try:
        design.model.check_theta(np.array([theta]))
    except sprt.SprtError:
        return False
    return True


def _pairs(x: Any, y: Any) -> list[list[float]]:
    points: list[list[float]] = np.column_stack((x, y)).tolist()
    return points
