"""Simulated sources: every family, any place to begin, the same for the same seed and run."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sprt
from experiments.definition import parse
from producers.errors import SourceError
from producers.source import Drawn, Source
from producers.sources import open_source

#: One model per family, with a theta to draw at.
_MODELS: dict[str, tuple[dict[str, Any], float]] = {
    "bernoulli": ({"h0": {"p": 0.5}, "h1": {"p": 0.6}}, 0.6),
    "normal": ({"h0": {"mean": 0.0}, "h1": {"mean": 1.0}, "sd": 2.0}, 1.0),
    "poisson": ({"h0": {"rate": 1.0}, "h1": {"rate": 2.0}}, 2.0),
    "exponential": ({"h0": {"rate": 1.0}, "h1": {"rate": 2.0}}, 2.0),
    "negative_binomial": ({"h0": {"mean": 1.0}, "h1": {"mean": 2.0}, "dispersion": 3.0}, 2.0),
    "paired_bernoulli": ({"h0": {"odds_ratio": 1.0}, "h1": {"odds_ratio": 3.0}}, 3.0),
    "two_arm_normal": ({"h0": {"difference": 0.0}, "h1": {"difference": 1.0}, "sd": 2.0}, 1.0),
    "student_t": ({"h0": {"effect": 0.0}, "h1": {"effect": 1.0}, "samples": 2}, 1.0),
    "multinomial": ({"h0": {"elo": 0.0}, "h1": {"elo": 20.0}}, 20.0),
}


def _source(family: str, theta: float, run: int = 1, **section: Any) -> Source:
    definition = parse(
        {
            "id": "simulated",
            "model": {"family": family} | _MODELS[family][0],
            "errors": {"alpha": 0.05, "beta": 0.05, "thresholds": "wald"},
            "source": {"kind": "simulate", "theta": theta, "batch": 50} | section,
        }
    )
    return open_source(definition.stored(), run, Path())


def _first(source: Source, count: int, start: int = 0) -> list[Drawn]:
    return list(itertools.islice(source.records(start), count))


def _same(left: list[Drawn], right: list[Drawn]) -> bool:
    return len(left) == len(right) and all(
        a.arm == b.arm and np.array_equal(a.values, b.values) for a, b in zip(left, right, strict=True)
    )


def test_every_family_can_be_simulated() -> None:
    assert sorted(_MODELS) == sorted(sprt.FAMILIES)


@pytest.mark.parametrize("family", _MODELS)
def test_a_simulated_run_accepts_the_hypothesis_it_is_drawn_from(family: str) -> None:
    section, theta = _MODELS[family]
    definition = parse(
        {
            "id": "simulated",
            "model": {"family": family} | section,
            "errors": {"alpha": 1e-4, "beta": 1e-4, "thresholds": "wald"},
        }
    )
    model = definition.model.hypotheses()
    design = sprt.Design(model, 1e-4, 1e-4, thresholds="wald", alternative="greater")
    state = sprt.init(design)

    for drawn in _source(family, theta).records(0):
        arms = np.full(drawn.values.size, "ab".index(drawn.arm), np.int8) if drawn.arm else None
        state, crossing = sprt.fold(design, state, drawn.values, arms)
        if crossing is not None:
            break

    assert sprt.info(design, state).outcome == "accept_h1"


@pytest.mark.parametrize("family", _MODELS)
def test_a_source_that_begins_later_gives_the_same_records(family: str) -> None:
    source = _source(family, _MODELS[family][1])

    assert _same(_first(source, 6)[3:], _first(source, 3, start=3))


def test_seed_and_run_make_the_observations() -> None:
    assert _same(_first(_source("normal", 1.0), 3), _first(_source("normal", 1.0), 3))
    assert not _same(_first(_source("normal", 1.0), 3), _first(_source("normal", 1.0, seed=1), 3))
    assert not _same(_first(_source("normal", 1.0), 3), _first(_source("normal", 1.0, run=2), 3))


@pytest.mark.parametrize("family", ["paired_bernoulli", "two_arm_normal", "student_t"])
def test_families_with_two_arms_take_turns(family: str) -> None:
    assert [drawn.arm for drawn in _first(_source(family, _MODELS[family][1]), 4)] == ["a", "b", "a", "b"]


def test_a_theta_outside_the_family_is_refused_by_name() -> None:
    with pytest.raises(SourceError, match=r"source.theta: .*1.5"):
        _source("bernoulli", 1.5)
