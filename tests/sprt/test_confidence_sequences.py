import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from sprt.confidence_sequences import (
    confidence_sequence,
    normal_confidence_sequence,
    poisson_confidence_sequence,
    two_arm_normal_confidence_sequence,
)
from sprt.errors import DesignError, SprtError
from sprt.mixtures import normal_mixture_log_e
from sprt.uniform_boundaries import best_rho
from tests.sprt.anchor_rows import NOT_NUMBERS, Row, anchor_rows, assert_within_tolerance


@pytest.mark.parametrize("row", anchor_rows("C14_mixture", "normal_cs"))
def test_normal_interval_is_the_anchor(row: Row) -> None:
    interval = confidence_sequence("normal", **row["inputs"])

    assert_within_tolerance(row, low=interval.low, high=interval.high)


@pytest.mark.parametrize("row", anchor_rows("C15_confseq_boundaries", "bernoulli_cs"))
def test_bernoulli_interval_is_the_anchor(row: Row) -> None:
    interval = confidence_sequence("bernoulli", **row["inputs"])

    assert_within_tolerance(row, low=interval.low, high=interval.high)


@given(st.integers(1, 10**6), st.floats(-100, 100), st.floats(0.01, 100), st.floats(0.001, 100), st.floats(0.001, 0.5))
def test_the_normal_mixture_is_one_over_alpha_at_both_limits(
    n: int, xbar: float, s2: float, t2: float, alpha: float
) -> None:
    for limit in normal_confidence_sequence(n, xbar, s2, alpha, t2=t2):
        log_e = normal_mixture_log_e(n, xbar, limit, s2, t2)

        assert log_e == pytest.approx(-math.log(alpha), rel=1e-6)


def test_the_normal_interval_is_tightest_about_the_n_that_it_is_tuned_for() -> None:
    def width(t_opt: float) -> float:
        low, high = normal_confidence_sequence(400, 0.0, 2.0, 0.05, t_opt=t_opt)
        return float(high) - float(low)

    assert width(400) < min(width(100), width(1600))
    # the closed form for rho approximates the optimum within a percent
    assert width(400) < 1.01 * min(width(t_opt) for t_opt in np.geomspace(40, 4000, 200))


@pytest.mark.parametrize(("events", "exposure"), [(0, 7.0), (1, 3.0), (2, 1.0), (12, 10.0), (900, 41.5)])
def test_the_poisson_mixture_is_one_over_alpha_at_both_limits(events: int, exposure: float) -> None:
    rho, alpha = best_rho(20.0), 0.05

    def mixture(rate: float) -> float:
        # the likelihood ratio against `rate`, averaged over Gamma(rho rate, rho) by quadrature
        def weighted(other: float) -> float:
            ratio = events * math.log(other / rate) - exposure * (other - rate)
            return math.exp(ratio + float(stats.gamma.logpdf(other, rho * rate, scale=1.0 / rho)))

        centre = (events + rho * rate) / (exposure + rho)
        ends = centre + 15.0 * (math.sqrt(centre / (exposure + rho)) + 1.0 / (exposure + rho))
        return integrate.quad(weighted, 0.0, ends, points=[centre], limit=400)[0]

    low, high = (float(limit) for limit in poisson_confidence_sequence(events, exposure, alpha, 20.0))
    assert mixture(high) == pytest.approx(1.0 / alpha, rel=1e-5)
    if events > 1:
        assert mixture(low) == pytest.approx(1.0 / alpha, rel=1e-5)
    else:
        assert low == 0.0


@given(st.integers(0, 10**7), st.floats(1e-3, 1e6), st.floats(0.1, 1e6))
def test_the_poisson_interval_holds_the_observed_rate(events: int, exposure: float, t_opt: float) -> None:
    low, high = poisson_confidence_sequence(events, exposure, 0.01, t_opt)

    assert 0.0 <= float(low) <= events / exposure <= float(high)


@given(st.integers(0, 1000), st.floats(0.1, 1e4), st.floats(1e-3, 1e3))
def test_the_poisson_interval_scales_with_the_unit_of_exposure(events: int, exposure: float, unit: float) -> None:
    low, high = poisson_confidence_sequence(events, exposure, 0.05, 30.0)
    scaled = poisson_confidence_sequence(events, exposure * unit, 0.05, 30.0 * unit)

    assert (float(scaled.low) * unit, float(scaled.high) * unit) == pytest.approx((low, high), rel=1e-6)


@given(st.integers(1, 10**5), st.floats(-10, 10), st.floats(0.1, 10), st.floats(1, 1e5))
def test_two_equal_arms_are_pairs_of_differences(n: int, difference: float, sd: float, t_opt: float) -> None:
    arms = two_arm_normal_confidence_sequence(n, n, difference, sd, alpha=0.05, t_opt=2 * t_opt)
    pairs = normal_confidence_sequence(n, difference, 2 * sd**2, 0.05, t_opt=t_opt)

    assert arms == pytest.approx(pairs, rel=1e-9)


@given(st.integers(1, 1000), st.integers(1, 1000))
def test_swapping_the_arms_mirrors_the_interval(n_a: int, n_b: int) -> None:
    low, high = two_arm_normal_confidence_sequence(n_a, n_b, 0.3, 1.2, alpha=0.01, t2=0.5)
    swapped = two_arm_normal_confidence_sequence(n_b, n_a, -0.3, 1.2, alpha=0.01, t2=0.5)

    assert (low, high) == pytest.approx((-float(swapped.high), -float(swapped.low)), rel=1e-12)


@pytest.mark.crossing
@pytest.mark.parametrize("family", ["normal", "poisson", "two_arm_normal"])
def test_the_sequence_ever_misses_the_parameter_at_most_alpha_of_the_time(family: str) -> None:
    rng, paths, n = np.random.default_rng(9), 1000, np.arange(1, 301)
    if family == "normal":
        means = rng.normal(2.0, 3.0, (paths, 300)).cumsum(axis=1) / n
        low, high = confidence_sequence(family, n=n, xbar=means, s2=9.0, alpha=0.05, t_opt=50)
        truth = 2.0
    elif family == "poisson":
        sums = rng.poisson(0.8, (paths, 300)).cumsum(axis=1)
        low, high = confidence_sequence(family, S=sums, n=n, alpha=0.05, t_opt=50)
        truth = 0.8
    else:
        # three observations of arm b for each of arm a
        in_b = np.arange(300) % 4 > 0
        x = rng.normal(np.where(in_b, 1.5, 1.0), 2.0, (paths, 300))
        n_a, n_b = np.cumsum(~in_b)[1:], np.cumsum(in_b)[1:]
        a, b = np.where(in_b, 0.0, x).cumsum(axis=1)[:, 1:], np.where(in_b, x, 0.0).cumsum(axis=1)[:, 1:]
        low, high = confidence_sequence(
            family, n_a=n_a, n_b=n_b, difference=b / n_b - a / n_a, sd=2.0, alpha=0.05, t_opt=80
        )
        truth = 0.5
    missed = int(((truth < np.asarray(low)) | (truth > np.asarray(high))).any(axis=1).sum())

    # passes by chance with an error rate of 0.05 with probability 1 - 1e-4
    assert stats.binomtest(missed, paths, 0.05, alternative="greater").pvalue > 1e-4
    assert missed > 0


@pytest.mark.parametrize(
    "call",
    [
        lambda bad: normal_confidence_sequence(bad, 0.0, 1.0, 0.05, t2=1.0),
        lambda bad: normal_confidence_sequence(1, bad, 1.0, 0.05, t2=1.0),
        lambda bad: normal_confidence_sequence(1, 0.0, bad, 0.05, t2=1.0),
        lambda bad: normal_confidence_sequence(1, 0.0, 1.0, bad, t2=1.0),
        lambda bad: normal_confidence_sequence(1, 0.0, 1.0, 0.05, t2=bad),
        lambda bad: normal_confidence_sequence(1, 0.0, 1.0, 0.05, t_opt=bad),
        lambda bad: poisson_confidence_sequence(bad, 1.0, 0.05, 1.0),
        lambda bad: poisson_confidence_sequence(1, bad, 0.05, 1.0),
        lambda bad: poisson_confidence_sequence(1, 1.0, bad, 1.0),
        lambda bad: poisson_confidence_sequence(1, 1.0, 0.05, bad),
        lambda bad: two_arm_normal_confidence_sequence(bad, 1, 0.0, 1.0, alpha=0.05, t2=1.0),
        lambda bad: two_arm_normal_confidence_sequence(1, bad, 0.0, 1.0, alpha=0.05, t2=1.0),
        lambda bad: two_arm_normal_confidence_sequence(1, 1, bad, 1.0, alpha=0.05, t2=1.0),
        lambda bad: two_arm_normal_confidence_sequence(1, 1, 0.0, bad, alpha=0.05, t2=1.0),
    ],
)
@pytest.mark.parametrize("bad", NOT_NUMBERS)
def test_what_is_no_number_is_refused(call: Callable[[float], object], bad: float) -> None:
    with pytest.raises(SprtError):
        call(bad)


@pytest.mark.parametrize(
    "call",
    [
        lambda: confidence_sequence("student_t", n=3),
        lambda: normal_confidence_sequence(1, 0.0, 1.0, 0.05),
        lambda: normal_confidence_sequence(1, 0.0, 1.0, 0.05, t2=1.0, t_opt=1.0),
    ],
)
def test_what_has_no_interval_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(DesignError):
        call()
