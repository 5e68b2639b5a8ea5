"""Simulated error rates agree with the certificate: exact binomial tests, seeded.

Each comparison fails by chance with probability at most 1e-6; seeds are fixed, so a failure is a finding.
"""

from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest, fisher_exact

from sprt import (
    Bernoulli,
    Design,
    Exponential,
    Family,
    Multinomial,
    NegativeBinomial,
    Normal,
    PairedBernoulli,
    Poisson,
    StudentT,
    TwoArmNormal,
    characteristics,
    fold,
    forecast,
    info,
    init,
    simulate,
)
from sprt.certificate import PATHS

RISK = 1e-6
MODES = ["exact", "wald", "ville", "siegmund"]

ONE_OF_EACH: list[tuple[Family, dict[str, Any]]] = [
    (Bernoulli(0.1, 0.3), {}),
    (Bernoulli(0.6, 0.4), {"max_n": 60, "at_limit": "midpoint"}),
    (Normal(0.0, 0.6), {}),
    (Poisson(2.0, 1.2), {"max_n": 25}),
    (Exponential(1.0, 1.8), {}),
    (NegativeBinomial(2.0, 4.0, 1.5), {}),
    (PairedBernoulli(1.0, 2.5), {}),
    (TwoArmNormal(0.0, 1.0), {}),
]
RULES: list[tuple[Family, dict[str, Any]]] = [
    (Bernoulli(0.1, 0.3), {"p_value": 0.01, "max_n": 200}),
    (Bernoulli(0.1, 0.3), {"p_value": 0.03, "min_n": 12, "max_n": 80}),
    (Bernoulli(0.4, 0.6), {"looks": [5, 10, 20, 40, 60], "p_value": 0.02, "boundaries": "both"}),
    (Bernoulli(0.4, 0.6), {"alternative": "two_sided"}),
    (Poisson(2.0, 3.5), {"alternative": "two_sided", "max_n": 30}),
    (Poisson(2.0, 3.5), {"p_value": 0.02, "min_n": 5}),
    (NegativeBinomial(2.0, 4.0, 1.5), {"looks": [3, 6, 12, 24], "at_limit": "sign"}),
    (Normal(0.0, 0.6), {"alternative": "two_sided"}),
    (Normal(0.0, 0.6), {"p_value": 0.03, "min_n": 9, "max_n": 40}),
    (Normal(0.0, -0.6), {"looks": [4, 8, 16, 32], "at_limit": "midpoint"}),
    (Normal(0.0, 0.6), {"max_n": 30, "at_limit": "sign"}),
    (Exponential(2.0, 1.0), {"max_n": 25, "at_limit": "midpoint"}),
    (Exponential(1.0, 2.0), {"min_n": 6}),
    (Exponential(1.0, 2.0), {"alternative": "two_sided"}),
    (Exponential(2.0, 1.0), {"looks": [3, 6, 12, 20], "p_value": 0.03, "at_limit": "sign"}),
    (TwoArmNormal(0.0, 1.0), {"max_n": 40, "at_limit": "sign", "min_n": 4}),
    (PairedBernoulli(1.0, 0.4), {"alternative": "two_sided"}),
]


def named(cases: list[tuple[Family, dict[str, Any]]]) -> list[Any]:
    return [pytest.param(*case, id=f"{case[0].name}-{'-'.join(map(str, case[1]))}") for case in cases]


def assert_certified(design: Design, paths: int, seed: int) -> None:
    certificate = design.certificate
    under_h0 = simulate(design, design.model.h0, paths, np.random.default_rng(seed))
    under_h1 = simulate(design, design.model.h1, paths, np.random.default_rng(seed + 1))

    assert binomtest(int((under_h0.outcome == 1).sum()), paths, certificate.alpha).pvalue > RISK
    assert binomtest(int((under_h1.outcome == -1).sum()), paths, certificate.beta).pvalue > RISK
    undecided = min(max(certificate.p_undecided_h0, 0.0), 1.0)
    assert binomtest(int((under_h0.outcome == 0).sum()), paths, undecided).pvalue > RISK
    for run, mean in ((under_h0, certificate.mean_n_h0), (under_h1, certificate.mean_n_h1)):
        assert abs(run.n.mean() - mean) < 5.0 * run.n.std() / np.sqrt(paths) + 1e-9


@pytest.mark.crossing
@pytest.mark.parametrize(("model", "rules"), named(ONE_OF_EACH + RULES))
def test_simulated_errors_agree_with_the_certificate(model: Family, rules: dict[str, Any]) -> None:
    assert_certified(Design(model, 0.05, 0.1, thresholds="wald", **rules), 20_000, seed=1)


@pytest.mark.crossing
@pytest.mark.faults
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("model", "rules"), named(ONE_OF_EACH + RULES))
def test_two_hundred_thousand_walks_agree_with_the_certificate(model: Family, rules: dict[str, Any], mode: str) -> None:
    design = Design(model, 0.05, 0.1, thresholds=mode, **rules)
    if mode == "exact" and rules.get("at_limit", "undecided") != "sign":
        assert design.certificate.alpha <= 0.05 * (1.0 + 1e-9)
        assert design.certificate.beta <= 0.1 * (1.0 + 1e-9)

    assert_certified(design, 200_000, seed=20)


@pytest.mark.crossing
@pytest.mark.parametrize(
    "model", [StudentT(0.0, 0.6), StudentT(0.0, 0.9, 2), Multinomial(0.0, 120.0)], ids=["one", "two", "multinomial"]
)
@pytest.mark.parametrize(
    "mode", ["wald", *(pytest.param(mode, marks=pytest.mark.faults) for mode in ("ville", "siegmund"))]
)
def test_simulated_certificates_are_reproduced_by_other_seeds(model: Family, mode: str) -> None:
    design = Design(model, 0.05, 0.1, thresholds=mode)
    certificate, paths = design.certificate, 2_000
    assert certificate.standard_error is not None
    again = simulate(design, model.h0, paths, np.random.default_rng(77))
    rejected, before = int((again.outcome == 1).sum()), round(certificate.alpha * PATHS)

    assert fisher_exact(np.array([[rejected, paths - rejected], [before, PATHS - before]])).pvalue > RISK


@pytest.mark.parametrize(
    ("model", "rules"),
    named(
        [
            (StudentT(0.0, 0.5), {"p_value": 0.02, "min_n": 8, "max_n": 60}),
            (StudentT(0.2, -0.3, 2), {"max_n": 90, "at_limit": "sign"}),
            (StudentT(0.0, 0.5), {"alternative": "two_sided", "looks": [5, 10, 20, 40], "at_limit": "midpoint"}),
            (StudentT(0.3, -0.2), {"alternative": "two_sided", "max_n": 80, "at_limit": "sign"}),
            (Multinomial(0.0, 80.0, "normalized", 5), {"max_n": 200, "at_limit": "sign"}),
            (Multinomial(10.0, -70.0, "logistic", 5), {}),
            (Multinomial(-30.0, 60.0, "bayeselo"), {}),
        ]
    ),
)
def test_simulation_spares_ratios_and_ends_every_walk_where_all_of_them_would(
    model: Family, rules: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    design = Design(model, 0.05, 0.1, thresholds="wald", **rules)
    spared = simulate(design, model.h1, 300, np.random.default_rng(3))
    monkeypatch.setattr(
        "sprt.bundles.StudentBundle.beyond", lambda self, _: self.model.llr(self.two_sided, *self.statistics)
    )
    monkeypatch.setattr("sprt.bundles.SCREENED_FROM", 10**9)
    computed = simulate(design, model.h1, 300, np.random.default_rng(3))

    assert computed.n.tolist() == spared.n.tolist()
    assert computed.outcome.tolist() == spared.outcome.tolist()
    assert computed.llr == pytest.approx(spared.llr, abs=1e-11)


@pytest.mark.crossing
@pytest.mark.faults
@pytest.mark.parametrize(
    "model", [StudentT(0.0, 0.06), StudentT(0.0, 0.1, 2), Multinomial(0.0, 15.0, "logistic")], ids=["one", "two", "elo"]
)
def test_walks_looked_at_less_often_end_as_those_looked_at_always(model: Family) -> None:
    design = Design(model, 0.05, 0.1, thresholds="wald")
    leaping = design.certificate
    rejected = round(leaping.alpha * PATHS)
    every = simulate(design, model.h0, 2_000, np.random.default_rng(9))

    assert "looked at every" in leaping.method
    table = [[int((every.outcome == 1).sum()), int((every.outcome != 1).sum())], [rejected, PATHS - rejected]]
    assert fisher_exact(np.array(table)).pvalue > RISK
    assert abs(every.n.mean() - leaping.mean_n_h0) < 5.0 * every.n.std() * np.sqrt(1 / 2_000 + 1 / PATHS)


@pytest.mark.crossing
def test_villes_pair_keeps_both_errors_for_student() -> None:
    design = Design(StudentT(0.0, 0.6), 0.05, 0.1, thresholds="ville")
    runs = simulate(design, 0.0, 2_000, np.random.default_rng(5))

    assert binomtest(int((runs.outcome == 1).sum()), 2_000, 0.05, alternative="greater").pvalue > RISK


@pytest.mark.crossing
@pytest.mark.parametrize(("model", "rules"), named(ONE_OF_EACH))
def test_simulated_walks_end_where_fold_ends_them(model: Family, rules: dict[str, Any]) -> None:
    design = Design(model, 0.05, 0.1, thresholds="wald", **rules)
    runs = simulate(design, model.h1, 400, np.random.default_rng(3))
    rng = np.random.default_rng(4)
    folded = []
    for _ in range(400):
        xs = model.sample(model.h1, (1, 4_000), rng)[0]
        arms = np.arange(4_000) % 2 if model.has_arms else None
        if isinstance(model, PairedBernoulli):
            xs, arms = np.where(xs[:, None] == 1.0, (0.0, 1.0), (1.0, 0.0)), None
        state, _ = fold(design, init(design), xs, arms)
        folded.append((state.n, info(design, state).outcome == "accept_h1"))
    n, accepted = (np.array(column) for column in zip(*folded, strict=True))

    pair = [
        [int(accepted.sum()), int((~accepted).sum())],
        [int((runs.outcome == 1).sum()), int((runs.outcome != 1).sum())],
    ]
    assert fisher_exact(np.array(pair)).pvalue > RISK
    assert abs(n.mean() - runs.n.mean()) < 5.0 * np.hypot(n.std(), runs.n.std()) / 20.0


@pytest.mark.crossing
@pytest.mark.parametrize(("model", "rules"), named(ONE_OF_EACH))
def test_a_forecast_agrees_with_walks_that_go_on_from_there(model: Family, rules: dict[str, Any]) -> None:
    design = Design(model, 0.05, 0.1, thresholds="wald", **rules)
    theta, rng, started = 0.5 * (model.h0 + model.h1), np.random.default_rng(12), 0
    while True:  # a walk that has gone on for nine observations
        xs = model.sample(theta, (1, 9), rng)[0]
        arms = np.arange(9) % 2 if model.has_arms else None
        if isinstance(model, PairedBernoulli):
            xs, arms = np.where(xs[:, None] == 1.0, (0.0, 1.0), (1.0, 0.0)), None
        state, crossed = fold(design, init(design), xs, arms)
        if crossed is None:
            break
        started += 1
        assert started < 100
    found = forecast(design, state, theta)
    ahead = simulate_on(design, theta, 20_000, state)

    assert binomtest(int((ahead.outcome == 1).sum()), 20_000, float(found.p_accept_h1)).pvalue > RISK
    assert abs((ahead.n - state.n).mean() - float(found.mean_n)) < 5.0 * ahead.n.std() / np.sqrt(20_000) + 1e-9


def simulate_on(design: Design, theta: float, paths: int, state: Any) -> Any:
    from sprt.simulate import simulate_from

    return simulate_from(design, theta, paths, np.random.default_rng(8), state)


@pytest.mark.crossing
def test_stopping_when_p_is_small_keeps_the_type_one_error_by_recursion_and_by_simulation() -> None:
    design = Design(Bernoulli(0.1, 0.3), 0.01, None, p_value=0.01, max_n=200)
    by_recursion = float(characteristics(design, 0.1).p_accept_h1)
    runs = simulate(design, 0.1, 200_000, np.random.default_rng(6))

    assert by_recursion == pytest.approx(0.0067017058, abs=1e-10)
    assert by_recursion < 0.01
    assert binomtest(int((runs.outcome == 1).sum()), 200_000, by_recursion).pvalue > RISK
