"""Thresholds in closed form: Wald's pair and Ville's pair, in nats."""

import math

from sprt.arguments import real_number


def wald_thresholds(alpha: float, beta: float | None) -> tuple[float, float]:
    """Return `log(beta/(1-alpha))` and `log((1-beta)/alpha)`; without beta, -inf and `log(1/alpha)`.

    The true errors only satisfy alpha' <= alpha/(1-beta), beta' <= beta/(1-alpha) and alpha' + beta' <= alpha + beta.

    Raises
    ------
    DesignError
        If an error rate does not lie strictly between 0 and 1.

    References
    ----------
    Wald, A. (1945). Sequential tests of statistical hypotheses. Ann. Math. Statist. 16(2), 117-186.
    """
    alpha, beta = rates(alpha, beta)
    if beta is None:
        return -math.inf, -math.log(alpha)
    return math.log(beta) - math.log1p(-alpha), math.log1p(-beta) - math.log(alpha)


def ville_thresholds(alpha: float, beta: float | None) -> tuple[float, float]:
    """Return `log(beta)` and `log(1/alpha)`: both true errors are at most nominal, always."""
    alpha, beta = rates(alpha, beta)
    return -math.inf if beta is None else math.log(beta), -math.log(alpha)


def rates(alpha: float, beta: float | None) -> tuple[float, float | None]:
    """Return the error rates as floats strictly between 0 and 1; a DesignError otherwise."""
    second = None if beta is None else real_number("beta", beta, above=0.0, below=1.0)
    return real_number("alpha", alpha, above=0.0, below=1.0), second
