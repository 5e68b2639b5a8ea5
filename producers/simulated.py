"""Observations drawn from an experiment's own model: each record from a generator of its own, seeded by its number.

So any record can be drawn without those before it, and the same seed and run give the same observations for ever.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

import sprt
from producers.errors import SourceError
from producers.source import Drawn


class Simulated:
    """Observations at `theta`; families with two arms alternate between records of arm a and of arm b.

    Raises
    ------
    SourceError
        If `theta` lies outside the family's space.
    """

    def __init__(self, family: sprt.Family, theta: float, batch: int, seed: int, run: int) -> None:
        try:
            family.check_theta(np.array([theta]))
        except sprt.SprtError as error:
            raise SourceError(f"source.theta: {error}") from error
        self._family, self._theta, self._batch = family, theta, batch
        self._stem = (seed, run)

    def records(self, first: int) -> Iterator[Drawn]:
        """Yield records for ever."""
        number = first
        while True:
            yield self._record(number)
            number += 1

    def _record(self, number: int) -> Drawn:
        if not self._family.has_arms:
            return Drawn(self._sample(number, self._batch))
        both, is_b = divmod(number, 2)  # the two records of a pair come from one draw
        if isinstance(self._family, sprt.PairedBernoulli):
            ones_of_b = self._sample(both, self._batch)  # pairs that differ: a has what b has not
            return Drawn(ones_of_b, "b") if is_b else Drawn(1.0 - ones_of_b, "a")
        in_turn = self._sample(both, 2 * self._batch)
        return Drawn(in_turn[1::2], "b") if is_b else Drawn(in_turn[0::2], "a")

    def _sample(self, number: int, size: int) -> npt.NDArray[np.float64]:
        rng = np.random.default_rng((*self._stem, number))
        drawn: npt.NDArray[np.float64] = self._family.sample(self._theta, (1, size), rng)[0]
        return drawn
