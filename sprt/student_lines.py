"""Where Student's likelihood ratio reaches a level, at given sample sizes: as a value of `y = t / sqrt(df + t^2)`.

The ratio of two noncentral t densities is monotone in t, so a walk has crossed a line exactly where its y has. One root
for each n serves all simulated walks, in place of an integral for each walk and n.
"""

import math
from functools import lru_cache
from typing import Final

import numpy as np
from scipy.optimize import elementwise

from sprt.arrays import FloatArray
from sprt.families.student_t import StudentT
from sprt.ratio import LOG_2
from sprt.student import student_y_llr

END: Final = 1.0 - 2.0**-53


def has_lines(model: StudentT, *, two_sided: bool) -> bool:
    """Return whether the ratio is monotone in y, or two-sided about an effect of 0, in its modulus."""
    return not two_sided or model.effect0 == 0.0


def toward_h1(model: StudentT, y: FloatArray, *, two_sided: bool) -> FloatArray:
    """Return what the ratio rises with: y, its negative or its modulus."""
    if two_sided:
        return np.abs(y)
    return y if model.effect1 > model.effect0 else -y


def statistic_line(model: StudentT, level: float, df: FloatArray, size: FloatArray, *, two_sided: bool) -> FloatArray:
    """Return, for each n, the `toward_h1` at which the ratio reaches this level: inf where none does, -inf where all.

    Parameters
    ----------
    df, size
        Degrees of freedom (below 1 there is no t: nan) and the root of the effective sample size at each n.
    """
    return np.array(_lines(model, level, tuple(df.tolist()), tuple(size.tolist()), two_sided))


@lru_cache(maxsize=256)
def _lines(
    model: StudentT, level: float, df: tuple[float, ...], size: tuple[float, ...], two_sided: bool
) -> tuple[float, ...]:
    freedom, root = np.array(df), np.array(size)
    some = (freedom >= 1.0) & (root > 0.0)
    line = np.full(freedom.shape, math.nan)
    lowest = 0.0 if two_sided else -END

    def excess(x: FloatArray, degrees: FloatArray, scale: FloatArray) -> FloatArray:
        return ratio_toward(model, x, degrees, scale, two_sided=two_sided) - level

    ends = [excess(np.full(freedom[some].shape, x), freedom[some], root[some]) for x in (lowest, END)]
    found = np.where(ends[0] >= 0.0, -math.inf, math.inf)
    inside = (ends[0] < 0.0) & (ends[1] > 0.0)
    if inside.any():
        low = np.full(int(inside.sum()), lowest)
        args = (freedom[some][inside], root[some][inside])
        found[inside] = elementwise.find_root(excess, (low, np.full(low.shape, END)), args=args).x
    line[some] = found
    return tuple(line.tolist())


def ratio_toward(model: StudentT, x: FloatArray, df: FloatArray, size: FloatArray, *, two_sided: bool) -> FloatArray:
    """Return the log-likelihood ratio at a value of `toward_h1`."""
    y = x if two_sided or model.effect1 > model.effect0 else -x
    ratio = np.asarray(student_y_llr(y, df, model.effect1 * size))
    if two_sided:
        ratio = np.logaddexp(ratio, student_y_llr(y, df, model.mirrored() * size)) - LOG_2
    if model.effect0 != 0.0:
        ratio = ratio - student_y_llr(y, df, model.effect0 * size)
    return ratio
