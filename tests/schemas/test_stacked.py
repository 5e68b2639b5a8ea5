"""Records written a column at a time are byte for byte what is written one at a time."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from schemas import binary
from schemas.stacked import doubles, joined, longs, texts

LONG = st.integers(-(2**63), 2**63 - 1) | st.integers(-200, 200)
ROW = st.tuples(st.text(max_size=90), LONG, LONG, st.floats(), st.floats(), st.booleans())


@given(st.lists(ROW, min_size=1, max_size=30))
def test_columns_side_by_side_are_the_records_written_one_by_one(rows: list[tuple[Any, ...]]) -> None:
    words, first, second, one, other, is_there = (list(column) for column in zip(*rows, strict=True))
    encoded = [binary.text(it) for it in words]
    firsts, seconds = longs(np.array(first), np.array(second))
    columns = (
        texts(encoded),
        firsts,
        doubles(np.array(one), np.array(other)),
        seconds.where(np.array(is_there)),
    )

    assert joined(columns) == [
        text + binary.long(n) + binary.two_doubles(a, b) + (binary.long(m) if has else b"")
        for text, n, a, b, m, has in zip(encoded, first, one, other, second, is_there, strict=True)
    ]


@given(st.lists(st.binary(max_size=9), min_size=1), st.data())
def test_rows_of_a_column_are_given_as_often_as_they_are_named(encoded: list[bytes], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.integers(0, len(encoded) - 1)))

    assert joined([texts(encoded).rows(np.array(chosen, np.int64))]) == [encoded[at] for at in chosen]
