import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, special

from sprt.arguments import FloatArray
from sprt.errors import DesignError, ObservationError, SprtError
from sprt.gsprt import gsprt_llr
from tests.sprt.anchor_rows import NOT_NUMBERS, Row, anchor_rows, assert_within_tolerance

COUNTS = st.one_of(*(st.lists(st.integers(0, 10**6), min_size=k, max_size=k) for k in (3, 5)))
MODELS = ["normalized", "logistic", "bayeselo"]


def constrained_log_likelihood(counts: list[int], effect: Callable[[FloatArray], float]) -> float:
    """Maximise the multinomial likelihood under effect(p) = 0 with a general optimiser, from several starts."""
    games = np.array([count or 1e-3 for count in counts])
    weights = games / games.sum()

    def lost(free: FloatArray) -> float:
        return float(special.logsumexp(free) - weights @ free)

    def constraint(free: FloatArray) -> float:
        return effect(np.asarray(special.softmax(free)))

    best = -math.inf
    for start in (weights, np.full(weights.size, 1.0 / weights.size), 0.5 * weights + 0.5 * weights[::-1]):
        found = optimize.minimize(
            lost,
            np.log(start),
            constraints={"type": "eq", "fun": constraint},
            method="SLSQP",
            options={"ftol": 1e-15, "maxiter": 200},
        )
        if abs(constraint(found.x)) < 1e-8:
            best = max(best, -float(found.fun))
    return best * float(games.sum())


@pytest.mark.parametrize(
    "row",
    anchor_rows("C18_gsprt", "normalized_3", "normalized_5", "logistic_3", "logistic_5", "bayeselo_3"),
)
def test_ratio_is_the_anchor(row: Row) -> None:
    assert_within_tolerance(row, llr=gsprt_llr(**row["inputs"]))


@pytest.mark.parametrize("row", anchor_rows("C18_gsprt", "robustness"))
def test_extreme_counts_give_a_number(row: Row) -> None:
    assert math.isfinite(float(gsprt_llr(**row["inputs"])))


@pytest.mark.parametrize("counts", [[30, 50, 41], [5, 2, 9], [3, 40, 90, 55, 6], [0, 12, 30, 20, 1]])
@pytest.mark.parametrize("elo", [-60.0, 0.0, 25.0])
def test_the_fits_have_the_greatest_likelihood_under_their_constraints(counts: list[int], elo: float) -> None:
    scores = np.linspace(0.0, 1.0, len(counts))

    def standardised(at: float) -> Callable[[FloatArray], float]:
        ratio = at * math.log(10.0) / 800.0 * (math.sqrt(2.0) if len(counts) == 5 else 1.0)
        return lambda p: float(p @ scores - 0.5 - ratio * math.sqrt(p @ (scores - p @ scores) ** 2))

    def logistic(at: float) -> Callable[[FloatArray], float]:
        return lambda p: float(p @ scores - 1.0 / (1.0 + 10.0 ** (-at / 400.0)))

    for model, effect in (("normalized", standardised), ("logistic", logistic)):
        # against the common elo 10, so that the maxima themselves are compared
        expected = constrained_log_likelihood(counts, effect(elo)) - constrained_log_likelihood(counts, effect(10.0))

        assert gsprt_llr(counts, 10.0, elo, model) == pytest.approx(expected, abs=2e-5)


@given(COUNTS, st.floats(-50, 50), st.floats(-50, 50), st.sampled_from(["normalized", "logistic"]))
def test_swapping_the_hypotheses_changes_the_sign(counts: list[int], elo0: float, elo1: float, model: str) -> None:
    assert gsprt_llr(counts, elo0, elo1, model) == -float(gsprt_llr(counts, elo1, elo0, model))


@given(COUNTS, st.floats(-50, 50), st.floats(-50, 50), st.sampled_from(["normalized", "logistic"]))
def test_swapping_the_players_changes_the_sign_of_the_elo(
    counts: list[int], elo0: float, elo1: float, model: str
) -> None:
    mirrored = gsprt_llr(counts[::-1], -elo0, -elo1, model)

    assert gsprt_llr(counts, elo0, elo1, model) == pytest.approx(mirrored, rel=1e-6, abs=1e-6)


@given(st.lists(st.integers(1, 1000), min_size=3, max_size=3), st.floats(-50, 50), st.floats(-50, 50))
def test_bayeselo_is_logistic_at_the_mean_scores_it_implies(counts: list[int], elo0: float, elo1: float) -> None:
    loss, _, win = np.array(counts) / sum(counts)
    draw_elo = 200.0 * math.log10((1.0 - loss) / loss * (1.0 - win) / win)

    def logistic(elo: float) -> float:
        won, lost = (1.0 / (1.0 + 10.0 ** ((draw_elo - sign * elo) / 400.0)) for sign in (1, -1))
        score = 0.5 + (won - lost) / 2.0
        return 400.0 * math.log10(score / (1.0 - score))

    expected = gsprt_llr(counts, logistic(elo0), logistic(elo1), "logistic")
    assert gsprt_llr(counts, elo0, elo1, "bayeselo") == pytest.approx(expected, rel=1e-7, abs=1e-8)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("categories", [3, 5])
@pytest.mark.parametrize("elos", [(-2.0, 8.0), (-900.0, 40.0)])
def test_counts_have_the_same_bits_alone_and_along_a_walk(
    model: str, categories: int, elos: tuple[float, float]
) -> None:
    if model == "bayeselo" and categories == 5:
        return
    counts = (np.random.default_rng(1).integers(0, categories, (2, 150))[..., None] == np.arange(categories)).cumsum(1)
    together = np.asarray(gsprt_llr(counts, *elos, model))

    assert together.shape == (2, 150)
    assert [gsprt_llr(c, *elos, model) for c in counts[1, ::7]] == together[1, ::7].tolist()
    assert np.asarray(gsprt_llr(counts[0, 3:9], *elos, model)).tolist() == together[0, 3:9].tolist()


def test_the_model_must_be_named_because_scales_differ() -> None:
    counts = [759, 1863, 880]
    values = [float(gsprt_llr(counts, 0, 5, model)) for model in MODELS]

    assert len({round(value, 2) for value in values}) == 3


@given(COUNTS, st.floats(-2e4, 2e4), st.floats(-2e4, 2e4), st.sampled_from(MODELS))
def test_any_counts_and_elo_give_a_finite_ratio_or_a_typed_error(
    counts: list[int], elo0: float, elo1: float, model: str
) -> None:
    try:
        llr = gsprt_llr(counts, elo0, elo1, model)
    except SprtError:
        return
    assert math.isfinite(float(llr))


@pytest.mark.parametrize(
    "counts", [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0], [9, 0, 0, 0, 0], [0, 0, 1, 0, 0], [7, 0, 3]]
)
@pytest.mark.parametrize("model", ["normalized", "logistic"])
@pytest.mark.parametrize("elos", [(0.0, 5.0), (-200.0, 200.0), (-1500.0, -500.0)])
def test_the_first_games_of_a_match_have_a_finite_ratio(
    counts: list[int], model: str, elos: tuple[float, float]
) -> None:
    assert math.isfinite(float(gsprt_llr(counts, *elos, model)))


@pytest.mark.parametrize("bad", [*NOT_NUMBERS, -1.0, 0.5])
def test_a_count_that_is_none_is_refused(bad: float) -> None:
    with pytest.raises(ObservationError, match="counts"):
        gsprt_llr([1, bad, 3], 0, 5)


@pytest.mark.parametrize("bad", [*NOT_NUMBERS, 1e5])
def test_an_elo_out_of_range_is_refused(bad: float) -> None:
    with pytest.raises(DesignError, match="elo0"):
        gsprt_llr([1, 2, 3], bad, 5)
    with pytest.raises(DesignError, match="elo1"):
        gsprt_llr([1, 2, 3], 0, bad)


@pytest.mark.parametrize(
    ("counts", "model"), [([1, 2, 3], "elo"), ([1, 2], "logistic"), (7, "logistic"), ([1, 2, 3, 4, 5], "bayeselo")]
)
def test_what_has_no_such_scale_is_refused(counts: list[int], model: str) -> None:
    with pytest.raises(SprtError):
        gsprt_llr(counts, 0, 5, model)
