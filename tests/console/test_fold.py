from datetime import UTC, datetime, timedelta
from typing import Any

from console.documents import RunDocument
from console.fold import Shelf, put
from schemas import events

BEGIN = datetime(2026, 3, 1, 9, tzinfo=UTC)
DEFINITION: dict[str, Any] = {
    "id": "x",
    "title": "Coin",
    "model": {"family": "bernoulli", "h0": {"p": 0.5}, "h1": {"p": 0.6}, "alternative": "greater"},
    "errors": {"alpha": 0.01, "beta": 0.05},
    "stop": {"p_value": 0.02},
    "source": {"kind": "entropy"},
}


class Told:
    """A shelf, and events put onto it one after another."""

    def __init__(self) -> None:
        self.shelf = Shelf()
        self.version = 0

    def __call__(self, kind: type[events.Lifecycle], run: int, **more: Any) -> "Told":
        self.version += 1
        at = BEGIN + timedelta(seconds=self.version)
        head: dict[str, Any] = {
            "id": f"x/{run}/{self.version}",
            "experiment_id": "x",
            "run": run,
            "version": self.version,
        }
        put(self.shelf, kind(**head | {"at": at} | more), at)
        return self

    def define(self, revision: int = 1, run: int = 0, **changes: Any) -> "Told":
        return self(
            events.Defined, run, definition=DEFINITION | changes, definition_revision=revision, design_digest="d",
            definition_digest="e", lower=-3.0, upper=4.6, certificate={},
        )  # fmt: skip

    def start(self, run: int = 1) -> "Told":
        return self(events.Started, run, definition_revision=1, design_digest="d")

    def decide(self, run: int = 1, outcome: str = "accept_h1") -> "Told":
        return self(
            events.Decision, run, outcome=outcome, reason="boundary_upper", n=5, llr=4.7, p_value=0.009, p_kind="",
            lower=-3.0, upper=4.6, design_digest="d", estimate={}, counts={},
        )  # fmt: skip

    def run(self, number: int) -> RunDocument:
        document = self.shelf.runs[number]
        assert document is not None
        return document


def test_a_definition_is_run_0_until_the_first_run_takes_its_place() -> None:
    told = Told().define()

    assert (told.run(0).state, told.run(0).title, told.run(0).source) == ("DEFINED", "Coin", "entropy")
    assert told.start().shelf.runs[0] is None
    assert (told.shelf.latest, told.run(1).state, told.run(1).title) == (1, "RUNNING", "Coin")


def test_the_p_rule_is_the_upper_line_where_it_lies_lower() -> None:
    assert Told().define().run(0).upper == 3.912023005428146


def test_a_queued_run_keeps_its_queue_when_it_starts() -> None:
    told = Told().define()(events.Queued, 1, queue="lab", priority=7)

    assert (told.run(1).state, told.run(1).queue) == ("QUEUED", "lab")
    assert (told.start().run(1).state, told.run(1).queue, told.run(1).priority) == ("RUNNING", "lab", 7)


def test_a_verdict_is_held_only_once_it_was_reached() -> None:
    told = Told().define().start()(events.Held, 1, checks={}, withheld={})
    assert (told.run(1).state, told.run(1).is_held) == ("RUNNING", True)

    told(events.Held, 1, checks={}, withheld={"outcome": "accept_h1"})
    assert told.run(1).state == "HELD"

    told(events.Released, 1).decide()
    assert (told.run(1).state, told.run(1).is_held, told.run(1).outcome) == ("DECIDED", False, "accept_h1")


def test_an_archive_of_an_earlier_run_leaves_the_live_one_alone() -> None:
    told = Told().define().start().decide().start(2)(events.Archived, 1, manifest_digest="f", location="x/1")

    assert (told.run(1).state, told.run(2).state) == ("ARCHIVED", "RUNNING")


def test_an_event_of_a_run_that_is_not_on_the_shelf_changes_no_other() -> None:
    told = Told().define().start(2)
    before = told.run(2)

    assert told(events.Archived, 1, manifest_digest="f", location="x/1").run(2) == before


def test_a_new_definition_renames_the_live_run_and_leaves_its_design() -> None:
    told = Told().define().start().define(2, 1, title="Old coin", errors={"alpha": 0.5})

    assert (told.run(1).title, told.run(1).errors["alpha"], told.run(1).definition_revision) == ("Old coin", 0.01, 1)


def test_a_cancelled_experiment_keeps_the_outcome_of_its_run() -> None:
    told = Told().define().start().decide()(events.Cancelled, 1)

    assert (told.run(1).state, told.run(1).is_cancelled) == ("DECIDED", True)
    assert Told().define()(events.Cancelled, 0).run(0).state == "CANCELLED"


def test_a_schedule_shows_when_the_next_run_is_due() -> None:
    due = BEGIN + timedelta(days=1)

    assert Told().define()(events.Scheduled, 0, due=due).start().run(1).next_due == due
