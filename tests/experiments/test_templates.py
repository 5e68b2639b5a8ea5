"""Every template is a definition that can be run as it stands."""

import pytest

from experiments.definition import ExperimentDefinition
from experiments.planning import Solution, plan
from experiments.templates import templates

NAMES = ("acceptance", "conversion", "engine-match", "failure-rate", "mean-shift", "random-numbers", "two-arm")


def test_common_designs_have_a_template() -> None:
    assert tuple(templates()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_template_says_what_it_is_for_and_asks_a_question(name: str) -> None:
    template = templates()[name]
    definition = template.definition()

    assert isinstance(definition, ExperimentDefinition)
    assert definition.id == name
    assert definition.question.endswith("?")
    assert template.about[0].isupper()
    assert template.about.endswith(".")


@pytest.mark.parametrize("name", NAMES)
def test_a_template_is_solved_and_keeps_its_errors(name: str) -> None:
    definition = templates()[name].definition()
    solution = plan(definition.stored())
    assert isinstance(solution, Solution)
    figures, errors = solution.certificate, definition.errors
    assert errors.beta is not None

    # simulated figures have an error of their own
    spare = 0.0 if figures["standard_error"] is None else 3 * max(figures["standard_error"])
    assert figures["alpha"] <= errors.alpha + spare
    assert figures["beta"] <= errors.beta + spare
    assert figures["p_undecided_h1"] < 0.001
