"""Where walks of a design are expected: the 5, 50 and 95 % points of planned walks. Pure, and seeded.

Walks are drawn at some places of n by what the observations between them add, which is exact in law; a walk that
stands beyond a line there has ended and stays. The picture is a guide for the eye, not a computation of errors.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

import sprt
from sprt.bundles import make_bundle
from sprt.families import ExponentialFamily
from sprt.simulate import draw

LEVELS: Final = (0.05, 0.5, 0.95)
#: Up to this n, the walks of a family with arms are drawn one observation at a time.
_LONGEST: Final = 5_000

Floats = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, float, Floats, tuple[int, int]], Any]

#: The sum of m observations at a parameter value, by family.
_SUMS: Final[dict[str, Callable[[Any], Draw]]] = {
    "bernoulli": lambda _: lambda rng, p, m, size: rng.binomial(m.astype(int), p, size),
    "normal": lambda model: lambda rng, mean, m, size: rng.normal(m * mean, model.sd * np.sqrt(m), size),
    "poisson": lambda _: lambda rng, rate, m, size: rng.poisson(m * rate, size),
    "exponential": lambda _: lambda rng, rate, m, size: rng.gamma(m, 1 / rate, size),
    "negative_binomial": lambda model: (
        lambda rng, mean, m, size: rng.negative_binomial(
            m * model.dispersion, model.dispersion / (model.dispersion + mean), size
        )
    ),
}


def planned_levels(design: sprt.Design, theta: float, n: Floats, walks: int, seed: int) -> Floats | None:
    """Return the three levels of the walk in nats at each n, shape `(len(n), 3)`; None for designs without them.

    Two-sided tests have no single walk, and the multinomial ratio of simulated walks is computed near the lines only.

    Parameters
    ----------
    n
        Increasing, whole numbers from 1.
    walks, seed
        How many walks are drawn, and what they depend on.
    """
    llr = _walks(design, theta, n, (walks, len(n)), np.random.default_rng(seed))
    return None if llr is None else np.quantile(_held(llr, design), LEVELS, axis=0).T


def _walks(
    design: sprt.Design, theta: float, n: Floats, size: tuple[int, int], rng: np.random.Generator
) -> Floats | None:
    model, steps = design.model, np.diff(n, prepend=0.0)
    if design.is_two_sided or isinstance(model, sprt.Multinomial):
        return None
    if isinstance(model, ExponentialFamily):
        line = model.ratio.first
        sums = np.cumsum(_SUMS[model.name](model)(rng, theta, steps, size), axis=1)
        return np.asarray(line.slope * (sums - model.centre * n) + line.drift * n)
    bundle = make_bundle(design, sprt.init(design), size[0])
    if isinstance(model, sprt.StudentT):
        return bundle.leap(theta, steps, n, rng)
    last = int(n[-1])
    if last > _LONGEST:
        return None
    each = np.arange(1.0, last + 1.0)
    llr = bundle.advance(draw(design, bundle, theta, (size[0], last), rng), each)
    return np.asarray(llr[:, n.astype(int) - 1])


def _held(llr: Floats, design: sprt.Design) -> Floats:
    """Return the walks with each one kept where it first stood beyond a line."""
    over = (llr >= design.effective_upper) | (llr <= design.lower)
    first = np.where(over.any(axis=1), over.argmax(axis=1), llr.shape[1] - 1)
    places = np.minimum(np.arange(llr.shape[1]), first[:, None])
    return np.take_along_axis(llr, places, axis=1)
