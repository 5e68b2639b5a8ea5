"""Many walks of one family side by side: their statistics advance together, in arrays of shape `(paths, steps)`."""

import math
from abc import ABC, abstractmethod
from typing import ClassVar, Final

import numpy as np

from sprt.arrays import ArmArray, BoolArray, FloatArray, IntArray
from sprt.cost import spend
from sprt.design import Design
from sprt.families.base import ExponentialFamily
from sprt.families.multinomial import Multinomial
from sprt.families.paired_bernoulli import PairedBernoulli
from sprt.families.student_t import StudentT
from sprt.families.two_arm_normal import TwoArmNormal
from sprt.gsprt import gsprt_llr, quick_llr
from sprt.state import State
from sprt.stopping import TIE
from sprt.student_lines import lines

SCREENED_FROM: Final = 40  # games; before that the quick approximation of the multinomial's ratio is too rough


class Bundle(ABC):
    """Walks that all stand at the same n; `carried` holds one row of statistics for each."""

    carried: FloatArray  # (paths, statistics)
    cost: ClassVar[float] = 5e-8  # seconds for a walk's next step

    @abstractmethod
    def advance(self, xs: FloatArray, n: FloatArray) -> FloatArray:
        """Return the LLR after each of the next observations `(paths, steps)` at these n, and carry the last on."""

    def leap(self, theta: float, sizes: FloatArray, n: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Return what `advance` returns for steps of several observations each, drawn at theta by their sums."""
        raise NotImplementedError

    def llr_at(self, rows: IntArray, columns: IntArray, llr: FloatArray) -> FloatArray:
        """Return the LLR at these places of the last steps, of which `llr` is what `advance` returned."""
        result: FloatArray = llr[rows, columns]
        return result

    def keep(self, rows: BoolArray) -> None:
        """Go on with some of the walks only."""
        self.carried = self.carried[rows]

    def score(self, rows: IntArray, columns: IntArray) -> FloatArray:  # noqa: ARG002 - only sums have one
        """Return the single sufficient statistic at these places of the last steps, nan for families with several."""
        return np.full(rows.shape[0], np.nan)


class LinearBundle(Bundle):
    """One sum, linear likelihood ratio."""

    def __init__(
        self, model: ExponentialFamily | PairedBernoulli, state: State, paths: int, *, two_sided: bool
    ) -> None:
        self.ratio = model.ratio_for(two_sided=two_sided)
        self.centre = model.centre if isinstance(model, ExponentialFamily) else 0.0
        start = float(state.counts[0]) if state.counts else state.sums[0]
        self.carried = np.full((paths, 1), start)
        self.trace = np.empty((paths, 0))

    def advance(self, xs: FloatArray, n: FloatArray) -> FloatArray:  # noqa: D102 - as in Bundle
        steps = xs - self.centre
        steps[:, 0] += self.carried[:, 0]
        self.trace = np.cumsum(steps, axis=1, out=steps)
        self.carried = self.trace[:, -1:].copy()
        return self.ratio.llr(self.trace, np.broadcast_to(n, xs.shape))

    def score(self, rows: IntArray, columns: IntArray) -> FloatArray:  # noqa: D102 - as in Bundle
        return self.trace[rows, columns]


class TwoArmBundle(Bundle):
    """Sums of two arms; the arm that is behind comes first, then a and b in turn."""

    def __init__(self, model: TwoArmNormal, state: State, paths: int, *, two_sided: bool) -> None:
        self.model = model
        self.ratio = model.ratio_for(two_sided=two_sided)
        self.counts = np.array(state.counts, dtype=np.float64)
        first, sum_a, sum_b = state.sums
        sums = np.array([sum_a, sum_b])
        self.carried = np.tile(sums, (paths, 1))
        self.shift = first

    def arms(self, steps: int) -> ArmArray:
        """Return the arms of the next observations."""
        return next_arms(self.counts, steps)

    def advance(self, xs: FloatArray, n: FloatArray) -> FloatArray:  # noqa: D102, ARG002 - as in Bundle
        arms = self.arms(xs.shape[1])
        counts = self.counts[:, None] + np.array([np.cumsum(arms == arm) for arm in (0, 1)])
        sums = [
            self.carried[:, arm : arm + 1] + np.cumsum(np.where(arms == arm, xs - self.shift, 0.0), axis=1)
            for arm in (0, 1)
        ]
        self.counts = counts[:, -1]
        self.carried = np.stack([total[:, -1] for total in sums], axis=1)
        score, information = self.model.score(counts[0], counts[1], sums[0], sums[1])
        return self.ratio.llr(score, np.broadcast_to(information, xs.shape))


class StudentBundle(Bundle):
    """Sums and sums of squares of one or two samples, in units of the standard deviation seen so far.

    `advance` says which of the design's lines each walk is beyond, in place of its LLR: the highest line below it, or
    0 between the lines. The LLR itself is had where it is asked for.
    """

    cost = 2e-7

    def __init__(self, design: Design, model: StudentT, state: State, paths: int) -> None:
        self.design, self.model, self.two_sided = design, model, design.is_two_sided
        self.counts = np.array(state.counts, dtype=np.float64)
        self.carried = np.tile(standardised(state, model.samples), (paths, 1))
        self.above = sorted(level for level in (design.upper, design.p_line) if math.isfinite(level))
        self.statistics: tuple[FloatArray, ...] = ()

    def advance(self, xs: FloatArray, n: FloatArray) -> FloatArray:  # noqa: D102 - as in Bundle
        samples = self.model.samples
        arms = next_arms(self.counts, xs.shape[1]) if samples == 2 else np.zeros(xs.shape[1], dtype=np.int8)
        sizes = np.array([arms == arm for arm in range(samples)], dtype=np.float64)
        values = [np.where(size > 0.0, xs, 0.0) for size in sizes]
        return self.advance_by(sizes, [(value, value * value) for value in values], n)

    def leap(self, theta: float, sizes: FloatArray, n: FloatArray, rng: np.random.Generator) -> FloatArray:  # noqa: D102 - as in Bundle
        shape = (self.carried.shape[0], sizes.shape[0])
        by_arm = np.array([sizes]) if self.model.samples == 1 else np.diff(shared(self.counts, sizes), prepend=0.0)
        pairs = []
        for arm, size in enumerate(by_arm):
            mean = theta if arm == self.model.samples - 1 else 0.0
            total = rng.normal(mean * size, np.sqrt(size), shape)
            spread = np.where(size > 1.0, rng.chisquare(np.maximum(size - 1.0, 0.5), shape), 0.0)
            pairs.append((total, spread + total * total / np.maximum(size, 1.0)))
        return self.advance_by(by_arm, pairs, n)

    def advance_by(self, sizes: FloatArray, pairs: list[tuple[FloatArray, FloatArray]], n: FloatArray) -> FloatArray:
        """Return what `advance` returns for increments of these sizes in each arm: their sums and sums of squares."""
        counts = self.counts[:, None] + np.cumsum(sizes, axis=1)
        columns, last = [], []
        for arm, (value, square) in enumerate(pairs):
            total = self.carried[:, 2 * arm : 2 * arm + 1] + np.cumsum(value, axis=1)
            squares = self.carried[:, 2 * arm + 1 : 2 * arm + 2] + np.cumsum(square, axis=1)
            columns += [np.zeros(value.shape), total, squares]
            last += [total[:, -1], squares[:, -1]]
        self.counts = counts[:, -1]
        self.carried = np.stack(last, axis=1)
        shape = pairs[0][0].shape
        self.statistics = (*(np.broadcast_to(count, shape) for count in counts), *columns)
        return self.beyond(n)

    def beyond(self, n: FloatArray) -> FloatArray:
        """Return the line that each walk is beyond, 0 between the lines; at the limit the LLR."""
        model, two_sided = self.model, self.two_sided
        y, df, size = model.cosine(*self.statistics)

        def ends(level: float) -> tuple[FloatArray, FloatArray]:
            return lines(model, level, df[0], size[0], two_sided=two_sided)

        beyond = np.zeros(y.shape)
        for level in self.above:
            low, high = ends(level - TIE)
            beyond[(y <= low) | (y >= high)] = level
        if math.isfinite(self.design.lower):
            low, high = ends(self.design.lower + TIE)
            beyond[(y >= low) & (y <= high)] = self.design.lower
        if self.design.max_n is not None and n[-1] >= self.design.max_n:
            rows = np.arange(y.shape[0])
            beyond[:, -1] = self.llr_at(rows, np.full(rows.shape, y.shape[1] - 1), beyond)
        return beyond

    def llr_at(self, rows: IntArray, columns: IntArray, llr: FloatArray) -> FloatArray:  # noqa: ARG002, D102 - as in Bundle
        return self.model.llr(self.two_sided, *(values[rows, columns] for values in self.statistics))


class MultinomialBundle(Bundle):
    """Counts of each category.

    Far from every line, by the quick approximation of the ratio, `advance` says 0 in place of the LLR.
    """

    cost = 2.5e-7

    def __init__(self, design: Design, model: Multinomial, state: State, paths: int) -> None:
        self.design, self.model = design, model
        self.carried = np.tile(np.array(state.counts, dtype=np.float64), (paths, 1))
        self.counts = np.empty((paths, 0, model.categories))
        self.levels = [level for level in (design.lower, design.upper) if math.isfinite(level)]

    def advance(self, xs: FloatArray, n: FloatArray) -> FloatArray:  # noqa: D102 - as in Bundle
        return self.advance_by(xs[:, :, None] == np.arange(self.model.categories), n)

    def leap(self, theta: float, sizes: FloatArray, n: FloatArray, rng: np.random.Generator) -> FloatArray:  # noqa: D102 - as in Bundle
        games = np.broadcast_to(sizes.astype(np.int64), (self.carried.shape[0], sizes.shape[0]))
        return self.advance_by(rng.multinomial(games, self.model.probabilities(theta)), n)

    def advance_by(self, fresh: BoolArray | IntArray, n: FloatArray) -> FloatArray:
        """Return what `advance` returns for these further counts, shape `(paths, steps, categories)`."""
        self.counts = self.carried[:, None, :] + np.cumsum(fresh, axis=1)
        self.carried = self.counts[:, -1, :]
        model = self.model
        near = np.broadcast_to(n < SCREENED_FROM, self.counts.shape[:2]).copy()
        quick = quick_llr(self.counts, model.elo0, model.elo1, model.model)
        for level in self.levels:  # exact from this far inside each line on
            margin = 0.2 + 0.15 * abs(level)
            near |= quick > level - margin if level > 0.0 else quick < level + margin
        near &= n >= self.design.min_n
        if self.design.max_n is not None and n[-1] >= self.design.max_n:
            near[:, -1] = True
        llr = np.zeros(near.shape)
        llr[near] = self.exact(self.counts[near], float(n[-1]) + 1.0)
        return llr

    def exact(self, counts: FloatArray, base: float) -> FloatArray:
        """Return the LLR of each of these counts, all below `base`; equal ones, of which there are many, once."""
        model = self.model
        spend(7e-7 * counts.shape[0])
        if base**model.categories > 2.0**53:
            return np.asarray(gsprt_llr(counts, model.elo0, model.elo1, model.model))
        _, first, where = np.unique(
            counts @ base ** np.arange(model.categories), return_index=True, return_inverse=True
        )
        return np.asarray(gsprt_llr(counts[first], model.elo0, model.elo1, model.model))[where]


def make_bundle(design: Design, state: State, paths: int) -> Bundle:
    """Return walks of this design, all standing at `state`."""
    model, two_sided = design.model, design.is_two_sided
    if isinstance(model, ExponentialFamily | PairedBernoulli):
        return LinearBundle(model, state, paths, two_sided=two_sided)
    if isinstance(model, TwoArmNormal):
        return TwoArmBundle(model, state, paths, two_sided=two_sided)
    if isinstance(model, StudentT):
        return StudentBundle(design, model, state, paths)
    assert isinstance(model, Multinomial)  # noqa: S101 - the last of the families
    return MultinomialBundle(design, model, state, paths)


def next_arms(counts: FloatArray, steps: int) -> ArmArray:
    """Return the arms of the next observations: the one that is behind, then a and b in turn."""
    behind = min(int(abs(counts[0] - counts[1])), steps)
    late = 0 if counts[0] < counts[1] else 1
    in_turn = np.arange(steps - behind) % 2
    return np.concatenate((np.full(behind, late), in_turn)).astype(np.int8)


def shared(counts: FloatArray, sizes: FloatArray) -> FloatArray:
    """Return how many of the next observations fall in a and in b after each of these steps, as `next_arms` has it."""
    ahead = np.cumsum(sizes)
    behind = np.minimum(abs(counts[0] - counts[1]), ahead)
    late = np.array([behind, np.zeros(ahead.shape)])
    if counts[0] >= counts[1]:
        late = late[::-1]
    result: FloatArray = late + np.array([np.ceil((ahead - behind) / 2.0), np.floor((ahead - behind) / 2.0)])
    return result


def standardised(state: State, samples: int) -> FloatArray:
    """Return sum and sum of squares about zero of each sample, in units of the pooled standard deviation so far."""
    sums, squares, spread, df = [], [], 0.0, -samples
    for sample in range(samples):
        n, (first, total, square) = state.counts[sample], state.sums[3 * sample : 3 * sample + 3]
        sums.append(total + n * first)
        squares.append(square + first * (2.0 * total + n * first))
        spread += square - total * (total / n) if n else 0.0
        df += n
    scale = math.sqrt(df / spread) if df > 0 and spread > 0.0 else 1.0
    return np.array(
        [value for pair in zip(np.array(sums) * scale, np.array(squares) * scale**2, strict=True) for value in pair]
    )
