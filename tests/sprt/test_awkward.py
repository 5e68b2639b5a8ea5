"""Awkward designs and arguments end in finite figures or a typed error: never in a warning, a hang, a wrong number."""

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import sprt
from sprt import Bernoulli, Design, Normal, SprtError, StudentT
from sprt.errors import DesignError, TooCostlyError
from tests.sprt.awkward import HYPOTHESES, Case, cases, finding

KNOWN = [
    Case("Multinomial", (0.0, 1e-6), False, "wald", {"max_n": 1, "at_limit": "sign"}, (1e-9, 1e-9)),
    Case("Exponential", (1.0, 1.0 + 1e-9), False, "exact", {"p_value": 0.05}, (0.05, 0.1)),
    Case("Normal", (1.0, 0.0, 1e-9), False, "wald", {"min_n": 50, "p_value": 0.01, "max_n": 10**6}, (0.45, 0.5)),
    Case("PairedBernoulli", (1.05, 1.0), False, "wald", {"min_n": 10**6}, (0.05, 0.1)),
    Case("Bernoulli", (0.999999, 0.9), True, "wald", {}, (0.05, 0.1)),
    Case("Bernoulli", (1e-12, 1e-3), True, "exact", {}, (0.05, 0.1)),
    Case("Bernoulli", (1e-9, 2e-9), False, "exact", {"max_n": 10**6, "at_limit": "midpoint"}, (0.05, 0.1)),
    Case("Normal", (0.0, 1e6, 1.0), True, "ville", {"p_value": 0.01, "min_n": 50}, (0.05, 0.1)),
    Case("Exponential", (1e12, 1.5e12), True, "ville", {"max_n": 10**6, "p_value": 0.01}, (0.45, 0.5)),
]


@pytest.mark.parametrize(
    "case", [*KNOWN[:3], *(pytest.param(case, marks=pytest.mark.faults) for case in KNOWN[3:])], ids=str
)
def test_what_once_hung_or_broke_is_answered_or_refused(case: Case) -> None:
    assert finding(case) is None


@pytest.mark.faults
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("family", HYPOTHESES)
def test_a_sample_of_all_combinations_is_answered_or_refused(family: str) -> None:
    chosen = [case for case in cases() if case.family == family]
    random.Random(1).shuffle(chosen)
    findings = {str(case): found for case in chosen[:12] if (found := finding(case)) is not None}

    assert findings == {}


def test_a_refusal_says_what_was_given_and_what_is_allowed() -> None:
    with pytest.raises(TooCostlyError, match=r"Bernoulli\(p0=0\.5, p1=0\.500001\).*alpha = 0\.05.*are allowed"):
        Design(Bernoulli(0.5, 0.500001), 0.05, 0.1)
    with pytest.raises(DesignError, match=r"max_n: 200\.0 given, a whole number"):
        Design(Bernoulli(0.1, 0.3), 0.05, 0.1, max_n=200.0)  # type: ignore[arg-type]  # what a caller without types may send


COIN = Design(Bernoulli(0.1, 0.3), 0.05, 0.1, thresholds="wald")
BELL = Design(Normal(0.0, 0.5), 0.05, 0.1, thresholds="wald")
T_TEST = Design(StudentT(0.0, 0.5), 0.05, 0.1, thresholds="wald")
QUESTIONS: list[Callable[[Any], Any]] = [
    lambda x: sprt.step(COIN, sprt.init(COIN), x),
    lambda x: sprt.fold(BELL, sprt.init(BELL), [0.1, x]),
    lambda x: sprt.path(T_TEST, [0.1, x, 0.2]),
    lambda x: sprt.characteristics(COIN, x),
    lambda x: sprt.characteristics(BELL, [0.0, x]),
    lambda x: sprt.forecast(COIN, sprt.init(COIN), x),
    lambda x: sprt.simulate(COIN, x, 10, np.random.default_rng(1)),
    lambda x: sprt.stopping_law(COIN, x),
    lambda x: sprt.estimate(COIN, sprt.init(COIN), x),
    lambda x: sprt.confidence_sequence("normal", n=10, xbar=x, s2=1.0, alpha=0.05, t_opt=10),
    lambda x: sprt.confidence_sequence("bernoulli", S=x, n=10, alpha=0.05, t_opt=10),
    lambda x: sprt.confidence_sequence("poisson", S=3, n=x, alpha=0.05, t_opt=10),
    lambda x: sprt.e_benjamini_hochberg([1.0, x], 0.05),
    lambda x: sprt.e_benjamini_hochberg([1.0, 30.0], x),
    lambda x: sprt.lord_plus_plus([0.01, x], 0.05),
    lambda x: sprt.p_to_e([0.01, x]),
    lambda x: sprt.maxsprt_critical_value(T=x, alpha=0.05),
    lambda x: sprt.gsprt_llr([10, x, 12], 0.0, 5.0),
    lambda x: sprt.gsprt_llr([10, 5, 12], 0.0, x),
    lambda x: sprt.student_t_llr(x, 10, 1.0),
    lambda x: sprt.student_t_llr(1.0, x, 1.0),
    lambda x: sprt.normal_mixture([0.1, x]),
    lambda x: sprt.beta_mixture([0.0, x], 0.5, 1.0, 1.0),
    lambda x: sprt.mixture_bound("two_sided_normal", x, 0.05, v_opt=10.0),
    lambda x: sprt.fixed_sample_size(Bernoulli(0.1, 0.3), x, 0.1),
    lambda x: sprt.wald_thresholds(x, 0.1),
    lambda x: Design(Bernoulli(0.1, 0.3), x, 0.1),
    lambda x: Design(Bernoulli(0.1, 0.3), 0.05, x),
    lambda x: Design(Bernoulli(0.1, 0.3), 0.05, 0.1, max_n=x),
    lambda x: Bernoulli(x, 0.3),
    lambda x: Normal(0.0, 1.0, x),
]


@pytest.mark.parametrize("number", range(len(QUESTIONS)))
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1.0, "x"], ids=str)
def test_what_is_no_number_in_range_is_refused_by_a_typed_error(number: int, value: Any) -> None:
    try:
        found = QUESTIONS[number](value)
    except SprtError:
        return
    assert value == -1.0, f"{found} for {value}"  # in range for some
