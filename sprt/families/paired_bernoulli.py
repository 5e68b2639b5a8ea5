"""Pairs of 0/1 observations, one per arm: the odds ratio, by Wald's tagged pairs.

The k-th `a` meets the k-th `b` in the order they arrive. Only discordant pairs carry information, and only they count
in n; given that a pair is discordant, b had the 1 with probability psi / (1 + psi), whatever the two probabilities are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final

import numpy as np

from sprt.arrays import ArmArray, BoolArray, FloatArray, IntArray
from sprt.errors import DesignError
from sprt.families.base import LinearFamily, Statistics, Walk, opposite, require_different, require_finite
from sprt.families.bernoulli import Bernoulli
from sprt.ratio import Line
from sprt.state import State

MOST_WAITING: Final = 10_000


@dataclass(frozen=True)
class PairedBernoulli(LinearFamily):
    """The odds of a 1 in arm b over those in arm a are `odds_ratio0` under H0 and `odds_ratio1` under H1."""

    odds_ratio0: float
    odds_ratio1: float

    name: ClassVar[str] = "paired_bernoulli"
    parameter: ClassVar[str] = "odds_ratio"
    support: ClassVar[str] = f"0 or 1 in arm a or b, with at most {MOST_WAITING} waiting for a partner"
    has_arms: ClassVar[bool] = True
    is_lattice: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_finite(odds_ratio0=self.odds_ratio0, odds_ratio1=self.odds_ratio1)
        for name, ratio in (("odds_ratio0", self.odds_ratio0), ("odds_ratio1", self.odds_ratio1)):
            if not 1e-12 <= ratio <= 1e12:
                raise DesignError(f"{name}: {ratio!r} given, a positive number from 1e-12 to 1e12 is allowed")
        require_different("odds_ratio", self.odds_ratio0, self.odds_ratio1)
        _ = self.discordant

    @cached_property
    def discordant(self) -> Bernoulli:
        """The law of a discordant pair: 1 if b had the 1."""
        return Bernoulli(probability(self.odds_ratio0), probability(self.odds_ratio1))

    @property
    def h0(self) -> float:  # noqa: D102 - as in Family
        return float(self.odds_ratio0)

    @property
    def h1(self) -> float:  # noqa: D102 - as in Family
        return float(self.odds_ratio1)

    def mirrored(self) -> float:  # noqa: D102 - as in Family
        return self.h0 * (self.h0 / self.h1)

    def check_theta(self, theta: FloatArray) -> None:  # noqa: D102 - as in Family
        if not ((theta >= 0.0) & (theta <= 1e15)).all():
            raise DesignError(f"theta: {theta!r:.80} given, odds ratios from 0 to 1e15 are allowed")

    def supports(self, xs: FloatArray, arms: ArmArray | None = None) -> BoolArray:  # noqa: ARG002, D102 - any arm; as in Family
        result: BoolArray = (xs == 0.0) | (xs == 1.0)
        return result

    def acceptable(self, state: State, xs: FloatArray, arms: ArmArray | None) -> BoolArray:  # noqa: D102 - as in Family
        good = self.supports(xs, arms)
        if arms is None:
            return good
        sign = np.where(arms == 0, 1, -1)
        ahead = waiting_count(state.waiting)
        trace = ahead + np.cumsum(np.where(good, sign, 0))
        if trace.shape[0] == 0 or np.abs(trace).max() <= MOST_WAITING:
            return good
        for index in np.flatnonzero(good):  # rare: an arm is ten thousand ahead, so each refusal matters to the next
            if abs(ahead + sign[index]) > MOST_WAITING:
                good[index] = False
            else:
                ahead += int(sign[index])
        return good

    def refusal(self, x: float) -> str:  # noqa: D102 - as in Family
        return f"{x!r} given with {MOST_WAITING} waiting" if x in (0.0, 1.0) else f"{x!r} given"

    def start(self) -> tuple[tuple[int, ...], tuple[float, ...]]:  # noqa: D102 - as in Family
        return (0,), ()

    def line(self, theta: float) -> Line:  # noqa: D102 - as in LinearFamily
        return self.discordant.line(probability(theta))

    def side(self, state: State) -> str:  # noqa: D102 - as in Family
        first = self.mixture.favours_first(state.counts[0], state.n)
        return self.direction if first else opposite(self.direction)

    def walk(self, state: State, xs: FloatArray, arms: ArmArray | None, *, two_sided: bool) -> Walk:  # noqa: D102 - as in Family
        assert arms is not None  # noqa: S101 - the reader of batches has seen to it
        ratio = self.ratio_for(two_sided=two_sided)
        queues = [waiting_values(state.waiting, arm) for arm in (0, 1)]
        places = [np.flatnonzero(arms == arm) for arm in (0, 1)]
        values = [np.concatenate((queue, xs[place])) for queue, place in zip(queues, places, strict=True)]
        arrival = [np.concatenate((np.full(q.shape, -1), place)) for q, place in zip(queues, places, strict=True)]
        pairs = min(values[0].shape[0], values[1].shape[0])
        completed = np.maximum(arrival[0][:pairs], arrival[1][:pairs])  # a pair is complete with its later member
        discordant = np.zeros(xs.shape[0])
        successes = np.zeros(xs.shape[0])
        discordant[completed] = values[0][:pairs] != values[1][:pairs]
        successes[completed] = values[1][:pairs] > values[0][:pairs]
        n = state.n + np.cumsum(discordant)
        t = state.counts[0] + np.cumsum(successes)
        return Walk(ratio.llr(t, n), lambda: n, statistics(n, t, completed, values, arrival))

    def mean_statistic(self, theta: float) -> float:  # noqa: D102 - as in LinearFamily
        return probability(theta)

    def sample(self, theta: float, shape: tuple[int, int], rng: np.random.Generator) -> FloatArray:
        """Return discordant pairs only: 1 where b had the 1."""
        return (rng.random(shape) < probability(theta)).astype(np.float64)


def probability(odds_ratio: float) -> float:
    """Return the probability that a discordant pair has its 1 in arm b."""
    return odds_ratio / (1.0 + odds_ratio)


def waiting_count(waiting: str) -> int:
    """Return how many values wait: positive if arm a is ahead, negative if b is."""
    if not waiting:
        return 0
    return len(waiting) - 1 if waiting[0] == "a" else 1 - len(waiting)


def waiting_values(waiting: str, arm: int) -> FloatArray:
    """Return the values that wait in this arm."""
    if not waiting or waiting[0] != "ab"[arm]:
        return np.empty(0)
    return np.frombuffer(waiting[1:].encode("ascii"), dtype=np.uint8).astype(np.float64) - ord("0")


def statistics(
    n: FloatArray, t: FloatArray, completed: IntArray, values: list[FloatArray], arrival: list[IntArray]
) -> Callable[[int], Statistics]:
    """Return the function that gives the statistics after any observation of the batch."""

    def at(k: int) -> Statistics:
        used = int(np.searchsorted(completed, k, side="right"))
        for arm in (0, 1):
            arrived = int(np.searchsorted(arrival[arm], k, side="right"))
            if arrived > used:
                left = values[arm][used:arrived].astype(np.uint8) + ord("0")
                return int(n[k]), (int(t[k]),), (), "ab"[arm] + left.tobytes().decode("ascii")
        return int(n[k]), (int(t[k]),), (), ""

    return at
