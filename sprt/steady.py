"""The rest of a normal walk once its lines run straight and its steps are alike: the eigenproblem, all n at once.

One strip for a line above and one below; of a two-sided test, from where the hole between its halves is so wide that
the smaller of the two likelihoods no longer matters, one on either side.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from sprt.arrays import BoolArray, FloatArray
from sprt.cost import spend
from sprt.gaussian import Brownian
from sprt.looks import Density, close, ended
from sprt.nystrom import GONE, Strip, leaving_by, make_grid, mild, steps_until
from sprt.ratio import LOG_2
from sprt.stopping import Ledger, StopMasses

PARTED: Final = 32.0  # nats between the two likelihoods of a mixture from which the smaller is below 1e-13 of the other
EMPTY: Final = 1e-15  # mass of a theta too far for the eigenbasis, below which nothing is left to follow
LARGEST_EXPONENT: Final = 600.0
BLOCK: Final = 4096


@dataclass(frozen=True, slots=True)
class Steady:
    """From which n on each observation adds the same information, and how much."""

    begins: int
    gain: float

    def information(self, n: int) -> float:
        """Return the information after n observations."""
        return n * self.gain

    def has_begun(self, process: Brownian, n: int) -> bool:
        """Return whether the information at n, and at the walk's start, is that of n equal gains."""
        slack = 1e-9 * self.gain
        as_equal = (abs(process.information(k) - self.information(k)) < slack for k in (process.start[0], n))
        return n >= self.begins and all(as_equal)


@dataclass(frozen=True, slots=True)
class Side:
    """A strip in the LLR of one likelihood, whose score moves with this slope."""

    slope: float
    strip: Strip

    @property
    def middle(self) -> float:
        """The drift of the score under which the strip's walk has none."""
        return 0.5 * self.slope

    def tau(self, drifts: FloatArray) -> FloatArray:
        """Return the drifts in units of the strip."""
        return (drifts - self.middle) / self.slope


def score_at(slope: float, llr: FloatArray, information: float) -> FloatArray:
    """Return the scores at which one likelihood has these LLRs."""
    result: FloatArray = (llr + 0.5 * slope**2 * information) / slope
    return result


def run_on(process: Brownian, steady: Steady, density: Density, n: int, ledger: Ledger) -> StopMasses | None:
    """Return the law of the whole walk, whose density is known at n, or None if it has to be followed further."""
    has_begun = steady.has_begun(process, n)
    process, rules = replace(process, information=steady.information, kernels={}), process.rules
    has_lines = math.isfinite(rules.lower) and math.isfinite(rules.upper) and rules.looks is None
    if not (has_lines and has_begun) or density.is_empty or not is_parted(process, steady, n):
        return None
    if rules.max_n is not None and rules.max_n < n + 2:  # nothing is left that could be done at once
        return None
    far = np.any([~is_mild(process, slope) for slope in slopes(process)], axis=0)
    if (process.total(density)[far] > EMPTY).any():
        return None
    sides = [side_of(process, steady, slope, density) for slope in slopes(process)]
    intervals, outer = process.lines(rules.lower, rules.upper, n + 1)
    ledger.add(n + 1, *ended(process, density, intervals, outer, n + 1))
    last = n + 1 + max(steps_left(side, process, far) for side in sides)
    if rules.max_n is None or last < rules.max_n - 1:
        list_stops(sides, process, far, (n + 2, last), ledger)
        return ledger.finish()
    list_stops(sides, process, far, (n + 2, rules.max_n - 1), ledger)
    close(process, density_at(sides, process, n + 1, rules.max_n - 1), process.nothing(n), rules.max_n, ledger)
    return ledger.finish()


def slopes(process: Brownian) -> list[float]:
    """Return the slope of each likelihood in the score."""
    ratio = process.ratio
    return [line.slope for line in (ratio.first, ratio.second) if line is not None]


def is_mild(process: Brownian, slope: float) -> BoolArray:
    """Return, for each drift, whether it is near enough to the middle of this likelihood for the eigenbasis."""
    return mild(*between(process), origin_of(process, slope), (process.drifts - 0.5 * slope) / slope)


def between(process: Brownian) -> tuple[float, float]:
    """Return the lines of a side in the LLR of its own likelihood: half of a mixture is log 2 less."""
    shift = LOG_2 if process.ratio.is_mixture else 0.0
    return process.rules.lower + shift, process.rules.upper + shift


def origin_of(process: Brownian, slope: float) -> float:
    """Return the LLR of one likelihood at the start of the walk."""
    return slope * process.start[1] - 0.5 * slope**2 * process.information(process.start[0])


def is_parted(process: Brownian, steady: Steady, n: int) -> bool:
    """Return whether the halves of a two-sided test no longer see one another; always of a one-sided one."""
    if not process.ratio.is_mixture:
        return True
    slope = abs(process.ratio.first.slope)
    inner = (process.rules.lower + LOG_2) / slope + 0.5 * slope * process.information(n)
    return 2.0 * slope * inner > PARTED and 2.0 * inner > PARTED * math.sqrt(steady.gain)


def side_of(process: Brownian, steady: Steady, slope: float, density: Density) -> Side:
    """Return the strip of one likelihood, begun with what of the density is in it one observation later."""
    sigma = abs(slope) * math.sqrt(steady.gain)
    lower, upper = between(process)
    grid = make_grid(sigma, lower, upper)
    begun, now = (process.information(n) for n in (process.start[0], density.n))
    # the density under the drift that the strip's walk does not feel
    middle = 0.5 * slope
    exponent = (middle - process.reference) * (density.node - process.start[1])
    exponent -= 0.5 * (middle**2 - process.reference**2) * (now - begun)
    under_middle = density.weight * np.exp(np.minimum(exponent, LARGEST_EXPONENT))
    lead = density.n + 1 - process.start[0]
    own = replace(process, reference=middle, kernels={})
    score = score_at(slope, grid.node, now + steady.gain)
    moved = own.transported(Density(density.n, density.node, under_middle), score, steady.gain)
    begin = grid.root * moved / (sigma * math.sqrt(2.0 * math.pi))
    return Side(slope, Strip(sigma, lower, upper, origin_of(process, slope), lead, grid, begin))


def steps_left(side: Side, process: Brownian, far: FloatArray) -> int:
    """Return after how many more steps next to nothing of the walk is left in the strip."""
    alive, _, _, factor, ratios = side_modes(side, process, far)
    return int((steps_until(side.strip, alive * factor[:, None], ratios, GONE) - side.strip.lead).max()) + 1


def side_modes(
    side: Side, process: Brownian, far: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return the coefficients of survival, of leaving above and below; their factor, and their ratio from n to n."""
    tau = side.tau(process.drifts)
    alive, above, below = leaving_by(side.strip, np.where(far, 0.0, tau))
    nothing = far[:, None]
    log_c = -0.5 * (tau * side.strip.sigma) ** 2
    factor = np.where(far, 0.0, np.exp(log_c * side.strip.lead))
    ratios = np.exp(log_c)[:, None] * side.strip.spectrum[0][None, :]
    alive, above, below = (np.where(nothing, 0.0, part) for part in (alive, above, below))
    return alive, above, below, factor, ratios


def list_stops(sides: list[Side], process: Brownian, far: FloatArray, span: tuple[int, int], ledger: Ledger) -> None:
    """Record what stops at each n of the span, its ends included."""
    first, last = span
    parts = [side_modes(side, process, far) for side in sides]
    for begin in range(first, last + 1, BLOCK):
        n = np.arange(begin, min(begin + BLOCK, last + 1))
        spend(len(sides) * n.shape[0] * (1e-8 * sides[0].strip.node.shape[0] * far.shape[0] + 1e-7 * far.shape[0]))
        h1, h0 = np.zeros((far.shape[0], n.shape[0])), np.zeros((far.shape[0], n.shape[0]))
        for _, above, below, factor, ratios in parts:
            for k in range(far.shape[0]):
                powers = np.exp(np.log(np.maximum(ratios[k], 1e-300))[:, None] * (n - first)[None, :])
                h1[k] += np.maximum(above[k] @ powers, 0.0) * factor[k]
                h0[k] += np.maximum(below[k] @ powers, 0.0) * factor[k]
        ledger.add_many(n, h1, h0)


def density_at(sides: list[Side], process: Brownian, first: int, n: int) -> Density:
    """Return the density at n under the process's reference; the strips begin at `first`."""
    begun, now = process.information(process.start[0]), process.information(n)
    nodes, weights = [], []
    for side in sides:
        eigenvalue, vector, begin = side.strip.spectrum
        node = score_at(side.slope, side.strip.node, now)
        mass = side.strip.root * (vector @ (begin * eigenvalue ** (n - first)))
        exponent = (process.reference - side.middle) * (node - process.start[1])
        exponent -= 0.5 * (process.reference**2 - side.middle**2) * (now - begun)
        nodes.append(node)
        weights.append(mass * np.exp(np.minimum(exponent, LARGEST_EXPONENT)))
    return Density(n, np.concatenate(nodes), np.concatenate(weights))
