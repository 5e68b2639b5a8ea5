"""Thresholds in closed form: Wald's pair and Ville's pair, in nats."""

import math


def wald_thresholds(alpha: float, beta: float | None) -> tuple[float, float]:
    """Return `log(beta/(1-alpha))` and `log((1-beta)/alpha)`; without beta, -inf and `log(1/alpha)`.

    The true errors only satisfy alpha' <= alpha/(1-beta), beta' <= beta/(1-alpha) and alpha' + beta' <= alpha + beta.

    References
    ----------
    Wald, A. (1945). Sequential tests of statistical hypotheses. Ann. Math. Statist. 16(2), 117-186.
    """
    if beta is None:
        return -math.inf, -math.log(alpha)
    return math.log(beta) - math.log1p(-alpha), math.log1p(-beta) - math.log(alpha)


def ville_thresholds(alpha: float, beta: float | None) -> tuple[float, float]:
    """Return `log(beta)` and `log(1/alpha)`: both true errors are at most nominal, always."""
    return -math.inf if beta is None else math.log(beta), -math.log(alpha)
