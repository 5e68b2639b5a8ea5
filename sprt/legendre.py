"""Gauss-Legendre nodes and weights to the last bit: an error here is multiplied by the length of the test."""

from functools import lru_cache
from typing import Final

import numpy as np
from scipy.special import roots_legendre

from sprt.arrays import FloatArray
from sprt.errors import DesignError

MOST_NODES: Final = 3000


@lru_cache(maxsize=512)
def legendre(count: int) -> tuple[FloatArray, FloatArray]:
    """Return nodes and weights on [-1, 1], one Newton step in extended precision after scipy's.

    scipy's own are good to some 1e-12, which a thousand steps of a recursion would turn into 1e-9.
    """
    if count > MOST_NODES:
        raise DesignError(
            f"model: hypotheses too close for the quadrature over this region ({count} nodes, at most {MOST_NODES} are "
            "allowed); give a smaller limit or fewer looks"
        )
    x = roots_legendre(count)[0].astype(np.longdouble)
    value, slope = _polynomial(count, x)
    x = x - value / slope
    slope = _polynomial(count, x)[1]
    return x.astype(np.float64), (2.0 / ((1.0 - x * x) * slope * slope)).astype(np.float64)


def _polynomial(count: int, x: np.typing.NDArray[np.longdouble]) -> tuple[np.typing.NDArray[np.longdouble], ...]:
    """Return the Legendre polynomial of this degree and its derivative."""
    before, value = np.ones_like(x), x.copy()
    for k in range(2, count + 1):
        before, value = value, ((2 * k - 1) * x * value - (k - 1) * before) / np.longdouble(k)
    return value, count * (before - x * value) / (1.0 - x * x)
