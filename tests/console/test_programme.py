from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from console import programme
from console.documents import RunDocument

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


def run(
    name: str, number: int = 1, *, outcome: str = "accept_h0", p: float = 0.5, n: int = 50, **more: Any
) -> RunDocument:
    at = BEGIN + timedelta(minutes=number)
    return RunDocument(
        experiment_id=name, run=number, state="ARCHIVED", since=at, version=1, created_at=at, decided_at=at,
        errors={"alpha": 0.05, "beta": 0.1}, stop={"max_samples": 200}, mean_n_h0=100.0, mean_n_h1=25.0,
        outcome=outcome, p_value=p, n=n, **more,
    )  # fmt: skip


def test_the_ledger_goes_by_the_order_of_decisions_and_lets_little_stand() -> None:
    ended = programme.decided([run("b", 2, p=1e-6), run("a", 1, p=1e-9), run("c", 3, p=0.04)])
    found = programme.ledger(ended)

    assert [entry.run.experiment_id for entry in found] == ["a", "b", "c"]
    assert [entry.stands for entry in found] == [True, True, False]
    assert found[0].level == pytest.approx(0.005 * 0.07720838 * 0.6931471805599453, rel=1e-9)


def test_an_empty_programme_has_an_empty_ledger() -> None:
    assert programme.ledger([]) == []
    assert programme.histogram([]) == ([0] * (programme.BARS + 1), None)
    assert programme.saved([]) is None


def test_every_run_and_retry_of_an_experiment_spends_alpha() -> None:
    lines = programme.tried([run("a", 1, outcome="inconclusive"), run("a", 2, retry_of=1, p=0.01), run("b")])

    assert [(line.newest.experiment_id, line.newest.run, line.runs, line.retries) for line in lines] == [
        ("a", 2, 2, 1),
        ("b", 1, 1, 0),
    ]
    assert lines[0].spent == pytest.approx(0.1)
    assert lines[0].smallest_p == 0.01


def test_lengths_are_against_the_plan_of_the_hypothesis_that_was_accepted() -> None:
    ended = [run("a", n=50), run("b", outcome="accept_h1", n=50), run("c", outcome="inconclusive", n=900)]
    tally, mean = programme.histogram(ended)

    assert mean == pytest.approx(1.25)
    assert (tally[2], tally[8], sum(tally)) == (1, 1, 2)


def test_a_known_truth_shows_how_often_the_other_hypothesis_was_accepted() -> None:
    ended = [run("n", k, truth="h0", outcome="accept_h1" if k == 1 else "accept_h0") for k in range(1, 21)]
    (found,) = programme.calibration([*ended, run("unknown", outcome="accept_h1")])

    assert (found.truth, found.runs, found.wrong) == ("h0", 20, 1)
    assert found.nominal == pytest.approx(0.05)
    assert found.interval == pytest.approx((0.001265, 0.248733), abs=1e-6)
