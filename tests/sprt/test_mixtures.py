import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from sprt.errors import DesignError, ObservationError, SprtError
from sprt.mixtures import (
    MixturePath,
    always_valid_p,
    beta_mixture,
    beta_mixture_log_e,
    mixing_variance_for_truncation,
    normal_mixture,
    normal_mixture_log_e,
    two_sample_bernoulli_bayes_factor,
    two_sample_bernoulli_log_e,
)
from tests.sprt.anchor_rows import NOT_NUMBERS, Row, anchor_rows, assert_within_tolerance

MIXTURES: dict[str, Callable[..., MixturePath]] = {"normal": normal_mixture, "beta_binomial": beta_mixture}


@pytest.mark.parametrize("row", anchor_rows("C14_mixture", "normal_path"))
def test_normal_path_is_the_anchor(row: Row) -> None:
    path = normal_mixture(**row["inputs"])

    assert_within_tolerance(row, log_e=path.log_e, p=path.p)


@pytest.mark.parametrize("row", anchor_rows("C14_mixture", "normal_point"))
def test_normal_point_is_the_anchor(row: Row) -> None:
    assert_within_tolerance(row, log_e=normal_mixture_log_e(**row["inputs"]))


@pytest.mark.parametrize("row", anchor_rows("C14_mixture", "two_sample_bernoulli"))
def test_two_sample_point_is_the_anchor(row: Row) -> None:
    assert_within_tolerance(row, log_e=two_sample_bernoulli_log_e(**row["inputs"]))


@pytest.mark.parametrize("row", anchor_rows("C14_mixture", "beta_binomial"))
def test_beta_point_is_the_anchor(row: Row) -> None:
    assert_within_tolerance(row, log_e=beta_mixture_log_e(**row["inputs"]))


@pytest.mark.parametrize("row", anchor_rows("E6_mixture_paths", "mixture_paths"))
def test_mixture_path_is_the_anchor(row: Row) -> None:
    inputs = dict(row["inputs"])
    path = MIXTURES[inputs.pop("type")](**inputs)

    assert_within_tolerance(row, log_e=path.log_e, p=path.p)


@pytest.mark.parametrize("n", [1, 2, 5, 10])
@pytest.mark.parametrize("p0", [0.03, 0.5, 0.9])
def test_beta_mixture_has_expectation_one_over_all_sequences(n: int, p0: float) -> None:
    sequences = np.array(list(itertools.product([0, 1], repeat=n)))
    probability = np.prod(np.where(sequences == 1, p0, 1.0 - p0), axis=1)
    e = np.exp(beta_mixture(sequences, p0, 0.7, 2.5).log_e)

    assert probability @ e == pytest.approx(np.ones(n), rel=1e-12)


@pytest.mark.parametrize("s", [0, 3, 7])
def test_beta_mixture_is_a_martingale_from_any_count(s: int) -> None:
    now, failed, succeeded = (
        math.exp(float(beta_mixture_log_e(*count, 0.2, 2, 8))) for count in [(s, 7), (s, 8), (s + 1, 8)]
    )

    assert 0.8 * failed + 0.2 * succeeded == pytest.approx(now, rel=1e-12)


@pytest.mark.parametrize("tau", [0.1, 0.7])
def test_normal_mixture_has_expectation_one(tau: float) -> None:
    def weighted(total: float) -> float:
        # over the law of the sum of 4 observations with mean 2 and standard deviation 1.5
        e = math.exp(float(normal_mixture_log_e(4, total / 4, 2.0, 1.5**2, tau**2)))
        return e * float(stats.norm.pdf(total, 8.0, 3.0))

    mass, _ = integrate.quad(weighted, 8.0 - 60.0, 8.0 + 60.0, points=[8.0], limit=200)
    assert mass == pytest.approx(1.0, abs=1e-9)


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=20), st.floats(-5, 5), st.floats(0.1, 10), st.floats(0.1, 10))
def test_normal_path_ends_at_the_point_of_its_mean(x: list[float], theta0: float, sigma: float, tau: float) -> None:
    point = normal_mixture_log_e(len(x), np.mean(x), theta0, sigma**2, tau**2)

    assert normal_mixture(x, theta0, sigma, tau).log_e[-1] == pytest.approx(point, rel=1e-9, abs=1e-9)


@given(st.lists(st.integers(0, 1), min_size=1, max_size=40), st.floats(0.01, 0.99))
def test_beta_path_is_mirrored_when_successes_and_failures_change_places(x: list[int], p0: float) -> None:
    mirrored = beta_mixture([1 - value for value in x], 1.0 - p0, 3.0, 0.5).log_e

    assert beta_mixture(x, p0, 0.5, 3.0).log_e == pytest.approx(mirrored, rel=1e-9, abs=1e-9)


def test_leading_axes_are_separate_experiments() -> None:
    x = np.random.default_rng(3).standard_normal((3, 2, 15))
    together = normal_mixture(x)

    assert together.log_e.shape == x.shape
    assert together.p[2, 1].tolist() == normal_mixture(x[2, 1]).p.tolist()


@given(st.lists(st.floats(-800, 800), min_size=1, max_size=20))
def test_always_valid_p_never_rises_and_stays_in_the_unit_interval(log_e: list[float]) -> None:
    p = always_valid_p(log_e)

    assert ((p >= 0.0) & (p <= 1.0)).all()
    assert (np.diff(p) <= 0.0).all()
    assert p[-1] == pytest.approx(math.exp(-max(*log_e, 0.0)), rel=1e-14)


@pytest.mark.crossing
@pytest.mark.parametrize("paths", ["normal", "bernoulli"])
def test_always_valid_p_ever_falls_below_u_at_most_u_of_the_time_under_h0(paths: str) -> None:
    rng = np.random.default_rng(11)
    if paths == "normal":
        lowest = normal_mixture(rng.normal(1.0, 2.0, (5000, 400)), 1.0, 2.0, 0.5).p[:, -1]
    else:
        lowest = beta_mixture(rng.random((5000, 400)) < 0.3, 0.3, 3.0, 7.0).p[:, -1]

    for u in (0.01, 0.05, 0.2):
        # passes by chance with an error rate of u with probability 1 - 1e-4
        assert stats.binomtest(int((lowest <= u).sum()), 5000, u, alternative="greater").pvalue > 1e-4


def test_the_two_sample_bayes_factor_is_not_an_e_value() -> None:
    outcomes = [(a, 1 - a, b, 1 - b) for a in (0, 1) for b in (0, 1)]
    mean = sum(0.25 * math.exp(float(two_sample_bernoulli_bayes_factor(*outcome))) for outcome in outcomes)

    assert mean == pytest.approx(1.125)
    assert "NOT an e-value" in str(two_sample_bernoulli_bayes_factor.__doc__)


def test_the_two_sample_bayes_factor_is_that_of_uniform_priors() -> None:
    separate = np.prod([integrate.quad(lambda p, s=s, f=f: p**s * (1 - p) ** f, 0, 1)[0] for s, f in [(3, 5), (6, 2)]])
    pooled = integrate.quad(lambda p: p**9 * (1 - p) ** 7, 0, 1)[0]

    assert two_sample_bernoulli_bayes_factor(3, 5, 6, 2) == pytest.approx(math.log(separate / pooled))


def test_the_mixing_variance_minimises_the_expected_run_length_over_effects_found_in_time() -> None:
    horizon, v0, alpha = 2000.0, 0.02, 0.01
    threshold = math.sqrt(2.0 * math.log(1.0 / alpha) / horizon)

    def expected(t2: float) -> float:
        # the terms of the run length at effect d that depend on t2: (log t2 + d^2 / t2) / d^2, averaged over effects
        tail, _ = integrate.quad(lambda d: stats.norm.pdf(d, 0, math.sqrt(v0)) / d**2, threshold, 20.0, limit=200)
        penalty, _ = integrate.quad(lambda d: stats.norm.pdf(d, 0, math.sqrt(v0)), threshold, 20.0, limit=200)
        return math.log(t2) * tail + penalty / t2

    best = mixing_variance_for_truncation(horizon, v0, alpha)
    assert expected(best) < min(expected(best * 0.9), expected(best * 1.1))


@pytest.mark.parametrize(
    "call",
    [
        lambda bad: normal_mixture([0.0, bad]),
        lambda bad: normal_mixture_log_e(1, bad, 0.0, 1.0, 1.0),
        lambda bad: normal_mixture_log_e(1, 0.0, 0.0, bad, 1.0),
        lambda bad: beta_mixture_log_e(bad, 3, 0.5, 1, 1),
        lambda bad: beta_mixture([bad], 0.5, 1, 1),
        lambda bad: two_sample_bernoulli_log_e(10, bad, 0.5, 1.0),
        lambda bad: two_sample_bernoulli_bayes_factor(1, bad, 1, 1),
        lambda bad: always_valid_p([0.0, bad]),
    ],
)
@pytest.mark.parametrize("bad", NOT_NUMBERS)
def test_data_that_is_no_number_is_refused(call: Callable[[float], object], bad: float) -> None:
    with pytest.raises(ObservationError):
        call(bad)


@pytest.mark.parametrize(
    "call",
    [
        lambda bad: normal_mixture([0.0], bad),
        lambda bad: normal_mixture([0.0], 0.0, bad),
        lambda bad: normal_mixture([0.0], 0.0, 1.0, bad),
        lambda bad: beta_mixture([1], bad, 1, 1),
        lambda bad: beta_mixture([1], 0.5, bad, 1),
        lambda bad: mixing_variance_for_truncation(bad, 1.0, 0.05),
        lambda bad: mixing_variance_for_truncation(10, bad, 0.05),
        lambda bad: mixing_variance_for_truncation(10, 1.0, bad),
    ],
)
@pytest.mark.parametrize("bad", NOT_NUMBERS)
def test_a_parameter_that_is_no_number_is_refused(call: Callable[[float], object], bad: float) -> None:
    with pytest.raises(DesignError):
        call(bad)


@pytest.mark.parametrize(
    "call",
    [
        lambda: normal_mixture([1e200]),
        lambda: normal_mixture(1.0),
        lambda: normal_mixture("heads"),
        lambda: normal_mixture([0.0], sigma=0.0),
        lambda: normal_mixture([0.0], tau=-1.0),
        lambda: beta_mixture([2], 0.5, 1, 1),
        lambda: beta_mixture([0.5], 0.5, 1, 1),
        lambda: beta_mixture([1], 1.0, 1, 1),
        lambda: beta_mixture_log_e(4, 3, 0.5, 1, 1),
        lambda: beta_mixture_log_e([1, 2], [3, 4, 5], 0.5, 1, 1),
        lambda: two_sample_bernoulli_log_e(10, 0.0, 1.0, 1.0),
        lambda: mixing_variance_for_truncation(1e-300, 1e-300, 0.05),
    ],
)
def test_what_cannot_be_is_refused_with_a_typed_error(call: Callable[[], object]) -> None:
    with pytest.raises(SprtError):
        call()


def test_extreme_but_possible_input_gives_a_finite_answer() -> None:
    assert normal_mixture([1e100], sigma=1e100, tau=1e-100).log_e[0] == pytest.approx(0.0)
    assert np.isfinite(beta_mixture_log_e([0, 10**12], 10**12, 1e-12, 1e-3, 1e6)).all()
    assert normal_mixture([]).p.size == 0
