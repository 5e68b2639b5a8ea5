"""What a design will do, for `waldstream design`: the solution, and the operating characteristic at three points."""

from dataclasses import dataclass

import sprt
from experiments.definition import ExperimentDefinition
from experiments.planning import Solution, solve, stored_design
from waldstream.modes import Mode, side_by_side


@dataclass(frozen=True, slots=True)
class Point:
    """How runs end when the truth is `theta`: probabilities, and mean, spread and quantiles of n."""

    where: str
    theta: float
    p_accept_h1: float
    p_accept_h0: float
    p_undecided: float
    mean_n: float
    sd_n: float
    quantiles: dict[str, float]


@dataclass(frozen=True, slots=True)
class Plan:
    """The solution, how the figures were computed, the fixed n for the same errors, and the other threshold modes."""

    solution: Solution
    method: str
    fixed_n: int | None
    points: tuple[Point, ...]
    modes: tuple[Mode, ...]


def planned(definition: ExperimentDefinition) -> Plan:
    """Return what the definition's design will do under H0, under H1 and midway.

    Raises
    ------
    sprt.SprtError
        If no thresholds keep the constraints, or the computation would be too costly.
    """
    solution = solve(definition)
    design = stored_design(solution.definition, solution.lower, solution.upper)
    null, other = definition.model.parameters()
    thetas = (null, (null + other) / 2, other)
    found = sprt.characteristics(design, thetas)
    errors = definition.errors
    points = tuple(
        Point(
            where,
            theta,
            float(found.p_accept_h1[i]),
            float(found.p_accept_h0[i]),
            float(found.p_undecided[i]),
            float(found.mean_n[i]),
            float(found.sd_n[i]),
            {f"{level:g}": float(values[i]) for level, values in found.quantiles.items()},
        )
        for i, (where, theta) in enumerate(zip(("H0", "midway", "H1"), thetas, strict=True))
    )
    fixed = (
        None
        if errors.beta is None
        else sprt.fixed_sample_size(design.model, errors.alpha, errors.beta, alternative=definition.model.alternative)
    )
    return Plan(solution, found.method, fixed, points, side_by_side(design))
