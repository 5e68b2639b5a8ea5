"""The certificate of a design: what its thresholds achieve, how that was computed, and how far it can be trusted."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from sprt.cost import allowance
from sprt.design import Design
from sprt.law import has_law, law_of, method_of
from sprt.simulate import simulated_law, simulated_method

PATHS: Final = 4_000  # simulated for a certificate where no exact law exists
SEED: Final = 20_260_101  # a certificate is a fact of the design: the same each time it is made


@dataclass(frozen=True, slots=True)
class Certificate:
    """The achieved properties of a design.

    Attributes
    ----------
    alpha, beta
        P(accept H1) under H0 and P(accept H0) under H1; what ends undecided counts in neither.
    p_undecided_h0, p_undecided_h1
        P(inconclusive) under each hypothesis.
    mean_n_h0, mean_n_h1
        Expected n at the stop.
    power
        P(accept H1) under H1.
    method
        How the figures were computed, in words.
    mass_error
        The largest distance of a total probability from 1; None for simulated figures.
    standard_error
        Of alpha and beta, where they are simulated; else None.
    """

    alpha: float
    beta: float
    p_undecided_h0: float
    p_undecided_h1: float
    mean_n_h0: float
    mean_n_h1: float
    power: float
    method: str
    mass_error: float | None
    standard_error: tuple[float, float] | None = None


def certify(design: Design) -> Certificate:
    """Return the certificate of a design.

    Raises
    ------
    DesignError
        If the computation would be too costly.
    """
    thetas = np.array([design.model.h0, design.model.h1])
    exact = has_law(design)
    with allowance(design.given):
        law = law_of(design, thetas) if exact else simulated_law(design, thetas, PATHS, np.random.default_rng(SEED))
    return Certificate(
        alpha=float(law.p_accept_h1[0]),
        beta=float(law.p_accept_h0[1]),
        p_undecided_h0=float(law.p_undecided[0]),
        p_undecided_h1=float(law.p_undecided[1]),
        mean_n_h0=float(law.mean_n[0]),
        mean_n_h1=float(law.mean_n[1]),
        power=float(law.p_accept_h1[1]),
        method=method_of(design) if exact else simulated_method(design, PATHS, SEED),
        mass_error=float(law.mass_error.max()) if exact else None,
        standard_error=None
        if law.standard_error is None
        else (float(law.standard_error[0]), float(law.standard_error[1])),
    )
