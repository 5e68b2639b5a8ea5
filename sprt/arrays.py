"""Array types, and the two readers that turn outside input into arrays or a typed error."""

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sprt.errors import DesignError, ObservationError

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]
ArmArray: TypeAlias = NDArray[np.int8]

# Largest magnitude of a real observation: its square, summed a million times, is still finite.
LARGEST = 1e150


def observations(xs: ArrayLike) -> FloatArray:
    """Return the observations as float64, or say what is not a number."""
    try:
        return np.asarray(xs, dtype=np.float64)
    except (TypeError, ValueError) as cause:
        raise ObservationError(f"observations: {xs!r:.80} given, an array of numbers is allowed") from cause


def parameters(theta: ArrayLike) -> FloatArray:
    """Return parameter values as float64, all finite."""
    try:
        values = np.asarray(theta, dtype=np.float64)
    except (TypeError, ValueError) as cause:
        raise DesignError(f"theta: {theta!r:.80} given, a number or an array of numbers is allowed") from cause
    if not np.isfinite(values).all():
        raise DesignError(f"theta: {theta!r:.80} given, finite numbers are allowed")
    return values
