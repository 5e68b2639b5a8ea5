from datetime import UTC, datetime
from typing import Any, get_args

import msgspec
import pytest

from console import wording
from console.documents import STATES, RunDocument
from console.listing import Filter
from console.picture import drift
from console.walk import POINT
from experiments.families import Model

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def a_run(**fields: Any) -> RunDocument:
    given: dict[str, Any] = {
        "experiment_id": "x",
        "run": 1,
        "state": "RUNNING",
        "since": NOW,
        "created_at": NOW,
        "version": 1,
        "model": {"family": "bernoulli", "h0": {"p": 0.5}, "h1": {"p": 0.6}, "alternative": "greater"},
        "errors": {"alpha": 0.01, "beta": 0.05},
        "stop": {"max_samples": 5000},
        "lower": -3.0,
        "upper": 4.6,
    }
    return msgspec.convert(given | fields, RunDocument)


def test_a_verdict_names_both_hypotheses_and_both_rates() -> None:
    words, note = wording.verdict(a_run(state="DECIDED", outcome="accept_h1", reason="boundary_upper", n=1842))

    assert words == "H1 (p = 0.6) accepted against H0 (p = 0.5) at α = 0.01, β = 0.05, after 1\u202f842 observations."
    assert "not about the size" in note


def test_an_inconclusive_end_accepts_neither() -> None:
    words, _ = wording.verdict(a_run(state="DECIDED", outcome="inconclusive", reason="timeout", n=7))

    assert words.startswith("No conclusion between H0 (p = 0.5) and H1 (p = 0.6): the time ran out")


def test_every_state_is_shown_by_words_and_a_glyph() -> None:
    for state in STATES:
        sign = wording.state(a_run(state=state))
        assert sign.text
        assert sign.glyph


def test_every_family_has_a_name_for_people() -> None:
    (union, _) = get_args(Model)
    families = {get_args(member.model_fields["family"].annotation)[0] for member in get_args(union)}

    assert families == set(wording.FAMILIES)


@pytest.mark.parametrize(("llr", "expected"), [(2.3, (0.5, "H1")), (-1.5, (0.5, "H0")), (9.0, (1.0, "H1"))])
def test_nearness_is_the_share_of_the_way_to_the_boundary_on_that_side(llr: float, expected: tuple[float, str]) -> None:
    assert wording.nearness(a_run(), llr) == pytest.approx(expected)


def test_nothing_is_near_where_there_is_no_boundary() -> None:
    assert wording.nearness(a_run(lower=None), -1.0) is None


def test_the_drift_is_the_mean_of_one_observations_likelihood_ratio() -> None:
    expected = drift(a_run())

    assert (expected.h0, expected.h1) == pytest.approx((-0.020410997260, 0.020135513551))


def test_a_two_sided_walk_has_no_straight_expectation() -> None:
    model = {"family": "bernoulli", "h0": {"p": 0.5}, "h1": {"p": 0.6}, "alternative": "two_sided"}

    assert drift(a_run(model=model)).h1 is None


def test_a_filter_survives_its_own_address_and_drops_what_is_not_allowed() -> None:
    asked = Filter(q="coin & dice", state="active", sort="n")
    query = dict(part.split("=") for part in asked.query().split("&"))

    assert query == {"q": "coin+%26+dice", "state": "active", "sort": "n"}
    assert Filter.from_query({"state": "asleep", "sort": "sideways", "q": "x"}) == Filter(q="x")


def test_a_search_finds_every_word_in_title_id_owner_and_tags() -> None:
    run = a_run(title="Old Coin", owner="dora", tags=["rng"])

    assert Filter(q="coin DORA rng x").admits(run)
    assert not Filter(q="coin eva").admits(run)


def test_points_are_48_bytes_as_documented() -> None:
    assert POINT.itemsize == 48
