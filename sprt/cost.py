"""How long a recursion will be: refused before it is begun if too long, ended once too little is left to matter."""

import math
from dataclasses import dataclass
from typing import Final

from sprt.arrays import FloatArray
from sprt.errors import DesignError

DECADES: Final = 40.0  # natural logs of survival after which what is left does not count, the weight of n^2 included


@dataclass(slots=True)
class Patience:
    """Says when so little of a walk is left that following it changes no figure, the spread of n included.

    `enough` is the surviving probability, weighted by the square of n over the median, at which that is so.
    """

    start: int
    enough: float
    median: float = math.inf

    def is_over(self, alive: float, n: int) -> bool:
        """Return whether the recursion may end at n, with this probability still going."""
        gone = float(n - self.start)
        if alive > 0.5:
            return False
        self.median = min(self.median, gone)
        return alive * (gone / self.median) ** 2 < self.enough


def patience(start: int, limit: int | None, enough: float = 1e-13) -> Patience:
    """Return the patience of a recursion: with a limit, what is cut off before it is below rounding."""
    return Patience(start, enough if limit is None else min(enough, 1e-18))


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
