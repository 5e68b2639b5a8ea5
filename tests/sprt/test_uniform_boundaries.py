from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sprt.errors import DesignError, ObservationError, SprtError
from sprt.mixtures import beta_mixture_log_e
from sprt.uniform_boundaries import (
    bernoulli_confidence_sequence,
    best_rho,
    log_mixture,
    mixture_bound,
    poly_stitching_bound,
)
from tests.sprt.anchor_rows import NOT_NUMBERS, Row, anchor_rows, assert_within_tolerance

PARAMETERS: dict[str, dict[str, float]] = {
    "two_sided_normal": {},
    "one_sided_normal": {},
    "gamma_exponential": {"c": 2.0},
    "gamma_poisson": {"c": 2.0},
    "two_sided_beta_binomial": {"g": 0.2, "h": 0.8},
    "one_sided_beta_binomial": {"g": 0.2, "h": 0.8},
}

# printed in the unit tests of confseq (github.com/gostevehoward/confseq, uniform_boundaries_unittest.cpp):
# log mixture at (10, 100) and bound at 100, both tuned to 100 and 0.05
PRINTED = {
    "two_sided_normal": (-0.6510052, 30.35209),
    "one_sided_normal": (-0.06502391, 27.66071),
    "gamma_exponential": (-0.2490165, 33.02017),
    "gamma_poisson": (-0.06991219, 30.1949),
    "two_sided_beta_binomial": (-0.6941012, 31.4308),
    "one_sided_beta_binomial": (-0.07134019, 28.41238),
}


@pytest.mark.parametrize("row", anchor_rows("C15_confseq_boundaries", "mixture"))
def test_mixture_and_its_bound_are_the_anchor(row: Row) -> None:
    inputs = dict(row["inputs"])
    mixture, s, v, alpha = (inputs.pop(name) for name in ("mixture", "s", "v", "alpha"))

    assert_within_tolerance(
        row, log_mixture=log_mixture(mixture, s, v, **inputs), bound=mixture_bound(mixture, v, alpha, **inputs)
    )


@pytest.mark.parametrize("row", anchor_rows("C15_confseq_boundaries", "rho"))
def test_best_rho_is_the_anchor(row: Row) -> None:
    assert_within_tolerance(row, rho=best_rho(**row["inputs"]))


@pytest.mark.parametrize("row", anchor_rows("C15_confseq_boundaries", "poly_stitching"))
def test_stitched_bound_is_the_anchor(row: Row) -> None:
    assert_within_tolerance(row, bound=poly_stitching_bound(**row["inputs"]))


@pytest.mark.parametrize("row", anchor_rows("C15_confseq_boundaries", "bernoulli_cs"))
def test_bernoulli_interval_is_the_anchor(row: Row) -> None:
    interval = bernoulli_confidence_sequence(**row["inputs"])

    assert_within_tolerance(row, low=interval.low, high=interval.high)


@pytest.mark.parametrize("mixture", PRINTED)
def test_mixtures_agree_with_the_printed_values_of_confseq(mixture: str) -> None:
    log_e, bound = PRINTED[mixture]

    assert log_mixture(mixture, 10, 100, v_opt=100, **PARAMETERS[mixture]) == pytest.approx(log_e, abs=1e-6)
    assert mixture_bound(mixture, 100, 0.05, v_opt=100, **PARAMETERS[mixture]) == pytest.approx(bound, abs=1e-5)


def test_other_printed_values_of_confseq() -> None:
    assert poly_stitching_bound(100, 0.05, 10, -1) == pytest.approx(28.99389, abs=1e-5)
    assert mixture_bound("one_sided_beta_binomial", 0.32, 0.05, v_opt=100, g=0.2, h=0.8) == pytest.approx(1.6)
    for counts, t_opt, low, high in [
        ((700, 1000), 100, 0.651629, 0.745949),
        ((5, 50), 50, 0.013021, 0.269264),
        ((100, 200), 1, 0.328923, 0.671076),
        ((0, 1), 50, 0.0, 1.0),
        ((1, 1), 50, 0.0, 1.0),
    ]:
        assert bernoulli_confidence_sequence(*counts, 0.05, t_opt) == pytest.approx((low, high), abs=1e-5)


@pytest.mark.parametrize("mixture", PARAMETERS)
@pytest.mark.parametrize("alpha", [1e-6, 0.05, 0.4])
def test_the_mixture_is_one_over_alpha_on_its_bound(mixture: str, alpha: float) -> None:
    v = np.geomspace(5.0, 1e5, 30)
    bound = mixture_bound(mixture, v, alpha, v_opt=300, **PARAMETERS[mixture])
    reachable = np.asarray(bound) < v / PARAMETERS[mixture].get("g", 1e-9) * (1 - 1e-9)
    log_e = np.asarray(log_mixture(mixture, bound, v, v_opt=300, **PARAMETERS[mixture]))

    assert reachable.sum() > 20
    assert log_e[reachable] == pytest.approx(-np.log(alpha), rel=1e-9)
    assert (np.diff(bound) > 0.0).all()


@pytest.mark.parametrize("mixture", PARAMETERS)
def test_the_mixture_starts_at_one(mixture: str) -> None:
    assert log_mixture(mixture, 0.0, 0.0, v_opt=100, **PARAMETERS[mixture]) == pytest.approx(0.0, abs=1e-12)


@given(st.integers(0, 60), st.integers(0, 60), st.floats(0.02, 0.98))
def test_the_beta_binomial_mixture_is_a_beta_mixture_centred_on_p(s: int, f: int, p: float) -> None:
    n, rho = s + f, best_rho(40.0)
    general = log_mixture("two_sided_beta_binomial", s - n * p, n * p * (1 - p), v_opt=40 * p * (1 - p), g=p, h=1 - p)

    assert general == pytest.approx(beta_mixture_log_e(s, n, p, (rho - 1) * p, (rho - 1) * (1 - p)), abs=1e-8)


@given(st.integers(0, 500), st.integers(0, 500), st.floats(0.5, 1e4))
def test_the_bernoulli_interval_holds_the_proportion_and_mirrors(s: int, f: int, t_opt: float) -> None:
    n = max(s + f, 1)
    low, high = bernoulli_confidence_sequence(s, n, 0.05, t_opt)
    mirrored = bernoulli_confidence_sequence(n - s, n, 0.05, t_opt)

    assert 0.0 <= float(low) <= s / n <= float(high) <= 1.0
    assert (low, high) == pytest.approx((1.0 - float(mirrored.high), 1.0 - float(mirrored.low)), abs=1e-9)


def test_bernoulli_intervals_of_many_counts_are_those_of_each() -> None:
    successes = np.arange(31)
    together = bernoulli_confidence_sequence(successes, 30, 0.01, 25)
    single = [bernoulli_confidence_sequence(s, 30, 0.01, 25) for s in successes]

    assert np.asarray(together.low) == pytest.approx([interval.low for interval in single], abs=1e-12)
    assert np.asarray(together.high) == pytest.approx([interval.high for interval in single], abs=1e-12)


@pytest.mark.crossing
@pytest.mark.parametrize("p", [0.04, 0.5])
def test_the_bernoulli_interval_ever_misses_p_at_most_alpha_of_the_time(p: float) -> None:
    paths, n = 800, np.arange(1, 251)
    sums = (np.random.default_rng(5).random((paths, 250)) < p).cumsum(axis=1)
    low, high = bernoulli_confidence_sequence(sums, n, 0.05, 50)
    missed = int(((p < np.asarray(low)) | (p > np.asarray(high))).any(axis=1).sum())

    # passes by chance with an error rate of 0.05 with probability 1 - 1e-4
    assert stats.binomtest(missed, paths, 0.05, alternative="greater").pvalue > 1e-4
    # and is not vacuous: a time-uniform interval of this kind does miss
    assert missed > 0


@pytest.mark.crossing
@pytest.mark.parametrize("bound", ["one_sided_normal", "stitched"])
def test_a_gaussian_walk_ever_crosses_at_most_alpha_of_the_time(bound: str) -> None:
    v = np.arange(1.0, 501.0)
    walks = np.random.default_rng(6).standard_normal((4000, 500)).cumsum(axis=1)
    line = mixture_bound(bound, v, 0.05, v_opt=50) if bound != "stitched" else poly_stitching_bound(v, 0.05, 1.0)
    crossed = int((walks >= line).any(axis=1).sum())

    # passes by chance with an error rate of 0.05 with probability 1 - 1e-4
    assert stats.binomtest(crossed, 4000, 0.05, alternative="greater").pvalue > 1e-4
    assert crossed > 0


@pytest.mark.parametrize(
    "call",
    [
        best_rho,
        lambda bad: best_rho(1.0, bad),
        lambda bad: log_mixture("two_sided_normal", 1.0, bad, v_opt=1),
        lambda bad: log_mixture("gamma_exponential", 1.0, 1.0, v_opt=1, c=bad),
        lambda bad: mixture_bound("two_sided_normal", bad, 0.05, v_opt=1),
        lambda bad: mixture_bound("two_sided_normal", 1.0, bad, v_opt=1),
        lambda bad: poly_stitching_bound(bad, 0.05, 1.0),
        lambda bad: poly_stitching_bound(1.0, 0.05, bad),
        lambda bad: poly_stitching_bound(1.0, 0.05, 1.0, eta=bad),
        lambda bad: bernoulli_confidence_sequence(bad, 10, 0.05, 10),
        lambda bad: bernoulli_confidence_sequence(1, bad, 0.05, 10),
        lambda bad: bernoulli_confidence_sequence(1, 10, bad, 10),
        lambda bad: bernoulli_confidence_sequence(1, 10, 0.05, bad),
    ],
)
@pytest.mark.parametrize("bad", [*NOT_NUMBERS, -1.0])
def test_what_is_no_number_or_out_of_range_is_refused(call: Callable[[float], object], bad: float) -> None:
    with pytest.raises(SprtError):
        call(bad)


@pytest.mark.parametrize(
    "call",
    [
        lambda: log_mixture("normal", 1.0, 1.0, v_opt=1),
        lambda: log_mixture("gamma_poisson", 1.0, 1.0, v_opt=1),
        lambda: log_mixture("two_sided_normal", 1.0, 1.0, v_opt=1, c=1.0),
        lambda: log_mixture("one_sided_normal", 1.0, 1.0, v_opt=1, alpha_opt=0.5),
    ],
)
def test_a_mixture_with_the_wrong_parameters_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(DesignError):
        call()


@pytest.mark.parametrize("bad", NOT_NUMBERS)
def test_a_process_value_that_is_no_number_is_refused(bad: float) -> None:
    with pytest.raises(ObservationError, match="s = "):
        log_mixture("two_sided_normal", bad, 1.0, v_opt=1)


def test_a_value_out_of_reach_of_the_process_is_refused() -> None:
    with pytest.raises(SprtError):
        log_mixture("two_sided_beta_binomial", 6.0, 1.0, v_opt=1, g=0.2, h=0.8)
    with pytest.raises(SprtError):
        bernoulli_confidence_sequence(5, 4, 0.05, 10)


def test_extreme_counts_give_finite_limits_around_the_proportion() -> None:
    low, high = bernoulli_confidence_sequence([3, 10**12, 0, 10**9], [10**12, 10**12, 10**12, 2 * 10**9], 1e-12, 100)

    assert (np.asarray(low) <= [3e-12, 1.0, 0.0, 0.5]).all()
    assert (np.asarray(high) >= [3e-12, 1.0, 0.0, 0.5]).all()
