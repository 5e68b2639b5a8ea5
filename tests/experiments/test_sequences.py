from hypothesis import given
from hypothesis import strategies as st

from experiments.sequences import WINDOW, first, see


def test_the_window_is_open_to_1024_behind_the_highest() -> None:
    seen = first(5000)

    assert see(seen, 5000 - WINDOW)[1] == "new"
    assert see(seen, 5000 - WINDOW - 1)[1] == "sequence_too_old"


def test_gaps_are_counted_until_they_are_filled() -> None:
    seen, _ = see(first(0), 3)
    assert seen.gaps == 2
    seen, _ = see(seen, 1)

    assert seen.gaps == 1


def test_a_gap_that_left_the_window_stays_counted() -> None:
    seen, _ = see(first(0), 2)
    for sequence in range(3, 3000):
        seen, _ = see(seen, sequence)

    assert seen.gaps == 1
    assert not seen.missing


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=80))
def test_verdicts_are_those_of_a_set_of_all_numbers_seen(sequences: list[int]) -> None:
    seen, known, highest = first(sequences[0]), {sequences[0]}, sequences[0]
    for sequence in sequences[1:]:
        seen, verdict = see(seen, sequence)
        if sequence < highest - WINDOW:
            assert verdict == "sequence_too_old"
            continue
        assert ("duplicate" if sequence in known else "new") == verdict
        known.add(sequence)
        highest = max(highest, sequence)
    assert highest == seen.highest
