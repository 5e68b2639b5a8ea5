"""Definitions are solved in a process of their own; whatever happens there, each gets an answer."""

import os
import signal
from collections.abc import Iterator

import psutil
import pytest

from experiments.planning import Refusal, Solution
from processors.solving import Solver
from tests.processors.installation import bernoulli, until


@pytest.fixture
def solver() -> Iterator[Solver]:
    made = Solver()
    yield made
    made.close()


def at_work(solver: Solver) -> list[psutil.Process]:
    """Return the processes of the solver's pool."""
    assert solver._pool is not None
    return [psutil.Process(pid) for pid in solver._pool._processes]


def test_a_definition_is_solved_in_another_process_once(solver: Solver) -> None:
    first = solver.solve(bernoulli("e"))
    assert isinstance(first.result(60), Solution)
    assert solver.solve(bernoulli("e")) is first


def test_a_definition_with_problems_is_refused_with_them(solver: Solver) -> None:
    answer = solver.solve(bernoulli("e", errors=2.0)).result(60)
    assert isinstance(answer, Refusal)
    assert answer.code == "invalid_definition"
    assert "errors.alpha" in answer.message


def test_a_design_that_takes_too_long_is_refused_saying_so() -> None:
    solver = Solver(limit_seconds=0.001)
    try:
        answer = solver.solve(bernoulli("e", max_samples=20_000)).result(60)
        assert isinstance(answer, Refusal)
        assert answer.code == "too_costly"
        assert "design too costly to solve" in answer.message
    finally:
        solver.close()


def test_a_solver_that_dies_refuses_and_is_replaced(solver: Solver) -> None:
    assert isinstance(solver.solve(bernoulli("first")).result(60), Solution)
    slow = bernoulli("slow", max_samples=300_000)
    slow["model"]["h1"] = {"p": 0.501}
    answer = solver.solve(slow)
    solver._starter.submit(lambda: None).result()  # behind it: the pool has the definition
    (working,) = at_work(solver)
    os.kill(working.pid, signal.SIGKILL)
    refused = answer.result(60)
    assert isinstance(refused, Refusal)
    assert refused.code == "solver_failed"
    assert isinstance(solver.solve(bernoulli("next")).result(60), Solution)


def test_closing_leaves_no_process_at_work() -> None:
    solver = Solver()
    solver.solve(bernoulli("e")).result(60)
    working = at_work(solver)
    assert working
    solver.close()
    until(lambda: [True] if not any(it.is_running() for it in working) else [])
