"""Where walks of a design are expected: the 5, 50 and 95 % points of planned walks under each hypothesis. Pure.

Walks are drawn at some 160 places of n, by sums of the observations between them, which are exact in law; a walk that
stands beyond a line there has ended and stays. The picture is a guide for the eye, not a computation of errors.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

import sprt
from console.documents import RunDocument
from experiments.planning import stored_design
from sprt.families import ExponentialFamily

_WALKS: Final = 2000
_PLACES: Final = 160
_SEED: Final = 20_261
_LEVELS: Final = (0.05, 0.5, 0.95)

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


def envelope(run: RunDocument) -> dict[str, list[list[float]]] | None:
    """Return, for `h0` and `h1`, rows of n and the three levels of the walk in nats; None for designs without one."""
    if not run.model:
        return None
    asked = msgspec.json.encode([run.model, run.errors, run.stop, run.lower, run.upper, run.mean_n_h0, run.mean_n_h1])
    return _envelope(asked)


@lru_cache(maxsize=256)
def _envelope(asked: bytes) -> dict[str, list[list[float]]] | None:
    model, errors, stop, lower, upper, *means = msgspec.json.decode(asked)
    design = stored_design({"id": "x", "model": model, "errors": errors, "stop": stop}, lower, upper)
    family = design.model
    if design.is_two_sided or not isinstance(family, ExponentialFamily) or family.name not in _SUMS:
        return None
    longest = max((mean for mean in means if mean is not None), default=stop.get("max_samples") or 1000)
    last = max(math.ceil(3 * longest), 10)
    last = min(last, stop["max_samples"]) if stop.get("max_samples") else last
    n = np.unique(np.linspace(1, last, _PLACES).astype(int)).astype(float)
    line = family.ratio.first
    found = {}
    for which, theta in (("h0", family.h0), ("h1", family.h1)):
        rng = np.random.default_rng(_SEED)
        steps = np.diff(n, prepend=0.0)
        sums = np.cumsum(_SUMS[family.name](family)(rng, theta, steps, (_WALKS, len(n))), axis=1)
        llr = line.slope * (sums - family.centre * n) + line.drift * n
        held = _held(llr, design)
        found[which] = np.column_stack((n, np.quantile(held, _LEVELS, axis=0).T)).round(4).tolist()
    return found


def _held(llr: Floats, design: sprt.Design) -> Floats:
    """Return the walks with each one kept where it first stood beyond a line."""
    over = (llr >= design.effective_upper) | (llr <= design.lower)
    first = np.where(over.any(axis=1), over.argmax(axis=1), llr.shape[1] - 1)
    places = np.minimum(np.arange(llr.shape[1]), first[:, None])
    return np.take_along_axis(llr, places, axis=1)
