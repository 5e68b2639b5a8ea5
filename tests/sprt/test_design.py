"""A design settles its rules, refuses what cannot be, and decides the same from stored thresholds."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sprt import (
    Bernoulli,
    Design,
    DesignError,
    Exponential,
    Family,
    Multinomial,
    NegativeBinomial,
    Normal,
    PairedBernoulli,
    Poisson,
    SprtError,
    StudentT,
    TwoArmNormal,
    fold,
    info,
    init,
)

COIN = Bernoulli(0.1, 0.3)


def test_errors_are_value_errors_of_one_tree() -> None:
    assert issubclass(DesignError, SprtError)
    assert issubclass(SprtError, ValueError)


@pytest.mark.parametrize(
    ("arguments", "rules", "field"),
    [
        ((COIN, 0.0, 0.1), {}, "alpha"),
        ((COIN, math.nan, 0.1), {}, "alpha"),
        ((COIN, 0.05, 1.0), {}, "beta"),
        ((COIN, 0.6, 0.4), {}, "alpha \\+ beta"),
        ((COIN, 0.05, 0.1), {"alternative": "less"}, "alternative"),
        ((Bernoulli(0.3, 0.1), 0.05, 0.1), {"alternative": "greater"}, "alternative"),
        ((COIN, 0.05, 0.1), {"alternative": "both"}, "alternative"),
        ((Multinomial(0.0, 5.0), 0.05, 0.1), {"alternative": "two_sided", "thresholds": "wald"}, "alternative"),
        ((COIN, 0.05, 0.1), {"p_value": 0.06}, "p_value"),
        ((COIN, 0.05, 0.1), {"p_value": 0.0}, "p_value"),
        ((Multinomial(0.0, 5.0), 0.05, 0.1), {"p_value": 0.01, "thresholds": "wald"}, "p_value"),
        ((COIN, 0.05, 0.1), {"boundaries": "upper"}, "boundaries"),
        ((COIN, 0.05, None), {"boundaries": "lower"}, "boundaries"),
        ((COIN, 0.05, None), {}, "max_n"),
        ((COIN, 0.05, 0.1), {"boundaries": "none"}, "max_n"),
        ((COIN, 0.05, 0.1), {"boundaries": "lower"}, "max_n"),
        ((COIN, 0.05, 0.1), {"max_n": 0}, "max_n"),
        ((COIN, 0.05, 0.1), {"max_n": 10.0}, "max_n"),
        ((COIN, 0.05, 0.1), {"max_n": True}, "max_n"),
        ((COIN, 0.05, 0.1), {"min_n": 11, "max_n": 10}, "min_n"),
        ((COIN, 0.05, 0.1), {"looks": []}, "looks"),
        ((COIN, 0.05, 0.1), {"looks": [5, 5]}, "looks"),
        ((COIN, 0.05, 0.1), {"looks": [5, 20], "max_n": 10}, "looks"),
        ((COIN, 0.05, 0.1), {"at_limit": "guess"}, "at_limit"),
        ((COIN, 0.05, 0.1), {"at_limit": "sign"}, "at_limit"),
        ((COIN, 0.05, 0.1), {"thresholds": "best"}, "thresholds"),
        ((COIN, 0.05, 0.1), {"thresholds": (1.0, 2.0)}, "lower"),
        ((COIN, 0.05, 0.1), {"thresholds": (-1.0, math.nan)}, "upper"),
        ((COIN, 0.05, 0.1), {"thresholds": (-1.0,)}, "thresholds"),
        ((StudentT(0.0, 0.5), 0.05, 0.1), {}, "exact"),
        ((Multinomial(0.0, 5.0), 0.05, 0.1), {}, "exact"),
        ((COIN, 0.05, 0.1), {"max_n": 20, "at_limit": "sign"}, "33 observations do|observations do"),
        ((Bernoulli(0.5, 0.5 + 1e-12), 0.05, 0.1), {"max_n": 1, "at_limit": "sign"}, "no sample size"),
        (("coin", 0.05, 0.1), {}, "model"),
    ],
)
def test_what_cannot_be_is_refused_by_name(arguments: tuple[Any, ...], rules: dict[str, Any], field: str) -> None:
    with pytest.raises(DesignError, match=field):
        Design(*arguments, **rules)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Bernoulli(0.5, 0.5),
        lambda: Bernoulli(0.0, 0.5),
        lambda: Bernoulli(0.5, math.nan),
        lambda: Bernoulli(0.5, math.inf),
        lambda: Normal(0.0, 0.0),
        lambda: Normal(0.0, 1.0, 0.0),
        lambda: Normal(0.0, math.inf),
        lambda: Poisson(0.0, 1.0),
        lambda: Poisson(1.0, -1.0),
        lambda: Exponential(1.0, 0.0),
        lambda: NegativeBinomial(1.0, 2.0, 0.0),
        lambda: PairedBernoulli(0.0, 2.0),
        lambda: TwoArmNormal(0.0, 1.0, -1.0),
        lambda: StudentT(0.0, 0.5, 3),
        lambda: StudentT(0.0, 0.0),
        lambda: Multinomial(0.0, 5.0, "elo"),
        lambda: Multinomial(0.0, 5.0, "normalized", 4),
        lambda: Multinomial(0.0, 5.0, "bayeselo", 5),
        lambda: Bernoulli("a", 0.5),  # type: ignore[arg-type]  # what a file may hold
    ],
)
def test_a_model_outside_its_space_is_refused(make: Any) -> None:
    with pytest.raises(SprtError):
        make()


def test_the_p_rule_replaces_the_upper_boundary_unless_both_are_asked_for() -> None:
    with_beta = Design(COIN, 0.05, 0.1, p_value=0.01, thresholds="wald")
    without = Design(COIN, 0.05, None, p_value=0.01, thresholds="wald", max_n=50)
    both = Design(COIN, 0.05, 0.1, p_value=0.01, boundaries="both", thresholds="wald")

    assert (with_beta.boundaries, without.boundaries) == ("lower", "none")
    assert with_beta.upper == math.inf
    assert without.lower == -math.inf
    assert with_beta.effective_upper == without.effective_upper == pytest.approx(math.log(100.0))
    assert both.effective_upper == both.upper < math.log(100.0)


def test_the_last_look_is_the_limit() -> None:
    assert Design(COIN, 0.05, 0.1, looks=[10, 30], thresholds="wald").max_n == 30


CASES: list[tuple[Family, dict[str, Any]]] = [
    (COIN, {}),
    (COIN, {"p_value": 0.02}),
    (COIN, {"max_n": 40, "at_limit": "undecided", "min_n": 5}),
    (Normal(0.0, 0.5), {"max_n": 40, "at_limit": "midpoint"}),
    (Poisson(2.0, 1.0), {"looks": [2, 4, 8, 16]}),
    (Exponential(1.0, 2.0), {}),
]


@pytest.mark.parametrize(("model", "rules"), CASES)
def test_stored_thresholds_decide_exactly_as_the_solved_design(model: Family, rules: dict[str, Any]) -> None:
    solved = Design(model, 0.05, 0.1, **rules)
    stored = Design(model, 0.05, 0.1, thresholds=(solved.lower, solved.upper), **rules)
    lower, upper = (None if math.isinf(line) else line for line in (solved.lower, solved.upper))
    none_for_absent = replace(stored, thresholds=(lower, upper))

    assert (
        (solved.lower, solved.upper) == (stored.lower, stored.upper) == (none_for_absent.lower, none_for_absent.upper)
    )
    assert solved.certificate == stored.certificate
    for seed in range(30):
        xs = model.sample(model.h1 if seed % 2 else model.h0, (1, 300), np.random.default_rng(seed))[0]
        assert fold(solved, init(solved), xs) == fold(stored, init(stored), xs)


def test_on_one_observation_a_boundary_comes_before_the_p_rule_and_that_before_the_limit() -> None:
    step = math.log(3.0)
    both = Design(COIN, 0.4, 0.1, p_value=math.exp(-2 * step), boundaries="both", thresholds=(-9.0, 2 * step), max_n=2)
    p_only = Design(COIN, 0.4, 0.1, p_value=math.exp(-2 * step), boundaries="lower", thresholds=(-9.0, None), max_n=2)
    limit = Design(COIN, 0.4, 0.1, thresholds=(-9.0, 9.0), max_n=2, at_limit="sign")

    rules = [info(design, fold(design, init(design), [1.0, 1.0])[0]) for design in (both, p_only, limit)]
    assert [found.rule for found in rules] == ["boundary_upper", "p_threshold", "max_samples"]
    assert [found.outcome for found in rules] == ["accept_h1", "accept_h1", "accept_h1"]


def test_the_p_rule_remembers_a_ratio_that_was_large_before_the_first_test() -> None:
    design = Design(COIN, 0.05, 0.1, p_value=0.05, thresholds="wald", min_n=6)
    state, index = fold(design, init(design), [1.0, 1.0, 1.0, 0.0, 0.0, 0.0])

    assert state.llr < design.p_line < state.max_llr
    assert index == 5
    assert info(design, state).rule == "p_threshold"


def test_a_tie_counts_as_crossed() -> None:
    design = Design(Bernoulli(0.2, 0.8), 0.05, 0.2, thresholds="wald")  # upper = log 16, two steps of log 4
    _, index = fold(design, init(design), [1.0, 1.0, 1.0])

    assert index == 1


def test_two_sided_names_the_side() -> None:
    design = Design(Normal(0.0, 1.0), 0.05, 0.1, thresholds="wald", alternative="two_sided")
    low, _ = fold(design, init(design), np.full(20, -1.5))
    high, _ = fold(design, init(design), np.full(20, 1.5))

    assert (info(design, low).direction, info(design, high).direction) == ("less", "greater")
    assert info(design, low).outcome == info(design, high).outcome == "accept_h1"
