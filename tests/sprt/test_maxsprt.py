import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sprt.errors import DesignError
from sprt.maxsprt import maxsprt_critical_value, maxsprt_performance
from tests.sprt.anchor_rows import NOT_NUMBERS, Row, anchor_rows, assert_within_tolerance


def binomial_llr(cases: int, n: int, z: float) -> float:
    p0, p = 1.0 / (1.0 + z), cases / n
    if p <= p0:
        return 0.0
    return float(stats.binom.logpmf(cases, n, p) - stats.binom.logpmf(cases, n, p0))


@pytest.mark.parametrize("row", anchor_rows("C5_maxsprt", "poisson_cv"))
def test_continuous_critical_value_is_the_anchor(row: Row) -> None:
    assert_within_tolerance(row, cv=maxsprt_critical_value(**row["inputs"]))


@pytest.mark.parametrize("row", anchor_rows("C5_maxsprt", "poisson_group"))
def test_grouped_poisson_performance_is_the_anchor(row: Row) -> None:
    inputs = dict(row["inputs"])
    nominal = inputs.pop("alpha_nominal")
    result = maxsprt_performance(**inputs)

    assert_within_tolerance(
        row,
        reject_counts=result.reject_counts,
        alpha=result.alpha,
        power=result.power,
        e_signal=result.e_signal,
        e_length=result.e_length,
    )
    # critical values are one if they signal at the same counts
    cv = maxsprt_critical_value(alpha=nominal, groups=inputs["groups"])
    assert maxsprt_performance(cv, groups=inputs["groups"]).reject_counts == result.reject_counts


@pytest.mark.parametrize("row", anchor_rows("C5_maxsprt", "poisson_performance"))
def test_continuous_performance_is_the_anchor(row: Row) -> None:
    result = maxsprt_performance(**row["inputs"])

    assert_within_tolerance(row, power=result.power, e_signal=result.e_signal, e_length=result.e_length)


@pytest.mark.parametrize("row", anchor_rows("C5_maxsprt", "binomial"))
def test_binomial_performance_is_the_anchor(row: Row) -> None:
    result = maxsprt_performance(**row["inputs"])

    assert_within_tolerance(row, p_signal=result.power, e_signal=result.e_signal, e_length=result.e_length)


@pytest.mark.parametrize(
    ("z", "rr", "least", "groups"), [(1.0, 1.0, 1, None), (3.5, 2.0, 2, None), (0.4, 3.0, 1, [3, 1, 5])]
)
def test_binomial_performance_is_that_of_all_sequences(
    z: float, rr: float, least: int, groups: list[int] | None
) -> None:
    looks = np.cumsum(groups or [1] * 9)
    p, cv = rr / (rr + z), 1.1
    power = signal_time = length = 0.0
    for sequence in itertools.product([0, 1], repeat=9):
        weight = math.prod(p if x else 1.0 - p for x in sequence)
        hits = [n for n in looks if (c := sum(sequence[:n])) >= least and binomial_llr(c, n, z) >= cv - 1e-9]
        power += weight * bool(hits)
        signal_time += weight * (hits[0] if hits else 0)
        length += weight * (hits[0] if hits else 9)
    result = maxsprt_performance(cv, rr, least, N=9, z=z, groups=groups)

    assert (result.power, result.e_length) == pytest.approx((power, length), rel=1e-12)
    assert result.e_signal == pytest.approx(signal_time / power, rel=1e-12)


@pytest.mark.crossing
@pytest.mark.parametrize("rr", [1.0, 1.8])
def test_continuous_power_is_that_of_simulated_surveillance(rr: float) -> None:
    cv, horizon, least, paths = 3.0, 12.0, 2, 20_000
    arrivals = np.random.default_rng(12).exponential(1.0 / rr, (paths, 70)).cumsum(axis=1)
    counts = np.arange(1, 71)
    # right at an event the ratio is at its highest since the event before
    llr = np.where(counts > arrivals, counts * np.log(counts / arrivals) - (counts - arrivals), 0.0)
    hits = (llr >= cv) & (counts >= least) & (arrivals <= horizon)
    assert (arrivals[:, -1] > horizon).all()
    result = maxsprt_performance(cv, rr, least, T=horizon)
    first = np.where(hits.any(axis=1), arrivals[np.arange(paths), hits.argmax(axis=1)], horizon)

    # each passes by chance with probability 1 - 1e-4
    assert stats.binomtest(int(hits.any(axis=1).sum()), paths, result.power).pvalue > 1e-4
    assert abs(first.mean() - result.e_length) < 3.9 * first.std() / math.sqrt(paths)


@pytest.mark.parametrize(
    "surveillance",
    [
        {"groups": [2.0, 0.5, 4.0, 1.0]},
        {"groups": [0.3] * 20},
        {"N": 60, "z": 1.0},
        {"N": 100, "z": 4.0},
        {"N": 80, "z": 0.3, "groups": [20] * 4},
    ],
)
@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.2])
@pytest.mark.parametrize("least", [1, 3])
def test_the_stepped_critical_value_is_the_least_that_keeps_alpha(
    surveillance: dict[str, Any], alpha: float, least: int
) -> None:
    cv = maxsprt_critical_value(alpha=alpha, M=least, **surveillance)
    kept = maxsprt_performance(cv, M=least, **surveillance)
    # the next attainable LLR below: walk down until the counts that signal change
    below = next(
        result
        for lower in np.linspace(cv, 1e-6, 4000)
        if (result := maxsprt_performance(lower, M=least, **surveillance)).reject_counts != kept.reject_counts
    )

    assert kept.alpha <= alpha < below.alpha


@settings(max_examples=40)
@given(st.floats(0.5, 60.0), st.floats(1e-6, 0.2), st.integers(1, 4))
def test_the_continuous_critical_value_spends_alpha_exactly(horizon: float, alpha: float, least: int) -> None:
    reachable = maxsprt_performance(1e-8, M=least, T=horizon).alpha
    if reachable < 1.01 * alpha:
        return
    cv = maxsprt_critical_value(horizon, alpha, least)

    assert maxsprt_performance(cv, M=least, T=horizon).alpha == pytest.approx(alpha, rel=1e-9)


def test_ever_finer_groups_approach_continuous_monitoring() -> None:
    continuous = maxsprt_performance(3.0, 1.5, T=5)
    errors = [abs(maxsprt_performance(3.0, 1.5, groups=[5 / k] * k).power - continuous.power) for k in (10, 100, 1000)]

    # a group loses the crossings that its later, eventless part undoes: in proportion to its length in the limit
    assert errors[1] < errors[0] / 2
    assert errors[2] < errors[1] / 5


@given(st.floats(0.5, 8.0), st.floats(0.5, 8.0))
def test_power_falls_in_cv_and_grows_with_the_risk(first: float, second: float) -> None:
    low, high = sorted((first, second))

    assert maxsprt_performance(low, 1.5, T=8).power >= maxsprt_performance(high, 1.5, T=8).power - 1e-14
    assert maxsprt_performance(low, 1.5, T=8).power >= maxsprt_performance(low, 1.2, T=8).power - 1e-14


@pytest.mark.parametrize(
    "inputs",
    [
        {"cv": 100.0, "T": 10},
        {"cv": 1e-6, "T": 10},
        {"cv": 3, "T": 10, "RR": 1e6},
        {"cv": 3, "T": 200.0, "RR": 1e-6},
        {"cv": 3, "groups": [1e3] * 10, "RR": 1e6},
        {"cv": 3, "groups": [1e-3] * 10},
        {"cv": 3, "N": 100, "z": 1e12, "RR": 1e6},
        {"cv": 3, "N": 100, "z": 1e-12},
        {"cv": 3, "T": 1e-9},
    ],
)
def test_extreme_surveillance_has_a_finite_right_answer(inputs: dict[str, Any]) -> None:
    result = maxsprt_performance(**inputs)
    horizon = inputs.get("T", inputs.get("N", sum(inputs.get("groups") or [])))

    assert 0.0 <= result.alpha <= 1.0 + 1e-12
    assert 0.0 <= result.power <= 1.0 + 1e-12
    assert 0.0 < result.e_length <= horizon * (1.0 + 1e-12)
    assert result.e_signal is None or 0.0 < result.e_signal <= horizon * (1.0 + 1e-12)


@pytest.mark.parametrize(
    "inputs",
    [
        *[{"T": bad} for bad in [*NOT_NUMBERS, 0.0, -1.0, 1e6]],
        *[{"T": 5, "alpha": bad} for bad in [*NOT_NUMBERS, 0.0, 1.0]],
        *[{"T": 5, "M": bad} for bad in [*NOT_NUMBERS, 0, 1.5]],
        *[{"N": bad, "z": 1.0} for bad in [*NOT_NUMBERS, 0, 10**7]],
        *[{"N": 9, "z": bad} for bad in [*NOT_NUMBERS, 0.0]],
        *[{"groups": [1.0, bad]} for bad in [*NOT_NUMBERS, 0.0]],
        {},
        {"N": 9},
        {"z": 1.0},
        {"T": 5, "N": 9, "z": 1.0},
        {"T": 5, "groups": [1.0, 1.0]},
        {"N": 9, "z": 1.0, "groups": [5, 5]},
        {"N": 9, "z": 1.0, "groups": [4.5, 4.5]},
        {"groups": []},
        {"groups": [[1.0]]},
        {"T": 0.01},
        {"T": 5, "M": 50},
        {"N": 2, "z": 1.0},
        {"N": 4, "z": 1.0, "M": 8},
    ],
)
def test_surveillance_that_cannot_be_is_refused(inputs: dict[str, Any]) -> None:
    with pytest.raises(DesignError):
        maxsprt_critical_value(**inputs)


@pytest.mark.parametrize("inputs", [{"cv": bad} for bad in [*NOT_NUMBERS, 0.0, 1e3]] + [{"cv": 3.0, "RR": 0.0}])
def test_a_critical_value_or_risk_out_of_range_is_refused(inputs: dict[str, Any]) -> None:
    with pytest.raises(DesignError):
        maxsprt_performance(T=5, **inputs)
