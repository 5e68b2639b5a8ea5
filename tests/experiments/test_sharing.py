"""What experiments agree in is kept once, and is what it was."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from experiments.sharing import shared, shared_parts

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), PLAIN, max_size=5))
def test_shared_parts_are_equal_to_what_was_given_in_value_and_type(parts: dict[str, object]) -> None:
    encoded = msgspec.json.encode(parts)
    unread = msgspec.json.decode(encoded, type=dict[str, msgspec.Raw])
    assert shared_parts(parts) == shared_parts(unread) == parts
    assert msgspec.json.encode(shared_parts(parts)) == msgspec.json.encode(shared_parts(unread)) == encoded


def test_experiments_that_agree_in_a_part_hold_the_same_object() -> None:
    one = shared_parts({"id": "one", "stop": {"max_samples": 100, "at_limit": "undecided"}})
    other = shared_parts({"id": "other", "stop": {"max_samples": 100, "at_limit": "undecided"}})
    assert one["stop"] is other["stop"]


def test_numbers_that_are_equal_but_differently_written_stay_apart() -> None:
    assert shared([1]) is not shared([1.0])
