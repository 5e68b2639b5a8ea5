"""Operating characteristic, expected n, its spread and quantiles: from the start, or from where the walk stands."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from sprt.arrays import FloatArray, IntArray, parameters
from sprt.certificate import PATHS, SEED
from sprt.cost import allowance
from sprt.design import Design
from sprt.errors import DesignError
from sprt.law import has_law, law_of, method_of, stops_of
from sprt.simulate import simulated_law, simulated_method
from sprt.state import State
from sprt.stopping import LEVELS, Law
from sprt.walk import rule_at

FORECAST_PATHS: Final = 4_000


@dataclass(frozen=True, slots=True)
class Characteristics:
    """What a design does at each theta; every array has the shape of theta.

    Attributes
    ----------
    p_accept_h1, p_accept_h0, p_undecided
        Probabilities of the outcomes; they sum to 1.
    mean_n, sd_n
        Mean and standard deviation of n at the stop (for a forecast: of the n still to come).
    quantiles
        For each level the smallest n by which the test has ended with at least that probability.
    method
        How the figures were computed, in words.
    standard_error
        Of `p_accept_h1`, where the figures are simulated; else None.
    """

    theta: FloatArray
    p_accept_h1: FloatArray
    p_accept_h0: FloatArray
    p_undecided: FloatArray
    mean_n: FloatArray
    sd_n: FloatArray
    quantiles: dict[float, FloatArray]
    method: str
    standard_error: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class StoppingLaw:
    """The distribution of n at one theta: probabilities of each outcome at each n."""

    n: IntArray
    accept_h1: FloatArray
    accept_h0: FloatArray
    undecided: FloatArray


def characteristics(design: Design, theta: ArrayLike, *, levels: tuple[float, ...] = LEVELS) -> Characteristics:
    """Return the operating characteristic of a design, and mean, spread and quantiles of n.

    Parameters
    ----------
    theta
        Values of the family's own parameter (probability, mean, rate, odds ratio, difference, effect, elo), any shape.
    levels
        Levels of the quantiles, between 0 and 1.

    Raises
    ------
    DesignError
        If theta lies outside the family's space, or the computation would be too costly.

    Examples
    --------
    >>> from sprt import Bernoulli, Design
    >>> design = Design(Bernoulli(0.1, 0.3), 0.05, 0.1, thresholds="wald")
    >>> round(float(characteristics(design, 0.1).mean_n), 4)
    18.5269
    """
    values = parameters(theta)
    design.model.check_theta(values)
    check_levels(levels)
    flat = np.ascontiguousarray(values.ravel())
    if flat.shape[0] == 0:
        raise DesignError("theta: none given, at least one value is needed")
    with allowance(design.given):
        if has_law(design):
            return shaped(values, law_of(design, flat, levels=levels), method_of(design), 0)
        law = simulated_law(design, flat, PATHS, np.random.default_rng(SEED), levels=levels)
        return shaped(values, law, simulated_method(design, PATHS, SEED), 0)


def forecast(design: Design, state: State, theta: ArrayLike, *, levels: tuple[float, ...] = LEVELS) -> Characteristics:
    """Return how a run that stands at `state` will end, and how many n it still needs.

    Parameters
    ----------
    state
        A state that no rule has ended.
    theta
        As in `characteristics`.

    Raises
    ------
    DesignError
        If the run has ended, theta lies outside the family's space, or the computation would be too costly.
    """
    values = parameters(theta)
    design.model.check_theta(values)
    check_levels(levels)
    if rule_at(design, state) is not None:
        raise DesignError(
            f"state: n = {state.n} with llr = {state.llr!r} given, a run that no rule has ended is allowed"
        )
    flat = np.ascontiguousarray(values.ravel())
    with allowance(design.given):
        if has_law(design):
            law = law_of(design, flat, state=state, levels=levels)
            return shaped(values, law, method_of(design), state.n)
        rng = np.random.default_rng(SEED)
        law = simulated_law(design, flat, FORECAST_PATHS, rng, state=state, levels=levels)
        return shaped(values, law, simulated_method(design, FORECAST_PATHS, SEED), state.n)


def stopping_law(design: Design, theta: float, *, state: State | None = None) -> StoppingLaw:
    """Return the probability of each outcome at each n, at one theta.

    Raises
    ------
    DesignError
        If theta lies outside the family's space, or no recursion gives the law of this design.
    """
    values = parameters([theta])
    design.model.check_theta(values)
    if not has_law(design):
        raise DesignError(f"model: {design.model.name} given, a design with an exact law is allowed")
    with allowance(design.given):
        stops = stops_of(design, values, state=state)
    return StoppingLaw(stops.n, stops.accept_h1[0], stops.accept_h0[0], stops.undecided[0])


def check_levels(levels: tuple[float, ...]) -> None:
    """Raise DesignError unless all levels lie strictly between 0 and 1."""
    for level in levels:
        if not 0.0 < level < 1.0:
            raise DesignError(f"levels: {level!r} given, numbers strictly between 0 and 1 are allowed")


def shaped(theta: FloatArray, law: Law, method: str, passed: int) -> Characteristics:
    """Return a law in the shape of theta, n counted from `passed` on."""

    def back(values: FloatArray) -> FloatArray:
        return values.reshape(theta.shape)

    return Characteristics(
        theta=theta,
        p_accept_h1=back(law.p_accept_h1),
        p_accept_h0=back(law.p_accept_h0),
        p_undecided=back(law.p_undecided),
        mean_n=back(law.mean_n - passed),
        sd_n=back(law.sd_n),
        quantiles={level: back(n - passed) for level, n in law.quantiles.items()},
        method=method,
        standard_error=None if law.standard_error is None else back(law.standard_error),
    )
