"""What the charts of a run and of a comparison hold, as numbers."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

import sprt
from console import comparison, inspection
from console.curves import curves
from console.documents import LivePoint, RunDocument
from console.envelope import envelope
from console.outlook import forecast
from console.walk import POINT, Points, blinded
from experiments.planning import Refusal, Solution, plan

NOW = datetime(2026, 3, 1, tzinfo=UTC)
MODELS: dict[str, dict[str, Any]] = {
    "bernoulli": {"h0": {"p": 0.5}, "h1": {"p": 0.6}},
    "normal": {"h0": {"mean": 1.0}, "h1": {"mean": 1.5}, "sd": 1.0},
    "poisson": {"h0": {"rate": 2.0}, "h1": {"rate": 2.6}},
    "exponential": {"h0": {"rate": 1.0}, "h1": {"rate": 1.4}},
    "negative_binomial": {"h0": {"mean": 2.0}, "h1": {"mean": 3.0}, "dispersion": 2.0},
}


def run(family: str = "bernoulli", **more: Any) -> RunDocument:
    model = {"family": family, **MODELS[family], "alternative": "greater"}
    fields: dict[str, Any] = {
        "model": model, "errors": {"alpha": 0.05, "beta": 0.1}, "stop": {"max_samples": 500, "boundaries": "both"},
        "lower": -2.25, "upper": 2.89, "mean_n_h0": 110.0, "mean_n_h1": 120.0, **more,
    }  # fmt: skip
    return RunDocument(experiment_id="x", run=1, state="RUNNING", since=NOW, version=1, created_at=NOW, **fields)


def walk(document: RunDocument, count: int = 90) -> Points:
    """Return every point of a walk of the design's own observations under H0."""
    design = inspection.design_of(document)
    assert design is not None
    xs = design.model.sample(design.model.h0, (1, count), np.random.default_rng(3))[0]
    llr = sprt.path(design, xs)
    points = np.zeros(count, dtype=POINT)
    points["n"], points["llr"], points["total"] = np.arange(1, count + 1), llr, np.cumsum(xs)
    points["p_value"] = np.exp(-np.maximum.accumulate(np.maximum(llr, 0)))
    return points


@pytest.mark.parametrize("family", MODELS)
def test_planned_walks_are_drawn_around_the_expected_drift_and_stay_where_they_end(family: str) -> None:
    document = run(family)
    design = inspection.design_of(document)
    found = envelope(document)
    assert design is not None
    assert found is not None

    for which, drift in zip(("h0", "h1"), design.model.drifts(), strict=True):
        rows = np.array(found[which])
        early = rows[rows[:, 0] < 0.2 * 110][-1]
        assert (np.diff(rows[:, 1:], axis=1) >= 0).all()
        assert early[1] < drift * early[0] < early[3]
        median_at_the_end = rows[-1, 2]
        assert median_at_the_end <= -2.25 if which == "h0" else median_at_the_end >= 2.89


@pytest.mark.parametrize("family", MODELS)
def test_a_sum_crosses_its_slanted_line_where_the_walk_crosses_its_boundary(family: str) -> None:
    document = run(family)
    points = walk(document)
    chart = inspection.counts(document, points)
    assert chart is not None
    lines = {line["name"]: line["points"] for line in chart[0]["lines"]}
    (_, at_0), (right, at_right) = lines["accept H1"]
    slope = (at_right - at_0) / right
    heights = np.array(lines["now"])[1:]
    beyond = heights[:, 1] - (at_0 + slope * heights[:, 0])
    rising = np.sign(at_0)

    np.testing.assert_array_equal(rising * beyond >= 0, points["llr"] >= 2.89)


@pytest.mark.parametrize("family", ["bernoulli", "normal", "poisson"])
def test_an_estimate_lies_in_its_confidence_sequence(family: str) -> None:
    chart = inspection.estimate(run(family), walk(run(family)))
    assert chart is not None
    lines = {line["name"]: np.array(line["points"]) for line in chart[0]["lines"]}

    assert (lines["95 % from"][-20:, 1] <= lines["plain average"][-20:, 1]).all()
    assert (lines["plain average"][-20:, 1] <= lines["95 % to"][-20:, 1]).all()


def test_the_forecast_is_that_of_the_walks_own_state() -> None:
    document, points = run(), walk(run(), 40)
    last = points[-1]
    point = LivePoint(
        experiment_id="x", run=1, n=40, llr=float(last["llr"]), p_value=float(last["p_value"]),
        total=float(last["total"]), offset=1, at=1,
    )  # fmt: skip
    found = forecast(document, point)
    design = inspection.design_of(document)
    assert design is not None
    assert not isinstance(found, Refusal)
    xs = design.model.sample(0.5, (1, 40), np.random.default_rng(3))[0]
    state, _ = sprt.fold(design, sprt.init(design), xs)
    exact = sprt.forecast(design, state, 0.6)

    assert [each.name for each in found] == ["if H0", "as it looks", "if H1"]
    assert found[2].accept_h1 == pytest.approx(float(exact.p_accept_h1), abs=1e-12)
    assert found[2].more[1] == float(exact.quantiles[0.5])


def test_the_curves_go_through_both_error_rates() -> None:
    definition = {
        "id": "x",
        "model": {"family": "bernoulli", "h0": {"p": 0.5}, "h1": {"p": 0.6}},
        "errors": {"alpha": 0.05, "beta": 0.1, "thresholds": "wald"},
    }
    solution = plan(definition)
    assert isinstance(solution, Solution)
    found = curves(solution)
    assert not isinstance(found, Refusal)
    h1 = dict(map(tuple, found[0]["lines"][0]["points"]))

    assert h1[0.5] == pytest.approx(solution.certificate["alpha"])
    assert 1 - h1[0.6] == pytest.approx(solution.certificate["beta"])


def test_a_comparison_is_by_share_of_the_plan_and_of_the_way() -> None:
    document = run()
    names = comparison.named("x/1, y/2,x/1,bad,z/0,../1")
    chart = comparison.chart([document], {("x", 1): walk(document, 60)}, "share", "way")
    line = chart["lines"][0]["points"]
    last = walk(document, 60)[-1]

    assert names[:2] == [("x", 1), ("y", 2)]
    assert line[-1][0] == pytest.approx(60 / 120)
    assert line[-1][1] == pytest.approx(last["llr"] / (2.89 if last["llr"] >= 0 else 2.25))


def test_a_blinded_walk_keeps_its_pace_and_nothing_of_its_evidence() -> None:
    seen = blinded(walk(run()))

    assert seen["n"].tolist() == list(range(1, 91))
    assert set(seen["llr"]) == set(seen["total"]) == {0.0}
    assert set(seen["p_value"]) == {1.0}
