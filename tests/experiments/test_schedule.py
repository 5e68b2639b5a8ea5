from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from experiments.schedule import Schedule, first_firing, next_firing

DEFINED = datetime(2026, 3, 27, 12, tzinfo=UTC)


def _schedule(**fields: Any) -> Schedule:
    return Schedule.model_validate(fields)


def _firings(schedule: Schedule, number: int, defined: datetime = DEFINED) -> list[datetime]:
    found: list[datetime] = []
    due = first_firing(schedule, defined)
    while due is not None and len(found) < number:
        found.append(due)
        due = next_firing(schedule, defined, due, len(found))
    return found


def _at(*when: int) -> datetime:
    return datetime(*when, tzinfo=UTC)  # type: ignore[misc,arg-type]  # year, month, day, hour, minute


def test_without_a_schedule_nothing_is_due() -> None:
    assert first_firing(_schedule(), DEFINED) is None


def test_a_start_time_alone_is_one_run() -> None:
    assert [_at(2026, 4, 1, 9)] == _firings(_schedule(start_at=_at(2026, 4, 1, 9)), 5)


def test_an_interval_counts_from_the_definition_or_the_start_time() -> None:
    from_definition = _firings(_schedule(every="6h"), 3)
    from_start = _firings(_schedule(every="6h", start_at=_at(2026, 4, 1, 9)), 2)

    assert [DEFINED, DEFINED + timedelta(hours=6), DEFINED + timedelta(hours=12)] == from_definition
    assert [_at(2026, 4, 1, 9), _at(2026, 4, 1, 15)] == from_start


def test_a_cron_follows_the_wall_clock_over_the_change_to_summer_time() -> None:
    mondays = _firings(_schedule(cron="0 9 * * *", timezone="Europe/Vienna"), 3)

    assert [_at(2026, 3, 28, 8), _at(2026, 3, 29, 7), _at(2026, 3, 30, 7)] == mondays


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ("1", {1}), ("0", {0}), ("7", {0}), ("1-5", {1, 2, 3, 4, 5}), ("5-7", {5, 6, 0}), ("fri-sun", {5, 6, 0}),
        ("6-1", {6, 0, 1}), ("*/2", {0, 2, 4, 6}), ("1-5/2", {1, 3, 5}),
        ("mon,3,SAT", {1, 3, 6}), ("*", {0, 1, 2, 3, 4, 5, 6}),
    ],
)  # fmt: skip
def test_days_of_the_week_count_from_sunday_as_in_cron(days: str, expected: set[int]) -> None:
    fired = _firings(_schedule(cron=f"0 9 * * {days}"), 14)

    assert {moment.isoweekday() % 7 for moment in fired} == expected


def test_an_hour_that_the_change_to_winter_time_repeats_fires_once() -> None:
    nights = _firings(_schedule(cron="30 2 * * *", timezone="Europe/Vienna"), 3, _at(2026, 10, 24, 12))

    assert [_at(2026, 10, 25, 0, 30), _at(2026, 10, 26, 1, 30), _at(2026, 10, 27, 1, 30)] == nights


def test_an_hourly_cron_runs_in_both_hours() -> None:
    hours = _firings(_schedule(cron="0 * * * *", timezone="Europe/Vienna"), 4, _at(2026, 10, 24, 23, 30))

    assert [_at(2026, 10, 25, k) for k in range(4)] == hours


def test_max_runs_and_until_end_a_schedule() -> None:
    assert len(_firings(_schedule(every="1h", max_runs=2), 99)) == 2
    assert len(_firings(_schedule(every="1h", until=DEFINED + timedelta(hours=2)), 99)) == 3


@given(st.integers(1_000, 10**6), st.integers(0, 10**9))
def test_the_next_firing_of_an_interval_is_later_by_at_most_one_interval(step: int, later: int) -> None:
    schedule, after = _schedule(every=f"{step}ms"), DEFINED + timedelta(milliseconds=later)
    due = next_firing(schedule, DEFINED, after, 3)

    assert due is not None
    assert timedelta(0) < due - after <= timedelta(milliseconds=step)
    assert timedelta(0) == (due - DEFINED) % timedelta(milliseconds=step)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"cron": "0 9 * * 1", "every": "1h"}, "one of them"),
        ({"cron": "0 9 * *"}, "five fields"),
        ({"cron": "61 9 * * *"}, "five fields"),
        ({"cron": "0 9 * * 8"}, "five fields"),
        ({"cron": "0 9 * * noday"}, "five fields"),
        ({"cron": ""}, "five fields"),
        ({"cron": "0 0 31 2 *"}, "never fires"),
        ({"timezone": "Mars/Olympus"}, "Europe/Vienna"),
        ({"start_at": "2026-04-02T00:00:00Z", "until": "2026-04-01T00:00:00Z"}, "later time"),
        ({"start_at": "2026-04-02T00:00:00"}, "timezone"),
        ({"max_runs": 0}, "greater than or equal to 1"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused_with_a_reason(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        _schedule(**given)
