import hashlib
import math

import pytest
import rfc8785

from experiments import planning
from experiments.definition import parse

GIVEN = {"model": {"family": "bernoulli", "h0": {"p": 0.1}, "h1": {"p": 0.3}}, "errors": {"alpha": 0.05, "beta": 0.1}}


def test_equal_designs_are_solved_once_whatever_else_their_definitions_say() -> None:
    planning._solved.cache_clear()
    first = planning.solve(parse({"id": "one", **GIVEN}))
    first.certificate["alpha"] = 7.0  # what a caller does to its own answer is not seen by the next
    second = planning.solve(parse({"id": "two", "title": "another", **GIVEN}))

    assert planning._solved.cache_info().misses == 1
    assert (first.lower, first.upper) == (second.lower, second.upper)
    assert first.design_digest == second.design_digest
    assert first.definition_digest != second.definition_digest
    assert 0.04 < second.certificate["alpha"] <= 0.05


def test_the_digest_of_a_definition_is_that_of_its_canonical_json() -> None:
    given = {"id": "one", "title": 'Grüße "an" alle \u2028 \U0001f600', "tags": ["b", "a"], **GIVEN}
    solved = planning.solve(parse(given))

    assert solved.definition_digest == hashlib.sha256(rfc8785.dumps(solved.definition)).hexdigest()
    parts = {name: solved.definition[name] for name in ("model", "errors", "stop")}
    assert solved.design_digest == hashlib.sha256(rfc8785.dumps(parts)).hexdigest()


FINE = {"family": "bernoulli", "h0": {"p": 0.5}, "h1": {"p": 0.501}}


def test_thresholds_that_need_no_computation_hold_though_what_they_achieve_is_too_costly_to_compute() -> None:
    solved = planning.plan({"id": "one", "model": FINE, "errors": {"alpha": 0.05, "beta": 0.05, "thresholds": "wald"}})

    assert isinstance(solved, planning.Solution)
    assert (solved.lower, solved.upper) == pytest.approx((-math.log(19), math.log(19)))
    assert solved.certificate["alpha"] is None
    assert "mean n 1324994.9 under H0, 2167426.6 midway, 1324996.7 under H1" in planning.in_words(solved)
    assert [it["code"] for it in solved.certificate["warnings"]] == ["not_certified"]


def test_thresholds_that_are_too_costly_are_refused_with_those_that_are_not() -> None:
    refused = planning.plan({"id": "one", "model": FINE, "errors": {"alpha": 0.05, "beta": 0.05}})

    assert isinstance(refused, planning.Refusal)
    assert "p1=0.501" in refused.message
    assert "thresholds 'wald' and 'ville' need no computation" in refused.message
