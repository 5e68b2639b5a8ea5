import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from sprt.errors import DesignError, ObservationError, SprtError
from sprt.multiplicity import e_benjamini_hochberg, lord_plus_plus, p_to_e
from tests.sprt.anchor_rows import NOT_NUMBERS, Row, anchor_rows, assert_within_tolerance

E_VALUES = st.lists(st.floats(0.0, 1e6), min_size=1, max_size=30)
P_VALUES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=40)
LEVELS = st.floats(0.001, 0.5)


@pytest.mark.parametrize("row", anchor_rows("C20_e_bh", "ebh"))
def test_e_bh_rejects_what_the_anchor_says(row: Row) -> None:
    assert_within_tolerance(row, rejected_index0=e_benjamini_hochberg(**row["inputs"]))


@pytest.mark.parametrize("row", anchor_rows("C20_e_bh", "calibrator"))
def test_calibrator_gives_the_anchor_value(row: Row) -> None:
    assert_within_tolerance(row, e=p_to_e(**row["inputs"]))


@given(E_VALUES, LEVELS, st.data())
def test_e_bh_never_rejects_fewer_when_an_e_grows(e: list[float], alpha: float, data: st.DataObject) -> None:
    grown = list(e)
    grown[data.draw(st.integers(0, len(e) - 1))] += data.draw(st.floats(0.0, 1e6))

    assert set(e_benjamini_hochberg(e, alpha)) <= set(e_benjamini_hochberg(grown, alpha))


@given(E_VALUES, LEVELS)
def test_e_bh_follows_its_definition(e: list[float], alpha: float) -> None:
    falling = sorted(e, reverse=True)
    ks = [k for k in range(1, len(e) + 1) if k * falling[k - 1] / len(e) >= (1.0 - 1e-9) / alpha]
    rejected = e_benjamini_hochberg(e, alpha)

    assert len(rejected) == max(ks, default=0)
    assert sorted((e[i] for i in rejected), reverse=True) == falling[: len(rejected)]


@given(st.integers(1, 200), LEVELS)
def test_e_bh_rejects_everything_exactly_at_the_threshold(m: int, alpha: float) -> None:
    assert e_benjamini_hochberg([1.0 / alpha] * m, alpha).tolist() == list(range(m))


@pytest.mark.crossing
def test_e_bh_under_the_global_null_rejects_anything_at_most_alpha_of_the_time() -> None:
    # likelihood ratios of N(1.5, 1) against N(0, 1); under the global null the false discovery rate is P(any rejection)
    rng = np.random.default_rng(7)
    e = np.exp(1.5 * rng.standard_normal((4000, 10)) - 1.5**2 / 2)
    errors = sum(e_benjamini_hochberg(row, 0.05).size > 0 for row in e)

    # passes by chance with an error rate of 0.05 with probability 1 - 1e-4
    assert stats.binomtest(errors, 4000, 0.05, alternative="greater").pvalue > 1e-4


def test_lord_levels_are_those_of_the_r_package() -> None:
    # onlineFDR 2.x, LORD(version = "++"), default w0: alpha_1 = 0.05 / 10 * 0.07720838 log 2
    result = lord_plus_plus([1e-7, 0.1, 0.00025, 0.07], 0.05)

    assert result.levels[0] == pytest.approx(0.005 * 0.07720838 * math.log(2.0))
    assert result.rejected.tolist() == [0, 2]


@given(P_VALUES, LEVELS, st.floats(0.01, 1.0))
def test_lord_levels_follow_their_formula(p: list[float], alpha: float, share: float) -> None:
    w0 = share * alpha
    result = lord_plus_plus(p, alpha, w0)

    def discount(t: int) -> float:
        return 0.07720838 * math.log(max(t, 2)) / (t * math.exp(math.sqrt(math.log(t)))) if t >= 1 else 0.0

    for t, level in enumerate(result.levels):
        earlier = [tau for tau in result.rejected if tau < t]
        first, later = sum(discount(t - tau) for tau in earlier[:1]), sum(discount(t - tau) for tau in earlier[1:])
        assert level == pytest.approx(w0 * discount(t + 1) + (alpha - w0) * first + alpha * later, rel=1e-12)


def test_lord_rejects_a_p_exactly_at_its_level() -> None:
    level = lord_plus_plus([1.0], 0.05).levels[0]

    assert lord_plus_plus([level], 0.05).rejected.tolist() == [0]


@given(P_VALUES, LEVELS)
def test_lord_spends_at_most_alpha_per_rejection(p: list[float], alpha: float) -> None:
    result = lord_plus_plus(p, alpha)
    rejections = np.cumsum(np.isin(np.arange(len(p)), result.rejected))

    assert (np.cumsum(result.levels) <= alpha * np.maximum(rejections, 1) + 1e-12).all()
    assert [i for i, level in enumerate(result.levels) if p[i] <= level] == result.rejected.tolist()


@given(P_VALUES, LEVELS, st.data())
def test_lord_never_rejects_fewer_when_a_p_shrinks(p: list[float], alpha: float, data: st.DataObject) -> None:
    smaller = list(p)
    smaller[data.draw(st.integers(0, len(p) - 1))] *= data.draw(st.floats(0.0, 1.0))

    assert set(lord_plus_plus(p, alpha).rejected) <= set(lord_plus_plus(smaller, alpha).rejected)


@given(st.lists(st.floats(0.0, 1.0), min_size=2, max_size=30), LEVELS)
def test_lord_levels_do_not_look_ahead(p: list[float], alpha: float) -> None:
    assert lord_plus_plus(p[:-1], alpha).levels.tolist() == lord_plus_plus(p, alpha).levels[:-1].tolist()


@pytest.mark.crossing
def test_lord_under_the_global_null_rejects_anything_at_most_alpha_of_the_time() -> None:
    p = np.random.default_rng(8).uniform(size=(4000, 50))
    errors = sum(lord_plus_plus(row, 0.2).rejected.size > 0 for row in p)

    # passes by chance with an error rate of 0.2 with probability 1 - 1e-4
    assert stats.binomtest(errors, 4000, 0.2, alternative="greater").pvalue > 1e-4


def test_the_calibrator_has_expectation_one_under_the_uniform_law() -> None:
    # substitution p = exp(-u)
    mass, _ = integrate.quad(lambda u: float(p_to_e(math.exp(-u))) * math.exp(-u), 0.0, 600.0, limit=400)

    # beyond u = 600 the integrand is 1 / u^2
    assert mass + 1.0 / 600.0 == pytest.approx(1.0, abs=1e-6)


@given(st.floats(1e-300, 1.0), st.floats(1e-300, 1.0))
def test_the_calibrator_falls_in_p(p: float, q: float) -> None:
    assert (float(p_to_e(min(p, q))) - float(p_to_e(max(p, q)))) >= -1e-12 * float(p_to_e(min(p, q)))


def test_the_calibrator_keeps_its_digits_towards_one() -> None:
    assert p_to_e([1.0, 1.0 - 1e-9]) == pytest.approx([0.5, 0.5 + 1e-9 / 6.0], rel=1e-14)


@pytest.mark.parametrize("bad", [*NOT_NUMBERS, -0.1])
def test_an_e_value_that_is_none_is_refused(bad: float) -> None:
    with pytest.raises(ObservationError, match="e = "):
        e_benjamini_hochberg([1.0, bad], 0.05)


@pytest.mark.parametrize("bad", [*NOT_NUMBERS, -0.1, 1.1])
def test_a_p_value_that_is_none_is_refused(bad: float) -> None:
    with pytest.raises(ObservationError, match="p = "):
        lord_plus_plus([0.5, bad], 0.05)
    with pytest.raises(ObservationError, match="p = "):
        p_to_e(bad)


@pytest.mark.parametrize("bad", [*NOT_NUMBERS, 0.0, 1.0])
def test_a_level_outside_the_unit_interval_is_refused(bad: float) -> None:
    with pytest.raises(DesignError, match="alpha"):
        e_benjamini_hochberg([1.0], bad)
    with pytest.raises(DesignError, match="alpha"):
        lord_plus_plus([1.0], bad)


def test_a_p_of_zero_has_no_finite_e_value() -> None:
    with pytest.raises(SprtError, match="p = 0"):
        p_to_e(0.0)


def test_no_hypotheses_give_no_rejections() -> None:
    assert e_benjamini_hochberg([], 0.05).size == 0
    assert lord_plus_plus([], 0.05).rejected.size == 0
