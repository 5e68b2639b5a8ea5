"""Where a normal walk's lines have become straight, the rest at once is the rest look by look."""

from typing import Any

import numpy as np
import pytest

from sprt import Characteristics, Design, Family, Normal, TwoArmNormal, characteristics, fold, forecast, init


def assert_alike(one: Characteristics, other: Characteristics, slack: float) -> None:
    for found, expected in (
        (one.p_accept_h1, other.p_accept_h1),
        (one.p_accept_h0, other.p_accept_h0),
        (one.p_undecided, other.p_undecided),
    ):
        assert found == pytest.approx(expected, abs=slack)
    assert one.mean_n == pytest.approx(other.mean_n, rel=10.0 * slack)
    assert one.sd_n == pytest.approx(other.sd_n, rel=10.0 * slack)


@pytest.mark.parametrize(
    ("model", "rules", "slack"),
    [
        (Normal(0.0, 0.7), {"alternative": "two_sided"}, 1e-12),
        (Normal(0.0, -0.7), {"alternative": "two_sided", "max_n": 150, "at_limit": "sign"}, 1e-12),
        (Normal(0.0, 0.5), {"p_value": 0.03, "min_n": 9}, 1e-12),
        (Normal(0.0, -0.5), {"p_value": 0.03, "min_n": 9, "max_n": 70, "at_limit": "midpoint"}, 1e-12),
        *((Normal(0.0, 0.5), {"p_value": 0.03, "min_n": 9, "max_n": n}, 1e-12) for n in (9, 10, 11, 12)),
        (TwoArmNormal(0.0, 0.5), {}, 4e-7),
        (TwoArmNormal(0.0, 0.5), {"max_n": 101, "at_limit": "sign"}, 4e-7),
    ],
)
def test_the_rest_at_once_is_the_rest_look_by_look(
    model: Family, rules: dict[str, Any], slack: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    design = Design(model, 0.05, 0.1, thresholds="wald", **rules)
    theta = np.array([-1.0, 0.0, 0.3, 1.0, 2.0]) * model.h1
    monkeypatch.setattr("sprt.law.UNEVEN", 2e-6)
    at_once = characteristics(design, theta)
    monkeypatch.setattr("sprt.law.run_on", lambda *_: None)
    monkeypatch.setattr("sprt.law_normal.run_on", lambda *_: None)

    assert_alike(at_once, characteristics(design, theta), slack)


def test_a_forecast_from_unequal_arms_goes_look_by_look() -> None:
    design = Design(TwoArmNormal(0.0, 0.8), 0.05, 0.1, thresholds="wald")
    state, _ = fold(design, init(design), np.array([0.1, 0.4, 0.3]), np.array([0, 0, 0]))
    ahead = forecast(design, state, [0.0, 0.8])

    assert ahead.p_accept_h1 + ahead.p_accept_h0 == pytest.approx(np.ones(2), abs=1e-10)
