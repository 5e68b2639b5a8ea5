"""The memory of one run: what the walk needs to go on, and nothing else.

One shape for all families, so that it can be stored as one row; the round trip through a row is exact.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple


class State(NamedTuple):  # a tuple, since a worker makes one per experiment and batch: a third of a dataclass's cost
    """Where a walk stands after `n` observations.

    Attributes
    ----------
    n
        What the rules count: observations, or discordant pairs for paired Bernoulli.
    llr
        Log-likelihood ratio in nats, positive in favour of H1.
    max_llr
        Largest log-likelihood ratio so far, the start (0) included.
    counts
        The family's integer statistics.
    sums
        The family's real statistics, summed strictly left to right.
    waiting
        Paired Bernoulli: the arm that is ahead and its values without a partner, for example `a0110`; else empty.
    """

    n: int
    llr: float
    max_llr: float
    counts: tuple[int, ...]
    sums: tuple[float, ...]
    waiting: str = ""

    @property
    def p_value(self) -> float:
        """The always-valid p: one over the largest likelihood ratio so far, at most 1."""
        return math.exp(-self.max_llr)

    def to_row(self) -> dict[str, Any]:
        """Return the state as plain numbers, lists of them and one short text."""
        return {
            "n": self.n,
            "llr": self.llr,
            "max_llr": self.max_llr,
            "counts": list(self.counts),
            "sums": list(self.sums),
            "waiting": self.waiting,
        }


def state_from_row(row: Mapping[str, Any]) -> State:
    """Return the state that `State.to_row` wrote, bit for bit."""
    return State(
        n=int(row["n"]),
        llr=float(row["llr"]),
        max_llr=float(row["max_llr"]),
        counts=tuple(int(count) for count in row["counts"]),
        sums=tuple(float(total) for total in row["sums"]),
        waiting=str(row["waiting"]),
    )
