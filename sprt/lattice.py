"""Exact law of the stopping time for 0/1 increments, for every theta at once.

The recursion counts paths: it carries weights that do not depend on theta, and a theta only tilts the weight at each
stopping point (n, s) by theta^s (1-theta)^(n-s). All terms are positive, so nothing cancels. Exponents are kept in
extended precision, since they grow with n while their sum does not.
"""

import math
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sprt.arrays import FloatArray, IntArray
from sprt.cost import Patience, spend
from sprt.errors import DesignError
from sprt.ratio import Ratio
from sprt.regions import ACCEPT_H0, ACCEPT_H1, FAR, Region, region
from sprt.rules import Rules

LongArray: TypeAlias = NDArray[np.longdouble]

MOST_AT_ONCE: Final = 50_000_000  # observations between two looks
CHUNK: Final = 256  # steps between rescalings: weights at most double in a step, 2^256 is far from overflow
BLOCK: Final = 16_384  # most steps whose region is found at once
PER_STEP: Final = 7e-7  # seconds
PER_MIXED: Final = 3e-6  # for a step's region where the ratio is a mixture
PER_CELL: Final = 2.5e-9
DUST: Final = 1e-26  # probability of a score at the end of a window below which it is dropped
LARGEST_EXPONENT: Final = 600.0  # beyond it a theta is too far from the weights: its total then misses 1, and it shows


@dataclass(frozen=True, slots=True)
class Absorption:
    """Where paths from `start` end: point (n, s), weight free of theta (a float and an exponent), and outcome."""

    start: tuple[int, int]
    n: IntArray
    s: IntArray
    weight: FloatArray
    exponent: LongArray
    outcome: IntArray

    def masses(self, theta: float) -> FloatArray:
        """Return the probability of each stopping point at a success probability."""
        return self.weight * np.exp(np.minimum(self.tilt(theta), LARGEST_EXPONENT))

    def tilt(self, theta: float) -> FloatArray:
        """Return the log of theta^s (1-theta)^(n-s) times the scale of the weight."""
        return tilt(self.exponent, self.n - self.start[0], self.s - self.start[1], theta)


def tilt(exponent: LongArray, n: IntArray, s: IntArray, theta: float) -> FloatArray:
    """Return `exponent + s log(theta) + (n - s) log(1 - theta)`; -inf where a certain outcome did not happen."""
    failures = n - s
    if theta <= 0.0 or theta >= 1.0:
        impossible = s if theta <= 0.0 else failures
        return np.where(impossible == 0, exponent.astype(np.float64), -np.inf)
    p = np.longdouble(theta)
    result: FloatArray = (exponent + s * np.log(p) + failures * np.log1p(-p)).astype(np.float64)
    return result


@dataclass(slots=True)
class Front:
    """The walks still going: weights at s = base, base + 1, …; `p_weights` those that touched the p line untested."""

    n: int
    base: int
    weights: FloatArray
    scale: np.longdouble
    p_weights: FloatArray | None = None


@dataclass(slots=True)
class Recorder:
    """Collects stopping points while the recursion runs."""

    ratio: Ratio
    rules: Rules
    log_r: np.longdouble
    start: tuple[int, int]
    parts: list[tuple[IntArray, IntArray, FloatArray, LongArray, IntArray]]

    def add(self, n: IntArray, s: IntArray, weight: FloatArray, scale: np.longdouble, outcome: IntArray) -> None:
        """Add stopping points, leaving out those without weight."""
        some = weight > 0.0
        if some.any():
            exponent = scale - s[some] * self.log_r
            self.parts.append((n[some], s[some], weight[some], exponent, outcome[some]))

    def finish(self) -> Absorption:
        """Return all stopping points."""
        if not self.parts:
            empty = np.empty(0, dtype=np.int64)
            return Absorption(self.start, empty, empty, np.empty(0), np.empty(0, dtype=np.longdouble), empty)
        n, s, weight, exponent, outcome = (np.concatenate(column) for column in zip(*self.parts, strict=True))
        return Absorption(self.start, n, s, weight, exponent, outcome)


def pass_gap(front: Front, look: int, r: float, recorder: Recorder) -> Front:
    """Return the front after the test at `look`, the n before it not being tested."""
    rules, ratio = recorder.rules, recorder.ratio
    if math.isfinite(rules.p_line) and look - front.n > 1:
        while front.n < look - 1:
            front = touch(advance(front, 1, r), ratio, rules)
    front = advance(front, look - front.n, r)
    return settle(front, recorder)


def advance(front: Front, steps: int, r: float) -> Front:
    """Return the front some untested steps later: one convolution with the binomial weights."""
    if steps > MOST_AT_ONCE:
        raise DesignError(f"looks: {steps} observations between looks given, at most {MOST_AT_ONCE} are allowed")
    spend(50.0 * PER_STEP + 1e-7 * steps + 1e-9 * front.weights.shape[0] * steps)
    kernel, shift = binomial_weights(steps, r)
    weights = np.convolve(front.weights, kernel)
    p_weights = None if front.p_weights is None else np.convolve(front.p_weights, kernel)
    top = max(float(weights.max()), 0.0 if p_weights is None else float(p_weights.max()))
    power = math.frexp(top)[1]
    factor = math.ldexp(1.0, -power)
    return Front(
        front.n + steps,
        front.base,
        weights * factor,
        front.scale + shift + power * np.log(np.longdouble(2.0)),
        None if p_weights is None else p_weights * factor,
    )


def binomial_weights(steps: int, r: float) -> tuple[FloatArray, np.longdouble]:
    """Return `C(steps, j) r^j` for all j, and the log of what to multiply them by.

    Summed outwards from the largest, and scaled to the known total `(1 + r)^steps`: the logarithms of factorials of
    millions would lose nine digits.
    """
    if steps == 1:
        return np.array([1.0, r]), np.longdouble(0.0)
    j = np.arange(steps, dtype=np.float64)
    quotient = np.log((steps - j) / (j + 1.0)) + math.log(r)
    split = int(np.searchsorted(-quotient, 0.0))
    log_kernel = np.concatenate((np.cumsum(-quotient[:split][::-1])[::-1], [0.0], np.cumsum(quotient[split:])))
    kernel = np.exp(log_kernel)
    total = np.longdouble(steps) * np.log1p(np.longdouble(r))
    return kernel, total - np.log(np.longdouble(math.fsum(kernel)))


def touch(front: Front, ratio: Ratio, rules: Rules) -> Front:
    """Return the front with the walks on or above the p line moved to those that touched it."""
    spend(50.0 * PER_STEP + 20.0 * PER_CELL * front.weights.shape[0])
    s = np.arange(front.base, front.base + front.weights.shape[0], dtype=np.float64)
    above = ratio.llr(s, np.full(s.shape, float(front.n))) >= rules.p_line
    if not above.any():
        return front
    touched = np.where(above, front.weights, 0.0)
    if front.p_weights is not None:
        touched = touched + front.p_weights
    return Front(front.n, front.base, np.where(above, 0.0, front.weights), front.scale, touched)


def settle(front: Front, recorder: Recorder) -> Front:
    """Return the front after the test at its n, the walks that end there recorded."""
    rules, ratio = recorder.rules, recorder.ratio
    s = np.arange(front.base, front.base + front.weights.shape[0], dtype=np.int64)
    n = np.full(s.shape, front.n)
    llr = ratio.llr(s.astype(np.float64), n.astype(np.float64))
    outcome = np.where(llr >= rules.upper, ACCEPT_H1, np.where(llr <= rules.lower, ACCEPT_H0, 0))
    ends = outcome != 0
    if rules.max_n is not None and front.n >= rules.max_n:
        outcome = np.where(ends, outcome, rules.limit_outcome(llr))
        ends = np.ones(s.shape, dtype=np.bool_)
    recorder.add(n[ends], s[ends], front.weights[ends], front.scale, outcome[ends])
    if front.p_weights is not None:
        verdict = np.where(llr <= rules.lower, ACCEPT_H0, ACCEPT_H1)
        recorder.add(n, s, front.p_weights, front.scale, verdict)
    kept = np.flatnonzero(~ends & (front.weights > 0.0))
    if kept.shape[0] == 0:
        return Front(front.n, front.base, np.zeros(1), front.scale)
    first, last = int(kept[0]), int(kept[-1]) + 1
    weights = np.where(ends, 0.0, front.weights)[first:last]
    return Front(front.n, front.base + first, weights, front.scale)


def run(front: Front, r: float, recorder: Recorder, thetas: FloatArray, patient: Patience) -> None:
    """Follow the front through consecutive tested n to the limit, or until next to nothing survives."""
    rules, ratio = recorder.rules, recorder.ratio
    chunk = max(1, min(CHUNK, int(600.0 / max(math.log2(1.0 + r), 1.0))))
    block = 2 * CHUNK
    while front.weights.max() > 0.0 and (rules.max_n is None or front.n < rules.max_n):
        block_end = front.n + block if rules.max_n is None else min(front.n + block, rules.max_n)
        block = min(2 * block, BLOCK)
        n = np.arange(front.n + 1, block_end + 1, dtype=np.float64)
        spend(n.shape[0] * (PER_MIXED if ratio.is_mixture else 0.3 * PER_STEP))
        lines = region(ratio, rules.lower, rules.upper, n)
        done = 0
        while done < n.shape[0] and front.weights.max() > 0.0:
            piece = lines.part(slice(done, done + chunk))
            front = run_chunk(front, piece, r, recorder)
            done += piece.low.shape[0]
            alive, front = swept(front, thetas, recorder)
            if patient.is_over(alive, front.n):
                return
    if front.weights.max() > 0.0:
        settle_limit(front, recorder)


def settle_limit(front: Front, recorder: Recorder) -> None:
    """Record the walks that stand between the lines at the limit."""
    s = np.arange(front.base, front.base + front.weights.shape[0], dtype=np.int64)
    n = np.full(s.shape, front.n)
    llr = recorder.ratio.llr(s.astype(np.float64), n.astype(np.float64))
    recorder.add(n, s, front.weights, front.scale, recorder.rules.limit_outcome(llr))


def survivors(front: Front, thetas: FloatArray, recorder: Recorder) -> float:
    """Return the largest probability, over the thetas, that a walk is still going."""
    return max(float(mass.sum()) for mass in going(front, thetas, recorder))


def swept(front: Front, thetas: FloatArray, recorder: Recorder) -> tuple[float, Front]:
    """Return what `survivors` does, and the front without the scores at its ends that no theta makes likely."""
    masses = going(front, thetas, recorder)
    alive = max(float(mass.sum()) for mass in masses)
    kept = np.flatnonzero(np.maximum.reduce(masses) > DUST)
    if kept.shape[0] == 0 or kept[-1] + 1 - kept[0] == front.weights.shape[0]:
        return alive, front
    first, last = int(kept[0]), int(kept[-1]) + 1
    return alive, Front(front.n, front.base + first, front.weights[first:last], front.scale)


def going(front: Front, thetas: FloatArray, recorder: Recorder) -> list[FloatArray]:
    """Return, for each theta, the probability of still going at each score."""
    s = np.arange(front.base, front.base + front.weights.shape[0], dtype=np.int64)
    spend(1e-7 * s.shape[0] * thetas.shape[0])
    exponent = front.scale - s * recorder.log_r
    n = np.full(s.shape, front.n - recorder.start[0])
    successes = s - recorder.start[1]
    return [
        front.weights * np.exp(np.minimum(tilt(exponent, n, successes, theta), LARGEST_EXPONENT)) for theta in thetas
    ]


def run_chunk(front: Front, lines: Region, r: float, recorder: Recorder) -> Front:
    """Return the front at the end of the chunk; steps write rows, and what ended is read from them afterwards."""
    steps = lines.low.shape[0]
    index = np.arange(steps + 1)
    last = front.base + front.weights.shape[0] - 1
    low = np.maximum.accumulate(np.concatenate(([front.base], lines.low)))
    high = index + np.minimum.accumulate(np.concatenate(([last], np.minimum(lines.high, FAR) - index[1:])))
    base = front.base - 1  # one column of zeros on the left
    width = last + steps + 2 - base
    spend(steps * PER_STEP + (steps + 1) * width * PER_CELL)
    rows = np.zeros((steps + 1, width))
    rows[0, 1 : 1 + front.weights.shape[0]] = front.weights
    begins, ends = (low - base).tolist(), (high - base + 1).tolist()
    holes = None
    if lines.hole_low is not None and lines.hole_high is not None:
        hole_low, hole_high = np.maximum(lines.hole_low, low[1:]), np.minimum(lines.hole_high, high[1:])
        holes = (hole_low, hole_high)
    follow(rows, begins, ends, r, None if holes is None else (holes[0] - base, holes[1] - base + 1))
    record_chunk(front, Chunk(rows, low, high, base, holes), r, recorder)
    a, b = begins[-1], ends[-1]
    if b <= a:
        return Front(front.n + steps, front.base, np.zeros(1), front.scale)
    weights = rows[-1, a:b]
    power = math.frexp(float(weights.max()))[1]
    scale = front.scale + power * np.log(np.longdouble(2.0))
    return Front(front.n + steps, int(low[-1]), weights * math.ldexp(1.0, -power), scale)


def follow(
    rows: FloatArray, begins: list[int], ends: list[int], r: float, holes: tuple[IntArray, IntArray] | None
) -> None:
    """Fill each row from the one before it, inside the window only."""
    product = np.empty(rows.shape[1])
    hole_begins, hole_ends = (None, None) if holes is None else (holes[0].tolist(), holes[1].tolist())
    row = rows[0]
    for i in range(1, rows.shape[0]):
        a, b = begins[i], ends[i]
        if b <= a:
            return
        after = rows[i]
        if r == 1.0:
            np.add(row[a:b], row[a - 1 : b - 1], out=after[a:b])
        else:
            np.multiply(row[a - 1 : b - 1], r, out=product[a:b])
            np.add(row[a:b], product[a:b], out=after[a:b])
        if hole_begins is not None and hole_ends is not None and hole_ends[i - 1] > hole_begins[i - 1]:
            after[hole_begins[i - 1] : hole_ends[i - 1]] = 0.0
        row = after


@dataclass(frozen=True, slots=True)
class Chunk:
    """A run of steps: rows of weights from score `base` on, the window at each step, and the hole in it."""

    rows: FloatArray
    low: IntArray
    high: IntArray
    base: int
    holes: tuple[IntArray, IntArray] | None


def record_chunk(front: Front, chunk: Chunk, r: float, recorder: Recorder) -> None:
    """Record what left the window at each step: below it, above it, and in the hole."""
    low, high = chunk.low, chunk.high
    before_low, before_high = low[:-1], high[:-1] + 1
    going = high[:-1] >= low[:-1]
    rising = recorder.ratio.first.slope > 0
    mixture = recorder.ratio.is_mixture
    pieces = [
        (before_low, np.minimum(low[1:] - 1, before_high), ACCEPT_H1 if mixture or not rising else ACCEPT_H0),
        (
            np.maximum(np.maximum(high[1:] + 1, low[1:]), before_low),
            before_high,
            ACCEPT_H1 if mixture or rising else ACCEPT_H0,
        ),
    ]
    if chunk.holes is not None:
        # inside the hole of the step before nothing was left to come from: its edges are all there is to see
        hole_low, hole_high = chunk.holes
        was_low, was_high = (np.concatenate(([far], ends[:-1])) for far, ends in ((FAR, hole_low), (-FAR, hole_high)))
        was_low = np.where(was_low > was_high, FAR, was_low)
        left = np.minimum(hole_high, was_low)
        pieces += [(hole_low, left, ACCEPT_H0), (np.maximum(left, was_high) + 1, hole_high, ACCEPT_H0)]
    for first, last, outcome in pieces:
        count = np.where(going, np.maximum(last - first + 1, 0), 0)
        total = int(count.sum())
        if total == 0:
            continue
        step = np.repeat(np.arange(count.shape[0]), count)
        s = np.arange(total) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
        column = s - chunk.base
        weight = chunk.rows[step, column] + r * chunk.rows[step, column - 1]
        recorder.add(front.n + 1 + step, s, weight, front.scale, np.full(total, outcome))
