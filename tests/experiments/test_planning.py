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
