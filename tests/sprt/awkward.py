"""Awkward designs and arguments, each in a child of its own, which has so much processor time for each question.

A child answers with finite, consistent figures or a typed error; a warning, any other error, a killed child or figures
that break Ville's inequality are findings.
"""

import json
import math
import os
import resource
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import sprt
from sprt import Design, Family, PairedBernoulli, SprtError

SECONDS = 15  # of the processor, for one question; a loaded machine lengthens these too
MEMORY = 4 << 30
MILLION = 10**6

HYPOTHESES: dict[str, list[tuple[Any, ...]]] = {
    "Bernoulli": [
        (0.1, 0.3),
        (0.999999, 0.9),
        (1e-12, 1e-3),
        (1e-9, 2e-9),
        (1.0 - 1e-9, 1.0 - 2e-9),
        (0.5, 0.500001),
        (0.5, 1.0 - 1e-16),
    ],
    "Normal": [(0.0, 0.5, 1.0), (0.0, 1e-9, 1.0), (0.0, 1e6, 1.0), (0.0, 1.0, 1e-9), (0.0, 0.01, 1.0)],
    "Poisson": [(1.0, 2.0), (1e-9, 2e-9), (1e6, 1.001e6), (1.0, 1.0 + 1e-9), (1e-12, 1e3)],
    "Exponential": [(1.0, 2.0), (1e-12, 2e-12), (1e12, 1.5e12), (1.0, 1.0 + 1e-9), (1e-6, 1e6), (100.0, 1.0)],
    "NegativeBinomial": [(2.0, 4.0, 1.5), (1e-9, 2e-9, 1.0), (1e6, 2e6, 0.5), (1.0, 2.0, 1e6), (1.0, 1.0 + 1e-9, 1.0)],
    "PairedBernoulli": [(1.0, 2.5), (1.0, 1.0 + 1e-9), (1e-9, 1e9)],
    "TwoArmNormal": [(0.0, 1.0, 1.0), (0.0, 1e-9, 1.0), (0.0, 1e6, 1.0), (0.0, 0.1, 1.0)],
    "StudentT": [(0.0, 0.5, 1), (0.2, 0.6, 1), (0.0, 1e-8, 1), (99.0, 100.0, 1), (0.1, 0.6, 2)],
    "Multinomial": [(0.0, 40.0), (0.0, 1e-6), (0.0, 800.0, "logistic"), (0.0, 10.0, "normalized", 5)],
}
RULES: list[dict[str, Any]] = [
    {},
    *({"max_n": n} for n in (1, 2, MILLION)),
    *({"max_n": n, "at_limit": "sign"} for n in (1, 2, MILLION)),
    *({"max_n": n, "at_limit": "midpoint"} for n in (1, 2, MILLION)),
    {"max_n": MILLION, "p_value": 0.01},
    {"max_n": MILLION, "p_value": 0.01, "beta": None},
    {"max_n": MILLION, "min_n": MILLION},
    {"looks": (10, 1000, MILLION)},
    {"p_value": 0.01, "min_n": 50},
]
MODES: list[Any] = ["exact", "wald", "ville", "siegmund", (-2.0, 3.0)]
RATES = [(0.05, 0.1), (1e-9, 1e-9), (0.45, 0.5)]


@dataclass(frozen=True)
class Case:
    """One design as asked for."""

    family: str
    hypotheses: tuple[Any, ...]
    two_sided: bool
    mode: Any
    rules: dict[str, Any]
    rates: tuple[float, float]

    def __str__(self) -> str:
        """Return what a finding names."""
        return f"{self.family}{self.hypotheses} two_sided={self.two_sided} {self.mode} {self.rules} {self.rates}"


def cases() -> Iterator[Case]:
    """Yield every combination, in both directions."""
    for family, pairs in HYPOTHESES.items():
        for pair in pairs:
            for hypotheses in (pair, (pair[1], pair[0], *pair[2:])):
                for two_sided in (False, True):
                    for mode in MODES:
                        for rules in RULES:
                            for rates in RATES:
                                yield Case(family, hypotheses, two_sided, mode, rules, rates)


def asked(question: Callable[[], Any]) -> Any:
    """Return the answer, None if it is refused by a typed error; the process ends if there is neither in time."""
    used = math.ceil(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
    resource.setrlimit(resource.RLIMIT_CPU, (used + SECONDS, resource.RLIM_INFINITY))
    try:
        return question()
    except SprtError:
        return None


def answer(case: Case) -> None:
    """Ask everything about one design; raise whatever is not as it should be."""
    rules, (alpha, beta) = dict(case.rules), case.rates
    rules |= {"alternative": "two_sided"} if case.two_sided else {}
    asked_beta = rules.pop("beta", beta)
    model = asked(lambda: getattr(sprt, case.family)(*case.hypotheses))
    design = model and asked(lambda: Design(model, alpha, asked_beta, thresholds=case.mode, **rules))
    if design is None:
        return
    certificate = asked(lambda: design.certificate)
    if certificate is not None:
        check_certificate(case, design)
    found = asked(lambda: sprt.characteristics(design, [model.h0, 0.5 * (model.h0 + model.h1), model.h1]))
    if found is not None:
        check_law(design, found)
    ask_on_the_way(design, model)
    simulated = asked(lambda: sprt.simulate(design, model.h0, 10, np.random.default_rng(3)))
    assert simulated is None or np.isfinite(simulated.llr).all()
    asked(lambda: sprt.fixed_sample_size(model, alpha, beta, alternative=design.alternative))


def check_certificate(case: Case, design: Design) -> None:
    """Assert that the certificate keeps what no design can break, and the nominal rates where they are solved for."""
    found = design.certificate
    assert all(map(math.isfinite, (found.alpha, found.beta, found.mean_n_h0, found.mean_n_h1, found.power)))
    assert 1.0 - 1e-9 <= found.mean_n_h0 <= (design.max_n or math.inf) * (1.0 + 1e-9)
    if found.mass_error is None:
        return
    lattice = design.model.is_lattice
    assert found.mass_error < (1e-12 if lattice and (design.max_n or math.inf) < MILLION else 1e-8)
    if design.at_limit == "undecided":
        assert found.alpha <= math.exp(-design.effective_upper) * (1.0 + 1e-6) + 2e-9, "Ville's inequality"
    if case.mode == "exact" and design.at_limit != "sign":
        assert found.alpha <= design.alpha * (1.0 + 1e-6) + 1e-12
        if design.beta is not None and math.isfinite(design.lower):
            assert found.beta <= design.beta * (1.0 + 1e-6) + 1e-12


def check_law(design: Design, found: sprt.Characteristics) -> None:
    """Assert that probabilities are probabilities and moments are finite."""
    chances = np.array([found.p_accept_h1, found.p_accept_h0, found.p_undecided])
    assert (chances > -1e-9).all()
    assert (np.abs(chances.sum(axis=0) - 1.0) < 1e-8).all()
    assert np.isfinite([found.mean_n, found.sd_n, *found.quantiles.values()]).all()
    assert design.max_n is None or (found.mean_n <= design.max_n * (1.0 + 1e-9)).all()


def ask_on_the_way(design: Design, model: Family) -> None:
    """Fold a few observations, then ask for a forecast or an estimate, and for a stop by hand."""
    rng = np.random.default_rng(1)
    pairs = isinstance(model, PairedBernoulli)
    xs = (rng.random(12) < 0.5) * 1.0 if pairs else asked(lambda: model.sample(model.h1, (1, 12), rng)[0])
    arms = np.arange(12) % 2 if model.has_arms else None
    folded = None if xs is None else asked(lambda: sprt.fold(design, sprt.init(design), xs, arms))
    if folded is None:
        return
    state, crossed = folded
    assert math.isfinite(state.llr)
    asked(lambda: sprt.estimate(design, state, "manual"))
    if crossed is None:
        ahead = asked(lambda: sprt.forecast(design, state, [model.h0, model.h1]))
        assert ahead is None or np.isfinite([ahead.p_accept_h1, ahead.mean_n, ahead.sd_n]).all()
        return
    found = asked(lambda: sprt.estimate(design, state))
    values = () if found is None else (found.always_valid_p, found.stagewise_p, found.naive, found.median_unbiased)
    assert all(value is None or math.isfinite(value) for value in values), found


def finding(case: Case) -> str | None:
    """Return what is wrong with the answers about a case, None if nothing is."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        message = ""
        try:
            os.close(reading)
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            warnings.simplefilter("error")
            answer(case)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the parent names it
            message = f"{type(error).__name__}: {error}"[:500]
        os.write(writing, json.dumps(message).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    if not said:
        return f"no answer within {SECONDS} s of the processor"
    return json.loads(said) or None
