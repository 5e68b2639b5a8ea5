"""Which runs need a source of their own, as the history is read."""

from datetime import UTC, datetime
from typing import Any

from producers.runs import Runs
from schemas import events

_ENTROPY = {"kind": "entropy", "p": 0.5, "rate": 10.0, "batch": 1}


def _facts(**fields: Any) -> dict[str, Any]:
    return {"id": "x", "experiment_id": "a", "run": 1, "version": 1, "at": datetime(2026, 1, 1, tzinfo=UTC)} | fields


def _defined(section: dict[str, Any] | None, revision: int = 1) -> events.Defined:
    return events.Defined(
        **_facts(run=0),
        definition={"source": section} if section else {},
        definition_revision=revision,
        design_digest="",
        definition_digest="",
        lower=None,
        upper=None,
        certificate={},
    )


def _started(run: int = 1, revision: int = 1) -> events.Started:
    return events.Started(**_facts(run=run, offset=17), definition_revision=revision, design_digest="")


def _decision(run: int = 1) -> events.Decision:
    return events.Decision(
        **_facts(run=run),
        outcome="inconclusive",
        n=0,
        llr=0.0,
        p_value=1.0,
        p_kind="",
        lower=None,
        upper=None,
        design_digest="",
        estimate={},
        counts={},
    )


def _after(*history: events.ControlEvent) -> Runs:
    runs = Runs()
    for event in history:
        runs.see(event)
    return runs


def test_a_started_run_needs_its_source_from_its_first_offset_on() -> None:
    wanted = _after(_defined(_ENTROPY), _started()).wanted["a"]

    assert (wanted.run, wanted.offset, wanted.section, wanted.is_paused) == (1, 17, _ENTROPY, False)
    assert wanted.command_id == "a/1/runner-1"


def test_an_external_source_is_left_to_others() -> None:
    assert _after(_defined({"kind": "external"}), _started()).wanted == {}


def test_the_decision_ends_the_need() -> None:
    assert _after(_defined(_ENTROPY), _started(), _decision()).wanted == {}


def test_the_decision_of_an_earlier_run_leaves_the_live_one() -> None:
    assert _after(_defined(_ENTROPY), _started(1), _decision(1), _started(2), _decision(1)).wanted["a"].run == 2


def test_a_pause_holds_until_resumed() -> None:
    paused = events.Paused(**_facts())

    assert _after(_defined(_ENTROPY), _started(), paused).wanted["a"].is_paused
    assert not _after(_defined(_ENTROPY), _started(), paused, events.Resumed(**_facts())).wanted["a"].is_paused


def test_a_run_that_has_crossed_and_is_held_needs_nothing_more() -> None:
    free = events.Held(**_facts(), checks={}, withheld={})
    crossed = events.Held(**_facts(), checks={}, withheld={"outcome": "accept_h1"})

    assert "a" in _after(_defined(_ENTROPY), _started(), free).wanted
    assert _after(_defined(_ENTROPY), _started(), free, crossed).wanted == {}


def test_a_new_definition_is_for_later_runs() -> None:
    revised = _ENTROPY | {"p": 0.9}

    assert _after(_defined(_ENTROPY), _started(), _defined(revised, 2)).wanted["a"].section["p"] == 0.5
    assert _after(_defined(_ENTROPY), _defined(revised, 2), _started(1, 2)).wanted["a"].section["p"] == 0.9
