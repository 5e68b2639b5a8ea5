"""Batches are as large as their share of time allows, whatever they touch, and looked for no more often than needed."""

from dataclasses import replace

import pytest

from processors.config import WorkerConfig
from processors.pacing import EXPERIMENT, Pace, Urgency, affordable

RECORD = 1e-6  # seconds
MOST = 100_000
CONFIG = WorkerConfig(kafka={}, partitions=4, pace_seconds=0.05, batch_records=10**6, batch_seconds=0.15)


def seconds(records: int, touched: int) -> float:
    return RECORD * (records + EXPERIMENT * touched)


@pytest.mark.parametrize("known", [1, 100, 1_000])
def test_a_batch_that_touches_every_experiment_takes_its_share(known: int) -> None:
    for records in (50, 500, 5_000, 50_000):
        touched = min(records, known)
        more = affordable(records, touched, known, 0.15 / seconds(records, touched), 10**6)
        assert seconds(more, known) == pytest.approx(0.15, rel=1e-3)


@pytest.mark.parametrize("known", [3_800, 7_500, 14_000])
def test_experiments_that_take_more_than_half_of_a_share_get_twice_of_it(known: int) -> None:
    more = affordable(500, 500, known, 0.15 / seconds(500, 500), 10**6)
    assert seconds(more, known) == pytest.approx(0.3, rel=1e-3)


def test_far_too_many_experiments_get_what_the_share_can_touch() -> None:
    more = affordable(500, 500, 25_000, 0.15 / seconds(500, 500), MOST)
    assert seconds(more, more) == pytest.approx(0.15, rel=1e-3)


def test_experiments_that_get_no_records_do_not_count() -> None:
    more = affordable(5_000, 10, 100_000, 0.15 / seconds(5_000, 10), 10**6)
    assert seconds(more, 10) == pytest.approx(0.15, rel=1e-3)


def test_a_batch_is_larger_than_was_asked_for_by_half_of_what_its_experiments_cost_and_at_most_by_a_half() -> None:
    assert affordable(500, 1, 1, 0.15 / seconds(500, 1), MOST) == MOST + EXPERIMENT // 2
    assert affordable(50_000, 2_000, 2_000, 10, MOST) == MOST + 2_000 * EXPERIMENT // 2
    assert affordable(50_000, 7_000, 7_000, 10, MOST) == MOST + MOST // 2
    assert affordable(500, 500, 3_800, 0.15 / seconds(500, 500), MOST) == 2 * MOST


def test_the_next_look_is_at_once_after_a_full_batch_and_later_the_quieter_it_is() -> None:
    pace = Pace(CONFIG, Urgency())
    looks = []
    first = [(10.0, pace.limit, 0), (11.0, 3, 9_000), (12.0, 3, 0)]
    for now, found, lag in [*first, (12.4, 0, 0), (13.0, 0, 0), (99.0, 0, 0)]:
        pace.looked(now, found, lag)
        looks.append(round(pace.look_at - now, 6))
    assert looks == [0.0, 0.01, 0.05, 0.05, 0.1, 0.4]


def _rounds(pace: Pace, *rounds: tuple[float, int, int]) -> list[float]:
    """Return how long after each look the next is, for rounds that took so long, found so much and left so much."""
    looks = []
    for took, found, lag in rounds:
        pace.looked(10.0, found, lag)
        pace.computed(10.0 + took, 10, 1, 1e-3, 1)
        looks.append(round(pace.look_at - 10.0, 3))
    return looks


@pytest.mark.parametrize(("took", "rest"), [(0.01, 0.05), (0.1, 0.3), (5.0, 0.4)])
def test_a_worker_rests_for_twice_as_long_as_its_rounds_take_unless_it_is_behind(took: float, rest: float) -> None:
    pace = Pace(CONFIG, Urgency())
    assert _rounds(pace, *[(took, 100, 0)] * 100)[-1] == rest
    assert _rounds(pace, (took, pace.limit, 0), (took, 100, 9_000)) == [0.0, 0.01]


def test_after_a_round_that_took_longer_than_usual_the_next_is_not_put_off() -> None:
    pace = Pace(CONFIG, Urgency())
    _rounds(pace, *[(0.05, 100, 0)] * 100)
    assert _rounds(pace, (0.25, 100, 0)) == [0.225]  # it is over after 0.25 s: at once


def test_a_slow_pace_is_not_slowed_down_by_silence() -> None:
    pace = Pace(replace(CONFIG, pace_seconds=1.0), Urgency())
    pace.looked(99.0, 0, 0)
    assert pace.look_at == 100.0


def test_batches_are_shorter_for_two_seconds_after_a_command_of_any_partition_and_at_once() -> None:
    urgency = Urgency()
    pace = Pace(CONFIG, urgency)

    def limit(now: float, batches: int) -> float:
        for _ in range(batches):
            pace.computed(now, 10_000, 1, seconds(10_000, 1), 1)
        return seconds(pace.limit, 1)

    assert limit(9.0, 20) == pytest.approx(0.15, rel=1e-3)
    urgency.commands_came(10.0)
    assert limit(11.9, 1) == pytest.approx(0.06, rel=1e-3)
    assert limit(12.1, 20) == pytest.approx(0.15, rel=1e-3)
