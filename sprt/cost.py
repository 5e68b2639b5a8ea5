"""How long a recursion will be, before it is begun: a design that would take too long is refused at once."""

import math
from typing import Final

from sprt.arrays import FloatArray
from sprt.errors import DesignError

DECADES: Final = 45.0  # natural logs of survival after which what is left does not count, the weight n^2 included


def needed_steps(drift: FloatArray, variance: FloatArray, width: float, limit: int | None) -> float:
    """Return about how many steps a walk between two lines takes until next to nothing of it survives.

    Survival falls like that of a Brownian motion: by `drift^2 / (2 variance) + pi^2 variance / (2 width^2)` per step.
    """
    if not math.isfinite(width):
        return math.inf if limit is None else float(limit)
    spread = variance.clip(min=1e-300)
    rate = float((drift * drift / (2.0 * spread) + math.pi**2 * spread / (2.0 * width * width)).min())
    steps = DECADES / rate if rate > 0.0 else math.inf
    return steps if limit is None else min(steps, float(limit))


def require_affordable(steps: float, most: float, limit: int | None) -> None:
    """Raise DesignError if a recursion would take more steps than are allowed."""
    if steps > most:
        given = "no limit" if limit is None else f"max_n = {limit}"
        raise DesignError(
            f"max_n: {given} given, but the exact recursion would take {steps:.3g} steps and at most {most:.3g} are "
            "allowed; a smaller limit or hypotheses further apart are"
        )
