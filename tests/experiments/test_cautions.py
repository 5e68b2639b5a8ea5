"""Warnings of a definition: told with numbers, and only where they hold."""

from typing import Any

import pytest

from experiments.planning import Solution, plan
from tests.experiments.story import Story, definition

_WALD = {"alpha": 0.05, "beta": 0.1, "thresholds": "wald"}


def _warnings(**parts: Any) -> dict[str, str]:
    solution = plan(definition(**{"errors": _WALD, **parts}))
    assert isinstance(solution, Solution)
    return {it["code"]: it["message"] for it in solution.certificate["warnings"]}


def test_a_p_rule_behind_the_boundary_is_called_redundant_with_both_lines() -> None:
    found = _warnings(stop={"boundaries": "both", "p_value": 0.01, "max_samples": 1000})

    assert list(found) == ["p_rule_redundant"]
    assert "its line at 4.6052 nats lies behind the upper boundary at 2.8904" in found["p_rule_redundant"]


@pytest.mark.parametrize(
    "stop",
    [
        {"p_value": 0.01, "max_samples": 1000},  # the p rule is the upper line
        {"boundaries": "both", "p_value": 0.05, "max_samples": 1000, "min_samples": 20},  # a peak before 20 counts
        {"max_samples": 1000},
        {},
    ],
)
def test_a_p_rule_that_can_act_is_not_warned_of(stop: dict[str, Any]) -> None:
    assert "p_rule_redundant" not in _warnings(stop=stop)


def test_a_limit_that_costs_power_is_told_with_the_power_that_is_left() -> None:
    found = _warnings(stop={"max_samples": 100})["power_below_nominal"]
    solution = plan(definition(errors=_WALD, stop={"max_samples": 100}))
    assert isinstance(solution, Solution)

    assert f"power by stop.max_samples = 100 is {solution.certificate['power']:.4f}, below 1 - beta = 0.9" in found
    assert solution.certificate["power"] < 0.9


def test_the_reply_to_a_definition_tells_its_warnings() -> None:
    reply = Story().command("define", experiment=definition(errors=_WALD, stop={"max_samples": 100}))

    assert reply.message.startswith("defined; warning: power by stop.max_samples = 100 is 0.")
