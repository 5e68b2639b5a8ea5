"""Laws of the law: properties that no table holds, over generated designs."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from sprt import (
    Bernoulli,
    Design,
    DesignError,
    Exponential,
    Family,
    Normal,
    Poisson,
    SprtError,
    TwoArmNormal,
    characteristics,
    estimate,
    fixed_sample_size,
    fold,
    forecast,
    info,
    init,
    siegmund_characteristics,
    simulate,
    stopping_law,
    wald_characteristics,
)
from sprt.law_normal import gaussian_law_at
from sprt.rules import Start, make_rules
from sprt.stopping import summarise

P = st.floats(0.02, 0.98)
RATE = st.floats(0.005, 0.3)
LIMIT = st.one_of(st.none(), st.integers(1, 120))


def coin(p0: float, p1: float) -> Bernoulli:
    assume(abs(p0 - p1) > 0.05)
    return Bernoulli(p0, p1)


@settings(max_examples=25)
@given(P, P, RATE, RATE, LIMIT)
@example(0.375, 0.02, 0.25, 0.25, None)  # a search begun too high
def test_an_exact_coin_keeps_both_errors_and_needs_no_more_than_a_valid_wald_pair(
    p0: float, p1: float, alpha: float, beta: float, limit: int | None
) -> None:
    model = coin(p0, p1)
    exact = Design(model, alpha, beta, max_n=limit)
    wald = Design(model, alpha, beta, max_n=limit, thresholds="wald")
    achieved, other = exact.certificate, wald.certificate

    assert achieved.alpha <= alpha * (1.0 + 1e-9)
    assert achieved.beta <= beta * (1.0 + 1e-9)
    assert achieved.mass_error is not None
    assert achieved.mass_error < 1e-12
    if other.alpha <= alpha and other.beta <= beta:
        assert achieved.mean_n_h0 <= other.mean_n_h0 * (1.0 + 1e-4)
        assert achieved.mean_n_h1 <= other.mean_n_h1 * (1.0 + 1e-4)


@settings(max_examples=30)
@given(P, P, RATE, RATE)
def test_walds_inequalities_and_villes_hold(p0: float, p1: float, alpha: float, beta: float) -> None:
    model = coin(p0, p1)
    wald = Design(model, alpha, beta, thresholds="wald").certificate
    ville = Design(model, alpha, beta, thresholds="ville").certificate

    assert wald.alpha <= alpha / (1.0 - beta) + 1e-9
    assert wald.beta <= beta / (1.0 - alpha) + 1e-9
    assert wald.alpha + wald.beta <= alpha + beta + 1e-9
    assert ville.alpha <= alpha + 1e-9
    assert ville.beta <= beta + 1e-9


@settings(max_examples=30)
@given(P, P, RATE, RATE, LIMIT, st.sampled_from(["undecided", "sign", "midpoint"]))
def test_the_mirror_coin_has_the_mirror_law(
    p0: float, p1: float, alpha: float, beta: float, limit: int | None, at_limit: str
) -> None:
    model = coin(p0, p1)
    rules: dict[str, Any] = {"thresholds": "wald", "max_n": limit}
    if limit is not None:
        rules["at_limit"] = at_limit
    theta = np.array([p0, p1, 0.5, 0.37])
    one = characteristics(Design(model, alpha, beta, **rules), theta)
    other = characteristics(Design(Bernoulli(1.0 - p0, 1.0 - p1), alpha, beta, **rules), 1.0 - theta)

    assert one.p_accept_h1 == pytest.approx(other.p_accept_h1, abs=1e-9)
    assert one.p_undecided == pytest.approx(other.p_undecided, abs=1e-9)
    assert one.mean_n == pytest.approx(other.mean_n, rel=1e-9)


MODELS: list[Family] = [
    Bernoulli(0.2, 0.45),
    Normal(0.0, 0.7),
    Normal(1.0, 0.4),
    Poisson(1.0, 2.0),
    Exponential(1.0, 2.0),
    Exponential(2.0, 1.1),
    TwoArmNormal(0.0, 1.1),
]
each = pytest.mark.parametrize("model", MODELS, ids=lambda model: f"{model.name}-{model.direction}")


@each
@pytest.mark.parametrize("rules", [{}, {"max_n": 25, "at_limit": "sign"}, {"max_n": 25, "min_n": 4}], ids=str)
def test_acceptance_rises_with_the_parameter_and_probabilities_add_up(model: Family, rules: dict[str, Any]) -> None:
    design = Design(model, 0.05, 0.1, thresholds="wald", **rules)
    span = model.h1 - model.h0
    theta = np.linspace(model.h0 - 0.15 * span, model.h1 + 0.15 * span, 15)
    found = characteristics(design, theta)

    assert (np.diff(found.p_accept_h1) > -1e-10).all()
    assert found.p_accept_h1 + found.p_accept_h0 + found.p_undecided == pytest.approx(np.ones(15), abs=1e-9)
    for low, high in ((0.1, 0.5), (0.5, 0.9)):
        assert (found.quantiles[low] <= found.quantiles[high]).all()


@each
def test_one_theta_alone_has_the_figures_it_has_among_others(model: Family) -> None:
    design = Design(model, 0.05, 0.1, thresholds="wald")
    theta = np.array([[model.h0, model.h1], [0.5 * (model.h0 + model.h1), model.h1]])
    together, alone = characteristics(design, theta), characteristics(design, model.h1)

    assert together.mean_n.shape == (2, 2)
    assert alone.mean_n.shape == ()
    assert float(alone.mean_n) == pytest.approx(together.mean_n[0, 1], rel=1e-9)
    assert float(alone.p_accept_h0) == pytest.approx(together.p_accept_h0[1, 1], abs=1e-11)


@each
def test_the_stopping_law_adds_up_to_the_characteristics(model: Family) -> None:
    design = Design(model, 0.05, 0.1, thresholds="wald", max_n=30)
    law, found = stopping_law(design, model.h1), characteristics(design, model.h1)
    total = law.accept_h1 + law.accept_h0 + law.undecided

    assert float(law.accept_h1.sum()) == pytest.approx(float(found.p_accept_h1), abs=1e-11)
    assert float(total @ law.n) == pytest.approx(float(found.mean_n), rel=1e-10)


@given(st.floats(0.05, 0.95), st.lists(st.integers(0, 1), max_size=6), LIMIT)
def test_a_forecast_is_the_average_of_the_forecasts_one_step_on(theta: float, xs: list[int], limit: int | None) -> None:
    design = Design(Bernoulli(0.2, 0.45), 0.05, 0.1, thresholds="wald", max_n=limit)
    state, crossed = fold(design, init(design), np.array(xs, dtype=float))
    assume(crossed is None)
    now = forecast(design, state, theta)
    accepted = mean = 0.0
    for x, chance in ((1.0, theta), (0.0, 1.0 - theta)):
        after, ended = fold(design, state, [x])
        if ended is None:
            ahead = forecast(design, after, theta)
            accepted += chance * float(ahead.p_accept_h1)
            mean += chance * (1.0 + float(ahead.mean_n))
        else:
            accepted += chance * (info(design, after).outcome == "accept_h1")
            mean += chance

    assert float(now.p_accept_h1) == pytest.approx(accepted, abs=1e-11)
    assert float(now.mean_n) == pytest.approx(mean, rel=1e-9)


@each
def test_the_approximations_are_near_the_exact_figures(model: Family) -> None:
    design = Design(model, 0.05, 0.1, thresholds="wald")
    if isinstance(model, TwoArmNormal):
        with pytest.raises(DesignError):
            wald_characteristics(design, model.h0)
        return
    theta = [model.h0, 0.5 * (model.h0 + model.h1), model.h1]
    exact, wald, siegmund = (
        f(design, theta) for f in (characteristics, wald_characteristics, siegmund_characteristics)
    )

    assert wald.p_accept_h1[[0, 2]] == pytest.approx([0.05, 0.9], abs=1e-9)
    assert np.abs(siegmund.p_accept_h1 - exact.p_accept_h1).max() < 0.03
    assert (np.abs(siegmund.mean_n - exact.mean_n) <= np.abs(wald.mean_n - exact.mean_n)).all()


@each
def test_after_a_stop_the_interval_covers_the_estimate_and_p_agrees_with_it(model: Family) -> None:
    design = Design(model, 0.05, 0.1, thresholds="wald", max_n=40)
    rng = np.random.default_rng(3)
    for _ in range(4):
        xs = model.sample(model.h1, (1, 60), rng)[0]
        state, crossed = fold(design, init(design), xs, np.arange(60) % 2 if model.has_arms else None)
        assert crossed is not None
        found = estimate(design, state, info(design, state).rule)
        assert found.interval is not None
        assert found.stagewise_p is not None
        assert found.median_unbiased is not None
        low, high = found.interval
        assert low <= found.median_unbiased <= high
        beyond = low > model.h0 if model.h1 > model.h0 else high < model.h0
        assert beyond == (found.stagewise_p < 0.025)


@pytest.mark.crossing
@pytest.mark.parametrize("model", [Bernoulli(0.3, 0.6), Normal(0.0, 1.0), Poisson(1.0, 2.5)], ids=lambda m: m.name)
def test_the_interval_covers_and_the_estimate_is_median_unbiased(model: Family) -> None:
    design = Design(model, 0.1, 0.1, thresholds="wald", max_n=12)
    theta, rng, paths = 0.4 * model.h0 + 0.6 * model.h1, np.random.default_rng(11), 400
    known: dict[tuple[int, float], tuple[bool, float]] = {}
    covered, below = 0, 0.0
    for _ in range(paths):
        state, _ = fold(design, init(design), model.sample(theta, (1, 12), rng)[0])
        key = (state.n, state.llr)
        if key not in known:
            found = estimate(design, state)
            assert found.interval is not None
            low, high = found.interval
            middle = found.median_unbiased
            if middle is None:  # at the end of the space, where the interval ends too
                middle = low if math.isinf(low) else high
            known[key] = (low <= theta <= high, float(middle < theta))
        covered += known[key][0]
        below += known[key][1]

    assert covered / paths > 0.95 - 4.0 * math.sqrt(0.95 * 0.05 / paths)
    assert abs(below / paths - 0.5) < (0.2 if model.is_lattice else 4.0 * 0.5 / math.sqrt(paths))


@given(P, P, RATE, RATE)
def test_the_fixed_sample_is_the_first_that_keeps_both(p0: float, p1: float, alpha: float, beta: float) -> None:
    from scipy.stats import binom

    model = coin(p0, p1)
    n = fixed_sample_size(model, alpha, beta)
    assume(n < 400)
    high, low = max(p0, p1), min(p0, p1)
    rates = (alpha, beta) if p1 > p0 else (beta, alpha)

    def keeps(size: int) -> bool:
        cut = np.arange(-1, size + 1)
        first, second = (rate * (1.0 + 1e-12) for rate in rates)
        return bool(((binom.sf(cut, size, low) <= first) & (binom.cdf(cut, size, high) <= second)).any())

    assert keeps(n)
    assert not any(keeps(size) for size in range(1, n))


@settings(max_examples=60)
@given(
    st.floats(1e-12, 1.0 - 1e-12),
    st.floats(1e-12, 1.0 - 1e-12),
    st.floats(1e-9, 0.6),
    st.floats(1e-9, 0.6),
    st.sampled_from([1, 2, 50]),
    st.sampled_from(["wald", "exact", "ville", "siegmund"]),
)
def test_extreme_designs_end_in_finite_figures_or_a_refusal(
    p0: float, p1: float, alpha: float, beta: float, limit: int, mode: str
) -> None:
    try:
        certificate = Design(Bernoulli(p0, p1), alpha, beta, max_n=limit, thresholds=mode).certificate
    except SprtError:
        return
    figures = (certificate.alpha, certificate.beta, certificate.mean_n_h0, certificate.mean_n_h1, certificate.power)
    assert all(math.isfinite(figure) for figure in figures)
    assert certificate.mass_error is not None
    assert certificate.mass_error < 1e-9


def test_simulation_is_a_function_of_its_seed() -> None:
    design = Design(Normal(0.0, 0.5), 0.05, 0.1, thresholds="wald")
    one, again = (simulate(design, 0.2, 500, np.random.default_rng(5)) for _ in range(2))

    assert (one.n == again.n).all()
    assert (one.llr == again.llr).all()


@pytest.mark.parametrize("delta", [0.2, -0.5, 1.5])
def test_a_strong_drift_has_the_figures_of_the_recursion_look_by_look(delta: float) -> None:
    design = Design(Normal(1.0, 1.0 + delta), 0.05, 0.1, thresholds="wald")
    theta = 1.0 + delta * np.array([-5.0, -2.0, 3.5, 6.0, 12.0])
    found = characteristics(design, theta)

    for k, value in enumerate(theta):
        drift = np.array([value - 1.0])
        rules = make_rules(design, design.lower, design.upper)
        looked = summarise(gaussian_law_at(delta, rules, drift, Start(), two_sided=False))
        assert looked.p_accept_h1[0] == pytest.approx(found.p_accept_h1[k], abs=1e-11)
        assert looked.mean_n[0] == pytest.approx(found.mean_n[k], rel=1e-11)
        assert looked.sd_n[0] == pytest.approx(found.sd_n[k], rel=1e-6)
        assert {level: n[0] for level, n in looked.quantiles.items()} == {
            level: n[k] for level, n in found.quantiles.items()
        }
