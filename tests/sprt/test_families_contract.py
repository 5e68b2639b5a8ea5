"""The contract of every family: one suite, generated; adding a family to the table demands its example here."""

import math

import numpy as np
import pytest
from scipy import stats

from sprt import (
    FAMILIES,
    Bernoulli,
    Design,
    Exponential,
    Multinomial,
    NegativeBinomial,
    Normal,
    ObservationError,
    PairedBernoulli,
    Poisson,
    State,
    StudentT,
    TwoArmNormal,
    acceptable,
    fold,
    gsprt_llr,
    info,
    init,
    path,
    state_from_row,
    step,
    student_t_llr,
)
from sprt.arrays import ArmArray, FloatArray
from tests.sprt.samples import EXAMPLES, Example, name_of

each = pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
FAR = (-9e5, 9e5)
sides = pytest.mark.parametrize("two_sided", [False, True], ids=["one-sided", "two-sided"])


def endless(example: Example, *, two_sided: bool = False) -> Design:
    if two_sided and not example.two_sided:
        pytest.skip("this family has no two-sided form")
    return Design(example.model, 0.05, 0.1, thresholds=FAR, alternative="two_sided" if two_sided else None, max_n=10**9)


def short(example: Example, *, two_sided: bool = False) -> Design:
    alternative = "two_sided" if two_sided else None
    return Design(example.model, 0.05, 0.1, thresholds=(-1.2, 1.4), alternative=alternative, max_n=200, min_n=2)


def test_the_suite_has_found_every_family() -> None:
    assert {type(example.model) for example in EXAMPLES} == set(FAMILIES.values())
    assert all(name == family.name for name, family in FAMILIES.items())


@each
def test_what_lies_outside_the_support_is_refused_with_value_and_rule(example: Example) -> None:
    design = endless(example)
    for value in example.outside:
        arms = [0] if example.model.has_arms else None
        assert not example.model.supports(np.array([value])).any()
        assert not acceptable(design, init(design), [value], arms).any()
        with pytest.raises(ObservationError, match="allows"):
            fold(design, init(design), [value], arms)
        with pytest.raises(ObservationError, match="allows"):
            step(design, init(design), value, 0 if example.model.has_arms else None)


@each
@sides
def test_extreme_values_leave_everything_finite(example: Example, two_sided: bool) -> None:
    design = endless(example, two_sided=two_sided)
    xs = np.array([value for value in example.extreme for _ in range(6)])
    arms = np.arange(xs.shape[0]) % 2 if example.model.has_arms else None

    assert np.isfinite(path(design, xs, arms)).all()
    state, _ = fold(design, init(design), xs, arms)
    assert all(math.isfinite(value) for value in (state.llr, state.max_llr, state.p_value, *state.sums))


@each
@sides
def test_fold_is_step_is_path_for_every_split_to_the_bit(example: Example, two_sided: bool) -> None:
    design = endless(example, two_sided=two_sided)
    xs, arms = example.draw(60, seed=3)
    whole, _ = fold(design, init(design), xs, arms)
    trace = path(design, xs, arms)
    state = init(design)
    for k, x in enumerate(xs):
        state, shown = step(design, state, float(x), None if arms is None else int(arms[k]))
        assert trace[k] == state.llr == shown.llr

    assert whole == state
    for cut in range(61):
        first, _ = fold(design, init(design), xs[:cut], None if arms is None else arms[:cut])
        second, _ = fold(design, first, xs[cut:], None if arms is None else arms[cut:])
        assert whole == second


@each
@sides
def test_long_batches_of_any_size_give_the_same_bits(example: Example, two_sided: bool) -> None:
    design = endless(example, two_sided=two_sided)
    size = 2_000 if isinstance(example.model, StudentT | Multinomial) else 40_000
    xs, arms = example.draw(size, seed=5)
    whole, _ = fold(design, init(design), xs, arms)
    rng = np.random.default_rng(9)
    for _ in range(3):
        cuts = np.sort(rng.integers(0, size, 6))
        state = init(design)
        for part in np.split(np.arange(size), cuts):
            state, _ = fold(design, state, xs[part], None if arms is None else arms[part])
        assert whole == state


@each
@sides
def test_a_crossing_is_found_at_the_same_observation_for_every_split(example: Example, two_sided: bool) -> None:
    design = (
        endless(example, two_sided=two_sided)
        if two_sided and not example.two_sided
        else short(example, two_sided=two_sided)
    )
    for seed in range(4):
        xs, arms = example.draw(600, seed=seed)
        ended, index = fold(design, init(design), xs, arms)
        assert index is not None
        assert info(design, ended).rule is not None
        for cut in (1, index, index + 1, 300):
            first, found = fold(design, init(design), xs[:cut], None if arms is None else arms[:cut])
            if found is None:
                second, later = fold(design, first, xs[cut:], None if arms is None else arms[cut:])
                assert later is not None
                found, first = cut + later, second
            assert (index, ended) == (found, first)


@each
def test_swapping_the_hypotheses_mirrors_the_walk(example: Example) -> None:
    xs, arms = example.draw(80, seed=11)
    mirror = Design(example.swapped, 0.1, 0.05, thresholds=FAR, max_n=10**9)

    scale = max(1.0, float(np.abs(path(mirror, xs, arms)).max()))
    assert path(endless(example), xs, arms) == pytest.approx(-path(mirror, xs, arms), abs=1e-9 * scale)


@each
def test_a_state_survives_a_row(example: Example) -> None:
    design = endless(example)
    xs, arms = example.draw(37, seed=2)
    state, _ = fold(design, init(design), xs, arms)

    assert state == state_from_row(state.to_row())
    assert isinstance(state, State)


@each
def test_the_always_valid_p_is_one_over_the_largest_ratio(example: Example) -> None:
    design = endless(example)
    xs, arms = example.draw(200, seed=4)
    state, _ = fold(design, init(design), xs, arms)

    assert state.p_value == pytest.approx(math.exp(-max(0.0, float(path(design, xs, arms).max()))))


@each
def test_the_walk_is_the_ratio_of_densities_that_scipy_gives(example: Example) -> None:
    xs, arms = example.draw(40, seed=8)
    expected = reference_llr(example, xs, arms)

    assert path(endless(example), xs, arms) == pytest.approx(expected, rel=1e-8, abs=1e-8)


def reference_llr(example: Example, xs: FloatArray, arms: ArmArray | None) -> FloatArray:
    """Return the cumulative log-likelihood ratio by scipy's densities."""
    match example.model:
        case Bernoulli(p0, p1):
            return np.cumsum(stats.bernoulli.logpmf(xs, p1) - stats.bernoulli.logpmf(xs, p0))
        case Normal(mean0, mean1, sd):
            return np.cumsum(stats.norm.logpdf(xs, mean1, sd) - stats.norm.logpdf(xs, mean0, sd))
        case Poisson(rate0, rate1):
            return np.cumsum(stats.poisson.logpmf(xs, rate1) - stats.poisson.logpmf(xs, rate0))
        case Exponential(rate0, rate1):
            return np.cumsum(stats.expon.logpdf(xs, scale=1 / rate1) - stats.expon.logpdf(xs, scale=1 / rate0))
        case NegativeBinomial(mean0, mean1, k):
            return np.cumsum(stats.nbinom.logpmf(xs, k, k / (k + mean1)) - stats.nbinom.logpmf(xs, k, k / (k + mean0)))
        case PairedBernoulli(psi0, psi1):
            return paired_llr(xs, arms, psi0, psi1)
        case TwoArmNormal(d0, d1, sd):
            return np.array([two_arm_llr(xs[: k + 1], arms, d0, d1, sd) for k in range(xs.shape[0])])
        case StudentT(e0, e1, samples):
            return np.array([student_llr(xs[: k + 1], arms, e0, e1, samples) for k in range(xs.shape[0])])
        case Multinomial(elo0, elo1, model, categories):
            counts = np.cumsum(xs[:, None] == np.arange(categories), axis=0)
            return np.array([float(gsprt_llr(row, elo0, elo1, model)) for row in counts])
    raise AssertionError(example.model)


def paired_llr(xs: FloatArray, arms: ArmArray | None, psi0: float, psi1: float) -> FloatArray:
    assert arms is not None
    waiting: list[list[float]] = [[], []]
    total, found = 0.0, []
    for x, arm in zip(xs, arms, strict=True):
        waiting[arm].append(float(x))
        if waiting[0] and waiting[1]:
            a, b = waiting[0].pop(0), waiting[1].pop(0)
            if a != b:
                total += float(
                    stats.bernoulli.logpmf(b, psi1 / (1 + psi1)) - stats.bernoulli.logpmf(b, psi0 / (1 + psi0))
                )
        found.append(total)
    return np.array(found)


def two_arm_llr(xs: FloatArray, arms: ArmArray | None, d0: float, d1: float, sd: float) -> float:
    assert arms is not None
    a, b = (xs[arms[: xs.shape[0]] == arm] for arm in (0, 1))
    if a.shape[0] == 0 or b.shape[0] == 0:
        return 0.0
    spread = sd * math.sqrt(1 / a.shape[0] + 1 / b.shape[0])
    difference = b.mean() - a.mean()
    return float(stats.norm.logpdf(difference, d1, spread) - stats.norm.logpdf(difference, d0, spread))


def student_llr(xs: FloatArray, arms: ArmArray | None, e0: float, e1: float, samples: int) -> float:
    if samples == 1:
        if xs.shape[0] < 2:
            return 0.0
        t, df, size = stats.ttest_1samp(xs, 0.0).statistic, xs.shape[0] - 1, math.sqrt(xs.shape[0])
    else:
        assert arms is not None
        a, b = (xs[arms[: xs.shape[0]] == arm] for arm in (0, 1))
        if min(a.shape[0], b.shape[0]) < 1 or xs.shape[0] < 3:
            return 0.0
        df, size = xs.shape[0] - 2, 1 / math.sqrt(1 / a.shape[0] + 1 / b.shape[0])
        spread = math.sqrt((((a - a.mean()) ** 2).sum() + ((b - b.mean()) ** 2).sum()) / df)
        t = (b.mean() - a.mean()) / spread * size
    return float(student_t_llr(t, df, e1 * size)) - float(student_t_llr(t, df, e0 * size))
