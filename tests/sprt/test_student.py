import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special, stats

from sprt.errors import DesignError, ObservationError, SprtError
from sprt.student import student_t_llr, student_t_statistic, student_y_llr
from tests.sprt.anchor_rows import NOT_NUMBERS, Row, anchor_rows, assert_within_tolerance

T, DF, NCP = st.floats(-40, 40), st.integers(1, 3000), st.floats(-15, 15)


@pytest.mark.parametrize("row", anchor_rows("C17_sequential_t", "from_statistic"))
def test_ratio_from_the_statistic_is_the_anchor(row: Row) -> None:
    assert_within_tolerance(row, log_lr=student_t_llr(**row["inputs"]))


@pytest.mark.parametrize("row", anchor_rows("C17_sequential_t", "from_data"))
def test_ratio_from_data_is_the_anchor(row: Row) -> None:
    statistic = student_t_statistic(**row["inputs"])

    assert_within_tolerance(row, **statistic._asdict())
    assert_within_tolerance(
        row, log_lr_two=student_t_llr(*statistic, "two_sided"), log_lr_greater=student_t_llr(*statistic, "greater")
    )


@given(T, DF, st.floats(-12, 12))
def test_the_two_sided_ratio_is_the_confluent_hypergeometric_form(t: float, df: int, ncp: float) -> None:
    argument = ncp**2 * t**2 / (2.0 * (df + t**2))
    expected = -(ncp**2) / 2.0 + math.log(special.hyp1f1((df + 1) / 2.0, 0.5, argument))

    assert student_t_llr(t, df, ncp, "two_sided") == pytest.approx(expected, rel=1e-10, abs=1e-11)


@given(st.floats(-15, 15), st.integers(1, 60), st.floats(-6, 6))
def test_the_one_sided_ratio_is_that_of_the_normal_and_chi_squared_laws(t: float, df: int, ncp: float) -> None:
    def joint(u: float, shift: float) -> float:
        # t sqrt(v / df) ~ N(ncp, 1) with v chi-squared, in u = sqrt(v)
        z = t * u / math.sqrt(df) - shift
        return math.exp(-z * z / 2.0 - u * u / 2.0 + df * math.log(u)) if u > 0.0 else 0.0

    def density(shift: float) -> float:
        peak = math.sqrt(df)
        return integrate.quad(joint, 0.0, peak + 25.0, args=(shift,), limit=400, epsabs=0.0, epsrel=1e-11)[0]

    assert student_t_llr(t, df, ncp) == pytest.approx(math.log(density(ncp) / density(0.0)), rel=1e-8, abs=1e-9)


@pytest.mark.parametrize("df", [1, 4, 30, 400])
@pytest.mark.parametrize("alternative", ["greater", "less", "two_sided"])
def test_the_ratio_has_expectation_one_under_h0(df: int, alternative: str) -> None:
    def weighted(y: float) -> float:
        # y = t / sqrt(df + t^2) has density proportional to (1 - y^2)^(df/2 - 1); y = sin(angle) is smooth at the ends
        log_density = (df - 1) * math.log(math.cos(y)) - special.betaln(0.5, df / 2.0)
        return math.exp(log_density + float(student_y_llr(math.sin(y), df, 1.3, alternative)))

    mass, _ = integrate.quad(weighted, -math.pi / 2 + 1e-12, math.pi / 2 - 1e-12, points=[0.0], limit=200)
    assert mass == pytest.approx(1.0, abs=1e-8)


@given(T, DF, NCP)
def test_mirroring_the_data_and_the_effect_changes_nothing(t: float, df: int, ncp: float) -> None:
    assert student_t_llr(t, df, ncp) == student_t_llr(-t, df, -ncp)
    assert student_t_llr(t, df, ncp, "two_sided") == pytest.approx(student_t_llr(-t, df, -ncp, "two"), rel=1e-13)
    assert student_t_llr(t, df, abs(ncp)) == student_t_llr(-t, df, ncp, "less")


@given(T, DF, NCP)
def test_the_two_sided_ratio_is_the_equal_mixture_of_both_sides(t: float, df: int, ncp: float) -> None:
    both = np.logaddexp(float(student_t_llr(t, df, ncp)), float(student_t_llr(t, df, -ncp))) - math.log(2.0)

    assert student_t_llr(t, df, ncp, "two_sided") == pytest.approx(both, rel=1e-13, abs=1e-13)


@given(T, T, DF, st.floats(0.01, 15))
def test_the_one_sided_ratio_grows_with_t(first: float, second: float, df: int, ncp: float) -> None:
    low, high = sorted((first, second))

    assert float(student_t_llr(low, df, ncp)) <= float(student_t_llr(high, df, ncp)) + 1e-10


@pytest.mark.parametrize("alternative", ["greater", "two_sided"])
def test_a_statistic_has_the_same_bits_alone_and_among_others(alternative: str) -> None:
    rng = np.random.default_rng(4)
    t, df, ncp = rng.normal(0, 4, 5000), rng.integers(1, 300, 5000), rng.normal(0, 3, 5000)
    together = np.asarray(student_t_llr(t, df, ncp, alternative))

    assert [student_t_llr(t[i], df[i], ncp[i], alternative) for i in range(0, 5000, 23)] == together[::23].tolist()
    assert np.asarray(student_t_llr(t[1:8], df[1:8], ncp[1:8], alternative)).tolist() == together[1:8].tolist()


@pytest.mark.parametrize("n", [10**3, 10**5, 10**7, 10**9, 10**12])
def test_at_a_fixed_effect_the_ratio_grows_at_its_exact_rate(n: int) -> None:
    # at t = ncp = d sqrt(n) the exponent is n times: log of the peak's height, d = 0.1, y = d / sqrt(1 + d^2)
    a = 0.1 * 0.1 / math.sqrt(1.01)
    rate = math.asinh(a / 2.0) + a * (a + math.sqrt(a * a + 4.0)) / 4.0 - 0.005
    llr = float(student_t_llr(0.1 * math.sqrt(n), n, 0.1 * math.sqrt(n)))

    assert llr == pytest.approx(n * rate, abs=1.0, rel=1e-9)
    # the z limit is wrong by about ncp^4 / (4 df)
    assert n * 0.005 - llr == pytest.approx(n * 1e-4 / 4.0, rel=0.05, abs=0.01)


@pytest.mark.parametrize("df", [2, 10, 200])
def test_infinite_t_is_the_limit_of_large_t(df: int) -> None:
    assert student_y_llr(1.0, df, 2.0) == pytest.approx(student_t_llr(1e9, df, 2.0), rel=1e-7)


@pytest.mark.parametrize(
    "arguments",
    [(1e200, 5, 3), (-1e200, 5, 3), (3, 5, 1e4), (3, 1e300, 3), (3, 1e-3, 3), (3, 0.5, -3000), (0, 5, 0), (-50, 3, 50)],
)
@pytest.mark.parametrize("alternative", ["greater", "less", "two_sided"])
def test_extreme_statistics_have_a_finite_ratio(arguments: tuple[float, float, float], alternative: str) -> None:
    assert math.isfinite(float(student_t_llr(*arguments, alternative)))


def test_the_statistic_of_two_samples_is_that_of_scipy() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(0.3, 1, 17), rng.normal(0, 1, 9)
    t, df, ncp = student_t_statistic(x, y, d=0.4)

    assert (t, df) == pytest.approx((stats.ttest_ind(x, y).statistic, 24))
    assert ncp == pytest.approx(0.4 / math.sqrt(1 / 17 + 1 / 9))
    assert student_t_statistic(x[:9], y, d=0.4, design="paired") == student_t_statistic(x[:9] - y, d=0.4)


@pytest.mark.parametrize(
    "call",
    [
        lambda bad: student_t_llr(bad, 5, 1),
        lambda bad: student_t_llr(1, bad, 1),
        lambda bad: student_t_llr(1, 5, bad),
        lambda bad: student_y_llr(bad, 5, 1),
        lambda bad: student_t_statistic([1.0, bad], d=0.5),
        lambda bad: student_t_statistic([1.0, 2.0], d=bad),
    ],
)
@pytest.mark.parametrize("bad", NOT_NUMBERS)
def test_what_is_no_number_is_refused(call: Callable[[float], object], bad: float) -> None:
    with pytest.raises(SprtError):
        call(bad)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: student_t_llr(1, 0, 1), ObservationError),
        (lambda: student_t_llr(1, 5, 1e200), ObservationError),
        (lambda: student_y_llr(1.1, 5, 1), ObservationError),
        (lambda: student_t_llr(1, 5, 1, "up"), DesignError),
        (lambda: student_t_statistic([1.0], d=0.5), ObservationError),
        (lambda: student_t_statistic([2.0, 2.0, 2.0], d=0.5), ObservationError),
        (lambda: student_t_statistic([[2.0, 1.0]], d=0.5), ObservationError),
        (lambda: student_t_statistic([1.0, 2.0], [1.0], d=0.5, design="paired"), ObservationError),
        (lambda: student_t_statistic([1.0, 2.0], [1.0], d=0.5, design="one_sample"), DesignError),
        (lambda: student_t_statistic([1.0, 2.0], d=0.5, design="two_sample"), DesignError),
    ],
)
def test_what_cannot_be_is_refused(call: Callable[[], object], error: type[SprtError]) -> None:
    with pytest.raises(error):
        call()
