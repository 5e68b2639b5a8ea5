"""How long a recursion will be: refused before it is begun if too long, ended once too little is left to matter."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from sprt.arrays import FloatArray
from sprt.errors import TooCostlyError

ALLOWED: Final = 8.0  # seconds; what one question may cost
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


@dataclass(slots=True)
class Allowance:
    """What one question may cost, in seconds of a plain server core; counted by operations, never by a clock.

    So the same question is answered or refused alike on every machine, however busy it is.
    """

    given: str
    left: float

    def spend(self, seconds: float) -> None:
        """Take off what is about to be computed; raise TooCostlyError if that is more than there is."""
        self.require(seconds)
        self.left -= seconds

    def require(self, seconds: float) -> None:
        """Raise TooCostlyError if this is more than there is."""
        if seconds > self.left:
            raise TooCostlyError(
                f"{self.given} given, too costly to compute exactly; hypotheses further apart, error rates less small, "
                "a smaller limit or fewer looks are allowed"
            )


_current: ContextVar[Allowance | None] = ContextVar("allowance", default=None)


@contextmanager
def allowance(given: str, seconds: float = ALLOWED) -> Iterator[Allowance]:
    """Give what is computed inside an allowance; inside another one, that one counts.

    A context variable, since the recursions that spend lie many calls below the questions that allow.
    """
    outer = _current.get()
    if outer is not None:
        yield outer
        return
    fresh = Allowance(given, seconds)
    token = _current.set(fresh)
    try:
        yield fresh
    finally:
        _current.reset(token)


def spend(seconds: float) -> None:
    """Take this much off the allowance of the question being answered, if it has one.

    Raises
    ------
    TooCostlyError
        If less is left.
    """
    current = _current.get()
    if current is not None:
        current.spend(seconds)


def require(seconds: float) -> None:
    """Raise TooCostlyError if the question being answered has less left than this, at a rough guess."""
    current = _current.get()
    if current is not None:
        current.require(seconds)
