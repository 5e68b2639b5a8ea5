from typing import Any

import pytest

import sprt
from experiments import DefinitionError, parse, plan, solve
from experiments.definition import ExperimentDefinition
from experiments.durations import microseconds, text
from experiments.planning import Refusal, Solution, stored_design
from tests.experiments.story import definition

TOML = """
id = "rng-bias"
title = "Is the entropy source biased?"
tags = ["rng"]
[model]
family = "bernoulli"
h0 = { p = 0.5 }
h1 = { p = 0.51 }
[errors]
alpha = 0.01
beta = 0.05
thresholds = "wald"
[stop]
max_samples = 100000
max_duration = "2h"
"""


def test_a_definition_reads_from_toml_json_and_a_mapping_alike() -> None:
    from_toml = parse(TOML)

    assert from_toml == parse(from_toml.model_dump_json())
    assert from_toml == parse(from_toml.stored())


def test_what_is_left_out_is_filled_in() -> None:
    filled = parse(definition())

    assert (filled.model.alternative, filled.stop.boundaries, filled.source.kind) == ("greater", "both", "external")


def test_the_p_rule_replaces_the_upper_boundary() -> None:
    with_beta = parse(definition(stop={"p_value": 0.01, "max_samples": 10}))
    without = parse(definition(errors={"alpha": 0.01}, stop={"p_value": 0.01, "max_samples": 10}))

    assert (with_beta.stop.boundaries, without.stop.boundaries) == ("lower", "none")
    assert float("inf") == stored_design(with_beta.stored(), -1.0, None).upper


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"id": "Has Spaces"}, "id", "pattern"),
        ({"id": "../../etc/passwd"}, "id", "pattern"),
        ({"model": {"family": "cauchy"}}, "model", "'bernoulli'"),
        ({"model": {"family": "bernoulli", "h0": {"p": 0.5}, "h1": {"p": 0.5}}}, "model", "must differ"),
        ({"model": {"family": "bernoulli", "h0": {"p": 0.5}, "h1": {"p": 0.6, "q": 1}}}, "model.h1.q", "allowed: p"),
        (
            {"model": {"family": "bernoulli", "h0": {"p": 0.5}, "h1": {"p": 0.6}, "alternative": "less"}},
            "model",
            "contradicts",
        ),
        ({"model": {"family": "normal", "h0": {"mean": 0}, "h1": {"mean": 1}, "sd": 0}}, "model.sd", "greater than 0"),
        ({"errors": {"alpha": 0.6, "beta": 0.5}}, "errors", "allowed: below 1"),
        ({"errors": {"alpha": float("nan"), "beta": 0.5}}, "errors.alpha", "finite"),
        ({"stop": {"p_value": 0.02}}, "stop.p_value", "at most alpha"),
        ({"errors": {"alpha": 0.01}}, "stop.max_samples", "for ever"),
        ({"stop": {"boundaries": "lower"}}, "stop.boundaries", "H1 could not be accepted"),
        ({"stop": {"max_duration": "soon"}}, "stop.max_duration", "90s, 5m, 2h"),
        ({"stop": {"max_samples": 3, "min_samples": 4}}, "stop", "at most max_samples"),
        ({"stop": {"at_limit": "sign"}}, "stop", "needs max_samples"),
        ({"source": {"kind": "entropy", "rat": 3}}, "source.rat", "allowed: batch, kind, p, rate"),
        ({"title": "x" * 201}, "title", "at most 200"),
        ({"surprise": 1}, "surprise", "unknown field; allowed: blinded, errors, export"),
    ],
)
def test_a_mistake_is_named_with_its_field_and_what_is_allowed(changes: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        parse(definition(**changes))

    assert [field] == [problem.field for problem in caught.value.problems]
    assert words in caught.value.problems[0].allowed


def test_text_that_is_no_document_is_named() -> None:
    for given, kind in (("id = ", "TOML"), ('{"id": ', "JSON")):
        with pytest.raises(DefinitionError, match=f"not {kind}"):
            parse(given)


def test_the_design_digest_covers_the_design_alone() -> None:
    first, renamed = solve(parse(definition())), solve(parse(definition(title="Another")))
    other = solve(parse(definition(stop={"max_samples": 10})))

    assert first.design_digest == renamed.design_digest != other.design_digest
    assert first.definition_digest != renamed.definition_digest


def test_stored_thresholds_make_the_design_that_was_solved() -> None:
    solution = solve(parse(definition()))
    design = stored_design(solution.definition, solution.lower, solution.upper)

    assert (solution.lower, solution.upper) == (design.lower, design.upper)


def test_planning_never_raises_for_data() -> None:
    assert isinstance(plan(definition()), Solution)
    for given in ({}, {"id": 1}, definition(model=None), definition(id=["x"])):
        refusal = plan(given)
        assert isinstance(refusal, Refusal)
        assert refusal.code == "invalid_definition"


@pytest.mark.parametrize(
    ("given", "length"), [("90s", 90_000_000), ("1h30m", 5_400_000_000), ("1d", 86_400_000_000), ("250ms", 250_000)]
)
def test_durations_read_and_print(given: str, length: int) -> None:
    assert length == microseconds(given)
    assert length == microseconds(text(length))


@pytest.mark.parametrize("given", ["", "5", "-5m", "5 minutes", "h", 5, None, "9999d", "0s", "1e3s"])
def test_what_is_no_duration_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match="allowed: a length of time"):
        microseconds(given)


def test_the_json_schema_knows_every_family() -> None:
    families = ExperimentDefinition.model_json_schema()["properties"]["model"]["discriminator"]["mapping"]

    assert set(sprt.FAMILIES) == set(families)
