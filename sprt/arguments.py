"""What a numeric argument may be: finite, and inside its range.

The free functions of this package read their arguments through these checks, so that bad input is a typed error that
names the field, the value and what is allowed, and the arithmetic after them never has to warn.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sprt.errors import DesignError, ObservationError, SprtError

FloatArray = NDArray[np.float64]
FloatOrArray = float | FloatArray


def real_array(
    field: str,
    value: ArrayLike,
    *,
    above: float = -math.inf,
    at_least: float = -math.inf,
    below: float = math.inf,
    at_most: float = math.inf,
    error: type[SprtError] = ObservationError,
) -> FloatArray:
    """Return `value` as float64, every element finite and inside the given limits.

    Raises
    ------
    SprtError
        Of type `error`: if `value` is not numeric, or an element is NaN, infinite or outside the limits.
    """
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as cause:
        raise error(f"{field} = {_shown(value)}: numbers are allowed") from cause
    allowed = np.isfinite(array) & (array > above) & (array >= at_least) & (array < below) & (array <= at_most)
    if not allowed.all():
        given = float(array[~allowed].flat[0]) if array.ndim else float(array)
        raise error(f"{field} = {given!r}: {_range(above, at_least, below, at_most)} is allowed")
    return array


def whole_array(
    field: str, value: ArrayLike, *, at_least: float = 0, error: type[SprtError] = ObservationError
) -> FloatArray:
    """Return `value` as float64, every element a whole number of at least `at_least`."""
    array = real_array(field, value, at_least=at_least, error=error)
    fractional = array != np.floor(array)
    if fractional.any():
        given = float(array[fractional].flat[0]) if array.ndim else float(array)
        raise error(f"{field} = {given!r}: whole numbers are allowed")
    return array


def real_number(
    field: str,
    value: ArrayLike,
    *,
    above: float = -math.inf,
    at_least: float = -math.inf,
    below: float = math.inf,
    at_most: float = math.inf,
    error: type[SprtError] = DesignError,
) -> float:
    """Return `value` as one float, finite and inside the given limits; a `DesignError` otherwise."""
    array = real_array(field, value, above=above, at_least=at_least, below=below, at_most=at_most, error=error)
    if array.ndim:
        raise error(f"{field} has shape {array.shape}: one number is allowed")
    return float(array)


def whole_number(field: str, value: ArrayLike, *, at_least: float = 0, error: type[SprtError] = DesignError) -> int:
    """Return `value` as one int of at least `at_least`; a `DesignError` otherwise."""
    array = whole_array(field, value, at_least=at_least, error=error)
    if array.ndim:
        raise error(f"{field} has shape {array.shape}: one whole number is allowed")
    return int(array)


def broadcast(**arrays: FloatArray) -> tuple[FloatArray, ...]:
    """Return the arrays in one common shape, or an `ObservationError` that names the shapes."""
    try:
        return np.broadcast_arrays(*arrays.values())
    except ValueError as cause:
        shapes = ", ".join(f"{field} {array.shape}" for field, array in arrays.items())
        raise ObservationError(f"shapes {shapes}: shapes that broadcast are allowed") from cause


def plain(field: str, result: FloatArray) -> FloatOrArray:
    """Return a float for a single result and the array otherwise; an `ObservationError` if it is not finite.

    The arguments were in range, so what is not finite here has left the range of double precision.
    """
    if not np.isfinite(result).all():
        raise ObservationError(f"{field} leaves the range of double precision for these arguments")
    return float(result) if np.ndim(result) == 0 else result


def _range(above: float, at_least: float, below: float, at_most: float) -> str:
    limits = [f"> {above:g}"] if above > -math.inf else []
    limits += [f">= {at_least:g}"] if at_least > -math.inf else []
    limits += [f"< {below:g}"] if below < math.inf else []
    limits += [f"<= {at_most:g}"] if at_most < math.inf else []
    return " and ".join(["a finite number", *limits])


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
