"""The law of a run's end: when it stops, on which side, and at the limit with which score.

Every recursion and quadrature ends in `StopMasses`; the numbers that people read are taken from there by `summarise`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from sprt.arrays import BoolArray, FloatArray, IntArray

LEVELS: Final = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
TIE: Final = 1e-9  # nats; a walk this close to a boundary stands on it
CLOSE: Final = 1e-12  # a probability this close to a level has reached it


class Limit(ABC):
    """Everything that ends at the limit, ordered by its log-likelihood ratio."""

    @abstractmethod
    def at_least(self, llr: float) -> FloatArray:
        """Return, for each theta, the probability of ending at the limit with this ratio or more."""

    @abstractmethod
    def above(self, llr: float) -> FloatArray:
        """Return, for each theta, the probability of ending at the limit with more than this ratio."""


@dataclass(frozen=True, slots=True)
class LimitMasses(Limit):
    """The end at the limit of a lattice walk: each log-likelihood ratio and its mass, shape `(thetas, points)`."""

    llr: FloatArray
    mass: FloatArray

    def at_least(self, llr: float) -> FloatArray:  # noqa: D102 - as in Limit
        result: FloatArray = self.mass[:, self.llr >= llr - TIE].sum(axis=1)
        return result

    def above(self, llr: float) -> FloatArray:  # noqa: D102 - as in Limit
        result: FloatArray = self.mass[:, self.llr > llr + TIE].sum(axis=1)
        return result


@dataclass(frozen=True, slots=True)
class LimitTail(Limit):
    """The end at the limit of a continuous walk: the tail probability of its log-likelihood ratio."""

    tail: Callable[[float], FloatArray]

    def at_least(self, llr: float) -> FloatArray:  # noqa: D102 - as in Limit
        return self.tail(llr)

    def above(self, llr: float) -> FloatArray:  # noqa: D102 - as in Limit
        return self.tail(llr)


@dataclass(frozen=True, slots=True)
class StopMasses:
    """Probabilities of stopping at each n, for each theta.

    `accept_h1`, `accept_h0` and `undecided` have shape `(thetas, n)`; what ends at the limit is in them too, and again,
    by score, in `limit`.
    """

    n: IntArray
    accept_h1: FloatArray
    accept_h0: FloatArray
    undecided: FloatArray
    limit: Limit | None = None


@dataclass(slots=True)
class Ledger:
    """Stopped mass, collected as the recursion runs: n and, for each theta, the mass of each outcome."""

    parts: list[tuple[IntArray, FloatArray, FloatArray, FloatArray]]
    limit: Limit | None = None

    def add(self, n: int, accept_h1: FloatArray, accept_h0: FloatArray, undecided: FloatArray | None = None) -> None:
        """Add the mass that stopped at one n, shape `(thetas,)`."""
        nothing = np.zeros(accept_h1.shape) if undecided is None else undecided
        self.parts.append((np.array([n]), accept_h1[:, None], accept_h0[:, None], nothing[:, None]))

    def add_many(self, n: IntArray, accept_h1: FloatArray, accept_h0: FloatArray) -> None:
        """Add the mass that stopped at several n, shape `(thetas, n)`."""
        self.parts.append((n, accept_h1, accept_h0, np.zeros(accept_h1.shape)))

    def finish(self) -> StopMasses:
        """Return the masses as arrays."""
        n, accept_h1, accept_h0, undecided = zip(*self.parts, strict=True)
        return StopMasses(
            np.concatenate(n).astype(np.int64),
            np.concatenate(accept_h1, axis=1),
            np.concatenate(accept_h0, axis=1),
            np.concatenate(undecided, axis=1),
            self.limit,
        )


def new_ledger() -> Ledger:
    """Return an empty ledger."""
    return Ledger([])


@dataclass(frozen=True, slots=True)
class Law:
    """What people read of the law of a run, one entry for each theta."""

    p_accept_h1: FloatArray
    p_accept_h0: FloatArray
    p_undecided: FloatArray
    mean_n: FloatArray
    sd_n: FloatArray
    quantiles: dict[float, FloatArray]
    mass_error: FloatArray
    standard_error: FloatArray | None = None


def summarise(stops: StopMasses, levels: tuple[float, ...] = LEVELS) -> Law:
    """Return probabilities, moments and quantiles of a law given by its masses."""
    by_n = stops.accept_h1 + stops.accept_h0 + stops.undecided
    n = stops.n.astype(np.float64)
    total = by_n.sum(axis=1)
    mean = by_n @ n
    centred = n[None, :] - mean[:, None]
    variance = (by_n * centred * centred).sum(axis=1)
    reached = np.cumsum(by_n, axis=1)
    quantiles = {level: n[np.minimum((reached < level - CLOSE).sum(axis=1), n.shape[0] - 1)] for level in levels}
    return Law(
        p_accept_h1=stops.accept_h1.sum(axis=1),
        p_accept_h0=stops.accept_h0.sum(axis=1),
        p_undecided=stops.undecided.sum(axis=1),
        mean_n=mean,
        sd_n=np.sqrt(np.maximum(variance, 0.0)),
        quantiles=quantiles,
        mass_error=np.abs(1.0 - total),
    )


def swapped(stops: StopMasses) -> StopMasses:
    """Return the masses with the two outcomes exchanged."""
    return StopMasses(stops.n, stops.accept_h0, stops.accept_h1, stops.undecided, stops.limit)


def joined(laws: list[Law]) -> Law:
    """Return the laws of several groups of thetas as one."""
    return Law(
        p_accept_h1=np.concatenate([law.p_accept_h1 for law in laws]),
        p_accept_h0=np.concatenate([law.p_accept_h0 for law in laws]),
        p_undecided=np.concatenate([law.p_undecided for law in laws]),
        mean_n=np.concatenate([law.mean_n for law in laws]),
        sd_n=np.concatenate([law.sd_n for law in laws]),
        quantiles={level: np.concatenate([law.quantiles[level] for law in laws]) for level in laws[0].quantiles},
        mass_error=np.concatenate([law.mass_error for law in laws]),
    )


def reordered(law: Law, order: IntArray) -> Law:
    """Return the law with its thetas in this order."""
    return Law(
        p_accept_h1=law.p_accept_h1[order],
        p_accept_h0=law.p_accept_h0[order],
        p_undecided=law.p_undecided[order],
        mean_n=law.mean_n[order],
        sd_n=law.sd_n[order],
        quantiles={level: n[order] for level, n in law.quantiles.items()},
        mass_error=law.mass_error[order],
    )


def grouped(values: FloatArray, groups: list[IntArray], law: Callable[[FloatArray], Law]) -> Law:
    """Return the law at all values, computed group by group."""
    return reordered(joined([law(values[group]) for group in groups]), np.argsort(np.concatenate(groups)))


def one_and_singles(together: BoolArray) -> list[IntArray]:
    """Return the indices that go together as one group, and each of the others as one of its own."""
    shared = [np.flatnonzero(together)] if together.any() else []
    return shared + [np.array([k]) for k in np.flatnonzero(~together)]


def neighbours(values: FloatArray, reach: float) -> list[IntArray]:
    """Return groups of values that lie within `reach` of the middle of their group."""
    order = np.argsort(values, kind="stable")
    groups: list[list[int]] = []
    for k in order.tolist():
        if groups and values[k] - values[groups[-1][0]] < 2.0 * reach:
            groups[-1].append(k)
        else:
            groups.append([k])
    return [np.array(group) for group in groups]
