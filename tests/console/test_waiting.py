from datetime import UTC, datetime, timedelta
from typing import Any

from console import waiting
from console.documents import RunDocument

BEGIN = datetime(2026, 3, 1, 9, tzinfo=UTC)


def run(name: str, state: str = "QUEUED", *, minute: int = 0, **more: Any) -> RunDocument:
    at = BEGIN + timedelta(minutes=minute)
    return RunDocument(experiment_id=name, run=1, state=state, since=at, version=1, created_at=at, **more)


def test_who_waits_is_in_the_order_of_the_grants_with_a_reason() -> None:
    lab: dict[str, Any] = {"queue": "lab"}
    (queue,) = waiting.queues(
        [
            run("late", minute=2, priority=1, **lab),
            run("early", minute=1, priority=1, **lab),
            run("urgent", minute=3, priority=9, **lab),
            run("live", "RUNNING", **lab),
            run("live-2", "PAUSED", **lab),
            run("over", "DECIDED", **lab),
            run("free", "RUNNING"),
        ],
        {"lab": 2},
    )

    assert (queue.name, queue.limit, [it.experiment_id for it in queue.holding]) == ("lab", 2, ["live", "live-2"])
    assert [(it.run.experiment_id, it.position, it.why) for it in queue.waiting] == [
        ("urgent", 1, "2 of 2 slots taken"),
        ("early", 2, "1 before it"),
        ("late", 3, "2 before it"),
    ]


def test_a_queue_without_a_limit_lets_one_run_live_and_one_of_limit_0_none() -> None:
    runs = [run("a", queue="free"), run("b", queue="shut")]
    free, shut = waiting.queues(runs, {"shut": 0})

    assert (free.limit, free.waiting[0].why) == (1, "the only slot is taken")
    assert shut.waiting[0].why == "the queue is closed: its limit is 0"


def test_what_is_due_comes_soonest_first_with_the_firings_after_it() -> None:
    every = {"every": "1h", "timezone": "UTC", "max_runs": 3}
    found = waiting.due(
        [
            run("hourly", "DEFINED", next_due=BEGIN + timedelta(hours=1), schedule=every),
            run("again", "DECIDED", retry_due=BEGIN + timedelta(seconds=30), attempt=2),
            run("given-up", "CANCELLED", next_due=BEGIN, is_cancelled=True, schedule=every),
        ]
    )

    assert [(it.run.experiment_id, it.why) for it in found] == [
        ("again", "tried again after attempt 2"),
        ("hourly", "every 1h, at most 3 runs"),
    ]
    assert found[1].then[:2] == [BEGIN + timedelta(hours=2), BEGIN + timedelta(hours=3)]
