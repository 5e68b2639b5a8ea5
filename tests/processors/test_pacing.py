"""Batches are as large as their share of time allows, whatever they touch."""

import pytest

from processors.pacing import EXPERIMENT, affordable

RECORD = 1e-6  # seconds


def seconds(records: int, touched: int) -> float:
    return RECORD * (records + EXPERIMENT * touched)


@pytest.mark.parametrize("known", [1, 100, 2_500])
def test_a_batch_that_touches_every_experiment_takes_its_share(known: int) -> None:
    for records in (50, 500, 5_000, 50_000):
        touched = min(records, known)
        more = affordable(records, touched, seconds(records, touched), known, 0.15)
        assert seconds(more, known) == pytest.approx(0.15, rel=1e-3)


def test_more_experiments_than_a_share_can_touch_get_a_batch_of_twice_the_share() -> None:
    assert seconds(affordable(500, 500, seconds(500, 500), 8_000, 0.15), 8_000) == pytest.approx(0.3, rel=1e-3)


def test_far_too_many_experiments_get_what_the_share_can_touch() -> None:
    more = affordable(500, 500, seconds(500, 500), 25_000, 0.15)
    assert seconds(more, more) == pytest.approx(0.15, rel=1e-3)


def test_experiments_that_get_no_records_do_not_count() -> None:
    more = affordable(5_000, 10, seconds(5_000, 10), 100_000, 0.15)
    assert seconds(more, 10) == pytest.approx(0.15, rel=1e-3)
