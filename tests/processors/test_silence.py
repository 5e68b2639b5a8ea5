"""When a reader that says nothing is believed, and when not."""

import pytest

from processors.silence import Silence, SilentReaderError


def watched(end: int) -> Silence:
    return Silence("control", lambda: end)


def test_a_reader_at_the_end_of_its_log_may_be_silent_for_ever() -> None:
    silence = watched(end=7)

    for second in range(10_000):
        silence.look(second, 7)


def test_a_reader_that_comes_on_now_and_then_may_be_slow() -> None:
    silence = watched(end=10_000)

    for second in range(10_000):
        silence.look(second, second // 30)


def test_a_reader_that_stands_still_before_where_its_log_ended_is_believed_for_a_minute_and_no_longer() -> None:
    silence = watched(end=8)

    for second in range(60):
        silence.look(second, 7)

    with pytest.raises(SilentReaderError, match="control: nothing was read behind 7; the log ends at 8"):
        silence.look(70, 7)


def test_a_reader_that_comes_in_time_to_where_the_log_ended_is_believed_again() -> None:
    silence = watched(end=8)

    for second in range(10_000):
        silence.look(second, 7 if second < 55 else 8)
