"""Normal observations with unknown standard deviation: the standardised effect, by Hajnal's sequential t.

The likelihood ratio is that of the t statistic, which is invariant to the scale; its p is always valid for what the
t statistics show, not for a rule that looks at the scale as well. There is no evidence before the second observation
(of two samples: the third), nor while all values agree.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sprt.arrays import LARGEST, ArmArray, BoolArray, FloatArray
from sprt.errors import DesignError
from sprt.families.base import Family, Statistics, Walk, numbered, opposite, require_different, require_finite
from sprt.ratio import LOG_2
from sprt.state import State
from sprt.student import student_y_llr


@dataclass(frozen=True)
class StudentT(Family):
    """The effect, in standard deviations, is `effect0` under H0 and `effect1` under H1; of two samples it is b - a."""

    effect0: float
    effect1: float
    samples: int = 1

    name: ClassVar[str] = "student_t"
    parameter: ClassVar[str] = "effect"
    support: ClassVar[str] = f"a finite number of magnitude at most {LARGEST:g}"
    has_exact_law: ClassVar[bool] = False
    p_kind: ClassVar[str] = "always-valid p of the t statistics (Ville's inequality in their invariant filtration)"

    def __post_init__(self) -> None:
        require_finite(effect0=self.effect0, effect1=self.effect1)
        for name, effect in (("effect0", self.effect0), ("effect1", self.effect1)):
            if abs(effect) > 100.0:
                raise DesignError(f"{name}: {effect!r} given, an effect of magnitude at most 100 is allowed")
        require_different("effect", self.effect0, self.effect1)
        if abs(self.effect1 - self.effect0) < 1e-9:
            raise DesignError(f"effect1: {self.effect1!r} given, a distance of at least 1e-9 from effect0 is allowed")
        if isinstance(self.samples, bool) or self.samples not in (1, 2):
            raise DesignError(f"samples: {self.samples!r} given, 1 or 2 is allowed")

    @property
    def has_arms(self) -> bool:  # type: ignore[override]  # for this family it depends on the number of samples
        """Whether there are two samples."""
        return self.samples == 2

    @property
    def h0(self) -> float:  # noqa: D102 - as in Family
        return float(self.effect0)

    @property
    def h1(self) -> float:  # noqa: D102 - as in Family
        return float(self.effect1)

    def mirrored(self) -> float:  # noqa: D102 - as in Family
        return 2.0 * self.h0 - self.h1

    def check_theta(self, theta: FloatArray) -> None:  # noqa: D102 - as in Family
        if not (np.abs(theta) <= 1000.0).all():
            raise DesignError(f"theta: {theta!r:.80} given, effects of magnitude at most 1000 are allowed")

    def supports(self, xs: FloatArray, arms: ArmArray | None = None) -> BoolArray:  # noqa: ARG002, D102 - any arm; as in Family
        result: BoolArray = np.abs(xs) <= LARGEST
        return result

    def start(self) -> tuple[tuple[int, ...], tuple[float, ...]]:
        """Return the counts; and, for each sample, first value, sum and sum of squares about it."""
        return (0,) * self.samples, (0.0, 0.0, 0.0) * self.samples

    def side(self, state: State) -> str:  # noqa: D102 - as in Family
        y, df, size = self.cosine(*(np.array([value]) for value in (*state.counts, *state.sums)))
        if df[0] < 1 or not np.isfinite(y[0]):
            return self.direction
        first, second = (float(student_y_llr(y, df, effect * size)[0]) for effect in (self.h1, self.mirrored()))  # type: ignore[index]  # arrays in, arrays out
        return self.direction if first >= second else opposite(self.direction)

    def cosine(self, *statistics: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return `y = t / sqrt(df + t^2)`, its degrees of freedom and the root of the effective sample size.

        Not a number where there is no t statistic.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.samples == 1:
                n, first, total, squares = statistics
                spread = squares - total * (total / n)
                mean, size, df = first + total / n, n, n - 1.0
            else:
                n_a, n_b, first_a, sum_a, squares_a, first_b, sum_b, squares_b = statistics
                spread = np.where(n_a > 0, squares_a - sum_a * (sum_a / n_a), 0.0)
                spread = spread + np.where(n_b > 0, squares_b - sum_b * (sum_b / n_b), 0.0)
                mean = (first_b + sum_b / n_b) - (first_a + sum_a / n_a)
                size, df = n_a * n_b / (n_a + n_b), n_a + n_b - 2.0
            scaled = np.sqrt(size) * mean
            y = scaled / np.hypot(np.sqrt(spread), scaled)
        return np.where((df >= 1.0) & (spread > 0.0) & (size > 0.0), y, np.nan), df, np.sqrt(size)

    def walk(self, state: State, xs: FloatArray, arms: ArmArray | None, *, two_sided: bool) -> Walk:  # noqa: D102 - as in Family
        counts, columns = [], []
        for sample in range(self.samples):
            mine = np.ones(xs.shape, dtype=np.bool_) if arms is None else arms == sample
            count = state.counts[sample] + np.cumsum(mine).astype(np.float64)
            first, total, squares = state.sums[3 * sample : 3 * sample + 3]
            firsts = np.full(xs.shape, first)
            if state.counts[sample] == 0 and mine.any():
                begins = int(np.argmax(mine))
                first = float(xs[begins])
                firsts[begins:] = first
            deviation = np.where(mine, xs - first, 0.0)
            counts.append(count)
            columns += [
                firsts,
                np.cumsum(np.concatenate(([total], deviation)))[1:],
                np.cumsum(np.concatenate(([squares], deviation * deviation)))[1:],
            ]
        n = numbered(state.n, xs.shape[0])

        def at(k: int) -> Statistics:
            return (
                state.n + k + 1,
                tuple(int(count[k]) for count in counts),
                tuple(float(column[k]) for column in columns),
                "",
            )

        return Walk(self.llr(two_sided, *counts, *columns), n, at)

    def llr(self, two_sided: bool, *statistics: FloatArray) -> FloatArray:
        """Return the log-likelihood ratio of the t statistics, 0 where there is none."""
        y, df, root = self.cosine(*statistics)
        llr = np.zeros(y.shape)
        some = np.isfinite(y)
        if not some.any():
            return llr
        y, df, root = np.clip(y[some], -1.0, 1.0), df[some], root[some]
        found = np.asarray(student_y_llr(y, df, self.h1 * root))
        if two_sided:
            found = np.logaddexp(found, student_y_llr(y, df, self.mirrored() * root)) - LOG_2
        if self.h0 != 0.0:
            found = found - student_y_llr(y, df, self.h0 * root)
        llr[some] = found
        return llr

    def drifts(self) -> tuple[float, float]:
        """Return the mean steps in the long run, where Student's ratio is that of an effect with known variance."""
        step = 0.5 * (self.effect1 - self.effect0) ** 2 / (1.0 if self.samples == 1 else 4.0)
        return -step, step

    def sample(self, theta: float, shape: tuple[int, int], rng: np.random.Generator) -> FloatArray:  # noqa: D102 - as in Family
        values = rng.normal(0.0, 1.0, shape)
        if self.samples == 1:
            values += theta
        else:
            values[:, 1::2] += theta
        return values
