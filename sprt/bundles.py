"""Many walks of one family side by side: their statistics advance together, in arrays of shape `(paths, steps)`."""

import math
from abc import ABC, abstractmethod

import numpy as np

from sprt.arrays import ArmArray, BoolArray, FloatArray, IntArray
from sprt.families.base import ExponentialFamily, Family
from sprt.families.multinomial import Multinomial
from sprt.families.paired_bernoulli import PairedBernoulli
from sprt.families.student_t import StudentT
from sprt.families.two_arm_normal import TwoArmNormal
from sprt.gsprt import gsprt_llr
from sprt.state import State


class Bundle(ABC):
    """Walks that all stand at the same n; `carried` holds one row of statistics for each."""

    carried: FloatArray  # (paths, statistics)

    @abstractmethod
    def advance(self, xs: FloatArray, n: FloatArray) -> FloatArray:
        """Return the LLR after each of the next observations `(paths, steps)` at these n, and carry the last on."""

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
    """Sums and sums of squares of one or two samples, in units of the standard deviation seen so far."""

    def __init__(self, model: StudentT, state: State, paths: int, *, two_sided: bool) -> None:
        self.model, self.two_sided = model, two_sided
        self.counts = np.array(state.counts, dtype=np.float64)
        self.carried = np.tile(standardised(state, model.samples), (paths, 1))

    def advance(self, xs: FloatArray, n: FloatArray) -> FloatArray:  # noqa: D102, ARG002 - as in Bundle
        samples = self.model.samples
        arms = next_arms(self.counts, xs.shape[1]) if samples == 2 else np.zeros(xs.shape[1], dtype=np.int8)
        counts = self.counts[:, None] + np.array([np.cumsum(arms == arm) for arm in range(samples)])
        columns, last = [], []
        for arm in range(samples):
            values = np.where(arms == arm, xs, 0.0)
            total = self.carried[:, 2 * arm : 2 * arm + 1] + np.cumsum(values, axis=1)
            squares = self.carried[:, 2 * arm + 1 : 2 * arm + 2] + np.cumsum(values * values, axis=1)
            columns += [np.zeros(xs.shape), total, squares]
            last += [total[:, -1], squares[:, -1]]
        self.counts = counts[:, -1]
        self.carried = np.stack(last, axis=1)
        return self.model.llr(self.two_sided, *(np.broadcast_to(count, xs.shape) for count in counts), *columns)


class MultinomialBundle(Bundle):
    """Counts of each category."""

    def __init__(self, model: Multinomial, state: State, paths: int) -> None:
        self.model = model
        self.carried = np.tile(np.array(state.counts, dtype=np.float64), (paths, 1))

    def advance(self, xs: FloatArray, n: FloatArray) -> FloatArray:  # noqa: D102, ARG002 - as in Bundle
        seen = xs[:, :, None] == np.arange(self.model.categories)
        counts = self.carried[:, None, :] + np.cumsum(seen, axis=1)
        self.carried = counts[:, -1, :]
        return np.asarray(gsprt_llr(counts, self.model.elo0, self.model.elo1, self.model.model))


def make_bundle(model: Family, state: State, paths: int, *, two_sided: bool) -> Bundle:
    """Return walks of this family, all standing at `state`."""
    if isinstance(model, ExponentialFamily | PairedBernoulli):
        return LinearBundle(model, state, paths, two_sided=two_sided)
    if isinstance(model, TwoArmNormal):
        return TwoArmBundle(model, state, paths, two_sided=two_sided)
    if isinstance(model, StudentT):
        return StudentBundle(model, state, paths, two_sided=two_sided)
    assert isinstance(model, Multinomial)  # noqa: S101 - the last of the families
    return MultinomialBundle(model, state, paths)


def next_arms(counts: FloatArray, steps: int) -> ArmArray:
    """Return the arms of the next observations: the one that is behind, then a and b in turn."""
    behind = min(int(abs(counts[0] - counts[1])), steps)
    late = 0 if counts[0] < counts[1] else 1
    in_turn = np.arange(steps - behind) % 2
    return np.concatenate((np.full(behind, late), in_turn)).astype(np.int8)


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
