"""Definitions are solved in a process of their own; whatever happens there, each gets an answer."""

import os
import signal
import threading
from collections.abc import Iterator

import psutil
import pytest

from experiments.planning import Refusal, Solution
from processors.solving import LIMIT_SECONDS, Solver, _plan_some
from tests.processors.installation import bernoulli, until


@pytest.fixture
def solver() -> Iterator[Solver]:
    made = Solver()
    yield made
    made.close()


def at_work(solver: Solver) -> list[psutil.Process]:
    """Return the processes of the solver's pool."""
    assert solver._pool is not None
    return [psutil.Process(pid) for pid in solver._pool._processes if psutil.pid_exists(pid)]


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


def killed_at_work(solver: Solver) -> int:
    """Kill the solver's process once it is at work, and return its id."""
    (working,) = until(lambda: at_work(solver) if solver._pool is not None else [])
    until(lambda: [True] if working.cpu_times().user > 0.3 else [])  # more than its start takes
    os.kill(working.pid, signal.SIGKILL)
    working.wait(60)
    return working.pid


def test_who_kills_the_solver_twice_is_refused_and_its_neighbours_are_solved(solver: Solver) -> None:
    slow = bernoulli("slow", max_samples=300_000)
    slow["model"]["h1"] = {"p": 0.501}
    gate = threading.Event()
    solver._askers.submit(gate.wait)
    before, culprit, behind = (solver.solve(it) for it in (bernoulli("before"), slow, bernoulli("behind")))
    gate.set()  # they wait together, so they go as one lot

    killed = {killed_at_work(solver), killed_at_work(solver)}
    refused = culprit.result(60)

    assert len(killed) == 2
    assert isinstance(refused, Refusal)
    assert refused.code == "solver_failed"
    assert isinstance(before.result(60), Solution)
    assert isinstance(behind.result(60), Solution)


def test_a_lot_ends_before_a_slow_definition_which_then_has_all_of_the_time() -> None:
    slow = bernoulli("slow", max_samples=300_000)
    slow["model"]["h1"] = {"p": 0.501}
    first = _plan_some([bernoulli("quick"), slow, bernoulli("behind")], LIMIT_SECONDS)
    second = _plan_some([slow, bernoulli("behind")], LIMIT_SECONDS)

    assert [it.definition["id"] for it in first if isinstance(it, Solution)] == ["quick"]
    assert [it.definition["id"] for it in second if isinstance(it, Solution)] == ["slow"]


def test_closing_leaves_no_process_at_work() -> None:
    solver = Solver()
    solver.solve(bernoulli("e")).result(60)
    working = at_work(solver)
    assert working
    solver.close()
    until(lambda: [True] if not any(it.is_running() for it in working) else [])
