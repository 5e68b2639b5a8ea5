"""Schedules, queues, retries and holds, told as stories of one partition."""

import random
from datetime import timedelta
from typing import Any

import pytest

from experiments import health, slots
from experiments.experiment import State
from experiments.memory import Queue
from experiments.times import moment
from schemas import events
from tests.experiments.story import BEGIN, SECOND, Story


def _decisions(story: Story) -> list[events.Decision]:
    return [event for event in story.control if isinstance(event, events.Decision)]


def _starts(story: Story) -> list[events.Started]:
    return [event for event in story.control if isinstance(event, events.Started)]


def test_a_defined_schedule_starts_a_run_when_it_is_due_and_says_when_the_next_is() -> None:
    story = Story()
    story.define(schedule={"start_at": "2026-12-01T09:01:00Z"})
    story.wait(59)
    assert story.names() == ["defined", "scheduled"]
    story.wait(1)

    assert story.names() == ["defined", "scheduled", "started", "scheduled"]
    assert _starts(story)[0].cause == "rng-bias/2026-12-01T09:01:00+00:00"
    assert story.experiment.cold.due is None


def test_a_recurring_schedule_runs_as_often_as_it_may() -> None:
    story = Story()
    story.define(schedule={"every": "10s", "max_runs": 3}, stop={"max_duration": "3s"})
    for _ in range(100):
        story.wait(1)

    assert [start.run for start in _starts(story)] == [1, 2, 3]
    assert len({start.cause for start in _starts(story)}) == 3
    assert [decision.reason for decision in _decisions(story)] == ["timeout"] * 3


def test_a_firing_during_a_run_is_skipped_and_explained() -> None:
    story = Story()
    story.define(schedule={"every": "10s"})
    story.wait(0)
    story.wait(10)
    notes = [event.note for event in story.control if isinstance(event, events.Scheduled) and event.note]

    assert len(_starts(story)) == 1
    assert notes == ["the run due at 2026-12-01T09:00:10+00:00 was skipped: run 1 is RUNNING"]


def test_a_firing_during_a_run_waits_for_its_end_where_overlap_is_queue() -> None:
    story = Story()
    story.define(schedule={"every": "10s", "overlap": "queue"}, stop={"max_duration": "15s"})
    story.wait(0)
    story.wait(10)
    assert len(_starts(story)) == 1
    story.wait(5)
    story.wait(0)

    assert [start.run for start in _starts(story)] == [1, 2]


@pytest.mark.parametrize(("misfire", "runs"), [("run_once", 1), ("skip", 0)])
def test_firings_missed_by_an_outage_run_once_or_not_at_all(misfire: str, runs: int) -> None:
    story = Story()
    story.define(schedule={"start_at": "2026-12-01T09:10:00Z", "every": "10m", "misfire": misfire})
    story.wait(3600 + 5)

    assert runs == len(_starts(story))
    assert moment(BEGIN + 4200 * SECOND) == story.experiment.cold.due


def test_cancel_ends_the_schedule() -> None:
    story = Story()
    story.define(schedule={"every": "10s"})
    story.command("cancel")
    story.wait(100)

    assert not _starts(story)


def test_a_stalled_run_is_tried_again_with_growing_waits_and_then_stays_failed() -> None:
    story = Story()
    story.run(stop={"stall_timeout": "5s"}, retry={"max_attempts": 3, "backoff": "10s", "backoff_factor": 2})
    for _ in range(100):
        story.wait(1)
    starts, ends = _starts(story), _decisions(story)

    assert [(s.run, s.attempt, s.retry_of) for s in starts] == [(1, 1, None), (2, 2, 1), (3, 3, 2)]
    assert [timedelta(seconds=10), timedelta(seconds=20)] == [
        b.at - a.at for a, b in zip(ends, starts[1:], strict=False)
    ]
    assert [decision.reason for decision in ends] == ["stalled"] * 3


def test_a_failed_run_is_tried_again_only_for_the_reasons_named() -> None:
    story = Story()
    story.run(retry={"max_attempts": 3, "on": ["stalled"]})
    story.command("source_failed", message="no such column")
    story.wait(3600)

    assert len(_starts(story)) == 1


def test_the_retry_command_starts_a_linked_run() -> None:
    story = Story()
    story.run()
    story.command("source_failed", message="cable")
    assert story.command("retry", reason="cable replaced").status == "accepted"

    assert (_starts(story)[1].run, _starts(story)[1].retry_of) == (2, 1)


def test_a_hold_keeps_the_verdict_back_until_it_is_released_at_its_own_record() -> None:
    story = Story()
    story.run()
    story.command("hold", reason="check the instrument")
    story.observe(*[1.0] * 60)
    story.observe(1.0)
    assert (story.experiment.cold.state, _decisions(story)) == (State.HELD, [])
    assert dict(story.experiment.hot.counts) == {"applied": 1, "after_stop": 1}
    story.command("release")

    decision = story.decision
    assert (decision.outcome, decision.reason, decision.offset) == ("accept_h1", "boundary_upper", 0)
    assert decision.counts == {"applied": 1}


def test_a_held_verdict_can_be_stopped_as_inconclusive() -> None:
    story = Story()
    story.run()
    story.command("hold")
    story.observe(*[1.0] * 60)
    story.command("stop", reason="instrument was broken")

    assert (story.decision.outcome, story.decision.reason) == ("inconclusive", "manual")


def test_a_hold_released_before_the_crossing_changes_nothing() -> None:
    story = Story()
    story.run()
    story.command("hold")
    story.command("release")
    story.observe(*[1.0] * 60)

    assert story.decision.reason == "boundary_upper"


def test_a_failed_guard_holds_the_verdict_and_says_why() -> None:
    story = Story()
    story.run(health={"gaps": "hold"})
    story.observe(1.0, source="s", sequence=0)
    story.observe(*[1.0] * 60, source="s", sequence=5)
    (held,) = [event for event in story.control if isinstance(event, events.Held)]

    assert held.checks["gaps"]["words"] == "4 sequence numbers of the sources have not arrived"
    assert State.HELD is story.experiment.cold.state


def test_every_health_check_has_a_title() -> None:
    assert health.TITLES.keys() == health._CHECKS.keys()


def test_the_decision_shows_what_was_known_of_the_runs_health() -> None:
    story = Story()
    story.run(errors={"alpha": 1e-6, "beta": 1e-6, "thresholds": "wald"}, stop={"max_samples": 800})
    rng = random.Random(5)
    for at in range(400):
        story.observe(float(rng.random() < 0.55), source="good", sequence=at)
        story.observe(float(rng.random() < 0.55), source="also-good", sequence=at)
    known = story.decision.health

    assert {"duplicates", "gaps", "late", "rejected", "homogeneity", "drift"} == set(known)
    assert all(check["passed"] for check in known.values())


@pytest.mark.parametrize("check", ["homogeneity", "drift"])
def test_sources_or_halves_that_disagree_are_seen(check: str) -> None:
    story = Story()
    story.run(errors={"alpha": 1e-40, "beta": 1e-40, "thresholds": "wald"}, stop={"max_samples": 400})
    rng = random.Random(5)
    for at in range(400):
        other = at % 2 if check == "homogeneity" else at >= 256
        story.observe(float(rng.random() < (0.75 if other else 0.3)), source=f"s{at % 2}", sequence=at // 2)

    assert not story.decision.health[check]["passed"]


def test_a_queued_run_waits_for_its_slot() -> None:
    story = Story()
    story.define(schedule={"queue": "lab", "priority": 7})
    story.command("start")
    (request,) = story.queued
    assert (request.queue, request.priority, request.id) == ("lab", 7, "rng-bias/1")
    assert State.QUEUED is story.experiment.cold.state
    story.grant(request)

    assert story.names() == ["defined", "queued", "started"]
    story.observe(*[1.0] * 60)
    assert [event.__struct_config__.tag for event in story.queued] == ["slot_request", "slot_release"]


def test_a_grant_for_a_run_that_was_cancelled_starts_nothing_and_its_slot_is_free() -> None:
    story = Story()
    story.define(schedule={"queue": "lab"})
    story.command("start")
    request = story.queued[0]
    story.command("cancel")
    story.grant(request)

    assert "started" not in story.names()
    assert story.queued[-1].__struct_config__.tag == "slot_release"


def _request(name: str, priority: int = 0) -> events.SlotRequest:
    at = moment(BEGIN)
    return events.SlotRequest(id=f"{name}/1", queue="lab", experiment_id=name, run=1, priority=priority, at=at)


def test_a_queue_gives_its_slots_by_priority_and_then_by_arrival_and_never_more_than_its_limit() -> None:
    rng, queue, started, live = random.Random(2), Queue(limit=2), [], set[str]()
    requests = [_request(f"e{k}", rng.choice([0, 0, 5])) for k in range(20)]
    pending: list[Any] = list(requests)
    while pending or live:
        if pending and (rng.random() < 0.6 or not live):
            told: Any = pending.pop(0)
        else:
            ended = rng.choice(sorted(live))
            live.discard(ended)
            told = events.SlotRelease(id=ended, queue="lab", at=moment(BEGIN))
        queue, grants = slots.grant(slots.settle(queue, told), moment(BEGIN))
        live |= {grant.id for grant in grants}
        started += [grant.id for grant in grants]
        assert len(live) <= 2

    assert sorted(started) == sorted(request.id for request in requests)
    for priority in (0, 5):
        own = [r.id for r in requests if r.priority == priority]
        assert own == [name for name in started if name in own]


def test_a_limit_changes_live() -> None:
    queue, _ = slots.grant(slots.settle(Queue(), _request("a")), moment(BEGIN))
    queue, none = slots.grant(slots.settle(queue, _request("b")), moment(BEGIN))
    queue, grants = slots.grant(slots.settle(queue, events.SlotLimit(queue="lab", limit=2)), moment(BEGIN))

    assert (none, [grant.id for grant in grants]) == ([], ["b/1"])


def test_a_request_told_twice_is_one_request() -> None:
    queue = slots.settle(slots.settle(Queue(limit=0), _request("a")), _request("a"))

    assert len(queue.waiting) == 1


@pytest.mark.parametrize(("guard", "events_told"), [("hold", "held"), ("warn", "decision")])
def test_late_observations_can_hold_the_verdict_and_are_counted_one_by_one(guard: str, events_told: str) -> None:
    story = Story()
    story.run(health={"late": guard}, stop={"max_samples": 40, "boundaries": "both"})
    for number in range(20):
        late = 61 if number % 2 else 59
        story.observe(1.0, 0.0, observed_at=story.now - late * SECOND)

    assert story.names()[-1] == events_told
    (check,) = [
        (event.checks if isinstance(event, events.Held) else event.health)["late"]
        for event in story.control
        if isinstance(event, events.Held | events.Decision)
    ]
    assert (check["value"], check["passed"]) == (0.5, False)
