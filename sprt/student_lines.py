"""Where Student's likelihood ratio reaches a level, at given sample sizes: as a value of `y = t / sqrt(df + t^2)`.

The ratio of two noncentral t densities is monotone in t, and the two-sided one falls and then rises, so a walk has
crossed a line exactly where its y has. One or two roots for each n serve all simulated walks, in place of an integral
for each walk and n.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import numpy as np
from scipy.optimize import elementwise

from sprt.arrays import FloatArray
from sprt.cost import spend
from sprt.families.student_t import StudentT
from sprt.ratio import LOG_2
from sprt.student import student_y_llr

PER_ROOT: Final = 2.5e-4  # seconds
END: Final = 1.0 - 2.0**-53
GOLDEN: Final = 36  # sections, to 1e-7 of the range: the ratio at its least is then known to rounding


def lines(
    model: StudentT, level: float, df: FloatArray, size: FloatArray, *, two_sided: bool
) -> tuple[FloatArray, FloatArray]:
    """Return, for each n, the interval of y outside which (and at the ends of which) the ratio is at least this level.

    One end is infinite where the ratio never reaches the level on that side; `low > high` where it is above everywhere.

    Parameters
    ----------
    df, size
        Degrees of freedom (below 1 there is no t: nan) and the root of the effective sample size at each n.
    """
    spend(PER_ROOT * df.shape[0] * (3 if two_sided else 1))
    low, high = _lines(model, level, tuple(df.tolist()), tuple(size.tolist()), two_sided)
    return np.array(low), np.array(high)


@lru_cache(maxsize=256)
def _lines(
    model: StudentT, level: float, df: tuple[float, ...], size: tuple[float, ...], two_sided: bool
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    freedom, root = np.array(df), np.array(size)
    some = (freedom >= 1.0) & (root > 0.0)
    args = (freedom[some], root[some])
    low, high = np.full(freedom.shape, math.nan), np.full(freedom.shape, math.nan)

    def excess(y: FloatArray, degrees: FloatArray, scale: FloatArray) -> FloatArray:
        return ratio_at(model, y, degrees, scale, two_sided=two_sided) - level

    if two_sided:
        least = lowest_near(model, level, *args)
        low[some], high[some] = reached(excess, least, -END, args), reached(excess, least, END, args)
        above = excess(least, *args) >= 0.0
        low[some], high[some] = np.where(above, math.inf, low[some]), np.where(above, -math.inf, high[some])
    else:
        rising = model.effect1 > model.effect0
        begin = np.full(args[0].shape, -END if rising else END)
        end = reached(excess, begin, END if rising else -END, args)
        low[some], high[some] = (-math.inf, end) if rising else (end, math.inf)
    return tuple(low.tolist()), tuple(high.tolist())


def reached(
    excess: Callable[..., FloatArray], begin: FloatArray, end: float, args: tuple[FloatArray, FloatArray]
) -> FloatArray:
    """Return where, from `begin` to `end`, a rising excess is first at least 0; an infinity if not inside."""
    ends, at_begin = np.full(begin.shape, end), excess(begin, *args)
    found = np.where(at_begin >= 0.0, -math.copysign(math.inf, end), math.copysign(math.inf, end))
    inside = (at_begin < 0.0) & (excess(ends, *args) > 0.0)
    if inside.any():
        brackets = np.minimum(begin, ends)[inside], np.maximum(begin, ends)[inside]
        found[inside] = elementwise.find_root(excess, brackets, args=tuple(one[inside] for one in args)).x
    return found


def lowest_near(model: StudentT, level: float, df: FloatArray, size: FloatArray) -> FloatArray:
    """Return, for each n, a y with a two-sided ratio below the level, or else the y at which the ratio is least.

    The densities of a noncentral t are totally positive in t and effect, so h1 plus mirror image minus a multiple of
    h0 changes sign at most twice, from above to below and back: each level has one interval below it (Karlin 1968).
    """
    typical = model.effect0 * size
    found = typical / np.hypot(np.sqrt(df), typical)
    if model.effect0 == 0.0:
        return found
    above = ratio_at(model, found, df, size, two_sided=True) >= level
    if not above.any():
        return found
    df, size = df[above], size[above]
    low, high = np.full(df.shape, -END), np.full(df.shape, END)
    share = 0.5 * (math.sqrt(5.0) - 1.0)
    for _ in range(GOLDEN):
        left, right = high - share * (high - low), low + share * (high - low)
        falls = ratio_at(model, left, df, size, two_sided=True) > ratio_at(model, right, df, size, two_sided=True)
        low, high = np.where(falls, left, low), np.where(falls, high, right)
    found[above] = 0.5 * (low + high)
    return found


def ratio_at(model: StudentT, y: FloatArray, df: FloatArray, size: FloatArray, *, two_sided: bool) -> FloatArray:
    """Return the log-likelihood ratio at y."""
    ratio = np.asarray(student_y_llr(y, df, model.effect1 * size))
    if two_sided:
        ratio = np.logaddexp(ratio, student_y_llr(y, df, model.mirrored() * size)) - LOG_2
    if model.effect0 != 0.0:
        ratio = ratio - student_y_llr(y, df, model.effect0 * size)
    return ratio
