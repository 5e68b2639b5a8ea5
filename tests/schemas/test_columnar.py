"""Reading many records at once says what reading them one by one says."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import codecs, columnar, events
from schemas.packed import packed
from schemas.plain_json import read_json

IDS = st.sampled_from(["a", "exp-1", "exp-2", "x" * 63, "0.z_-"])
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SOURCES = st.none() | st.sampled_from(["s", "lab", "ü" * 128, "日本"]) | st.text(min_size=1, max_size=20)


@st.composite
def observations(draw: Any) -> bytes:
    """A record that is well formed, with every field there or not."""
    source = draw(SOURCES)
    event = events.Observation(
        experiment_id=draw(IDS),
        values=draw(st.lists(FLOATS, min_size=1, max_size=5) | st.just([0.5] * 80)),
        arm=draw(st.sampled_from([None, "a", "b"])),
        observed_at=draw(st.none() | st.integers(0, codecs.LATEST_TIME)),
        source=source,
        sequence=None if source is None else draw(st.none() | st.integers(0, 2**63 - 1)),
    )
    return codecs.encode_avro(event) if draw(st.booleans()) else codecs.encode_json(event)


@st.composite
def broken(draw: Any) -> bytes:
    """A record with some of its bytes changed, cut out or added."""
    value = bytearray(draw(observations()))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(value) - 1))
        kind = draw(st.sampled_from(["set", "cut", "add"]))
        if kind == "set":
            value[at] = draw(st.integers(0, 255))
        elif kind == "cut" and len(value) > 1:
            del value[at]
        else:
            value.insert(at, draw(st.integers(0, 255)))
    return bytes(value)


def one_by_one(value: bytes) -> events.Observation | None:
    try:
        return codecs.decode_observation(value)
    except codecs.MalformedError:
        return None


def row_of(read: columnar.Columns, at: int) -> events.Observation:
    """The record at a place of the columns as an event."""
    end = int(np.cumsum(read.lengths)[at])
    arm, moment, source, sequence = (
        int(column[at]) for column in (read.arm, read.observed_at, read.source, read.sequence)
    )
    return events.Observation(
        experiment_id=read.experiment_ids[read.experiment[at]],
        values=read.values[end - int(read.lengths[at]) : end].tolist(),
        arm=None if arm < 0 else "ab"[arm],
        observed_at=None if moment < 0 else moment,
        source=None if source < 0 else read.source_names[source],
        sequence=None if sequence < 0 else sequence,
    )


def avro_at_once(values: list[bytes]) -> columnar.Columns:
    return columnar.read_avro(packed(values))


def json_at_once(values: list[bytes]) -> columnar.Columns:
    return read_json(packed(values), np.arange(len(values)))


@pytest.mark.parametrize("at_once", [avro_at_once, json_at_once])
@settings(max_examples=150)
@given(values=st.lists(observations() | broken(), min_size=1, max_size=12))
def test_what_is_read_at_once_is_what_is_read_alone(
    at_once: Callable[[list[bytes]], columnar.Columns], values: list[bytes]
) -> None:
    read = at_once(values)

    for at, row in enumerate(read.rows.tolist()):
        alone = one_by_one(values[row])
        assert alone is not None
        assert np.array_equal(np.array(alone.values), np.array(row_of(read, at).values), equal_nan=True)
        assert msgspec.structs.replace(alone, values=[]) == msgspec.structs.replace(row_of(read, at), values=[])


@settings(max_examples=60)
@given(st.lists(observations(), min_size=1, max_size=12))
def test_every_plain_avro_record_is_read_at_once(values: list[bytes]) -> None:
    plain = [
        row
        for row, value in enumerate(values)
        if value[:1] != b"{"
        and ((event := codecs.decode_observation(value)).sequence or 0) < 2**55
        and (event.observed_at or 0) < 2**55
    ]

    assert plain == columnar.read_avro(packed(values)).rows.tolist()


@settings(max_examples=60)
@given(st.lists(observations(), min_size=1, max_size=12))
def test_every_plain_json_record_is_parsed_without_further_work(values: list[bytes]) -> None:
    plain = [row for row, value in enumerate(values) if value[:1] == b"{"]

    assert plain == json_at_once(values).rows.tolist()


@pytest.mark.parametrize(
    "text",
    [
        '{"experiment_id":"A","values":[1]}',
        '{"experiment_id":"a","values":[]}',
        '{"experiment_id":"a","values":[1],"arm":"c"}',
        '{"experiment_id":"a","values":[1],"observed_at":-1}',
        '{"experiment_id":"a","values":[1],"source":""}',
        '{"experiment_id":"a","values":[1],"sequence":1}',
        '{"experiment_id":"a","values":[1],"source":"s","sequence":9223372036854775808}',
        '{"experiment_id":"a","values":[1],"what":1}',
        '{"experiment_id":"a","values":[1]}}',
        '{"experiment_id":"a","values":[1]',
    ],
)
def test_json_outside_the_limits_is_left_to_be_refused_with_a_reason(text: str) -> None:
    assert json_at_once([text.encode()]).rows.tolist() == []
    assert one_by_one(text.encode()) is None


def test_a_broken_record_does_not_shift_its_neighbours() -> None:
    good = codecs.encode_avro(events.Observation(experiment_id="x", values=[1.0], source="s", sequence=3))
    huge = good[:12] + b"\xfe\xff\xff\xff\x0f" + good[13:]  # says that it holds two thousand million values

    read = columnar.read_avro(packed([good, huge, good[:-1], good + b"\x00", good]))

    assert read.rows.tolist() == [0, 4]
    assert read.values.tolist() == [1.0, 1.0]


@settings(max_examples=60)
@given(st.lists(observations(), min_size=1, max_size=12), st.data())
def test_parts_merge_to_the_whole(values: list[bytes], data: Any) -> None:
    avro = [codecs.encode_avro(codecs.decode_observation(value)) for value in values]
    whole = columnar.read_avro(packed(avro))
    side = np.array(data.draw(st.lists(st.booleans(), min_size=len(whole.rows), max_size=len(whole.rows))), bool)
    parts = columnar.merged(whole.keep(side), whole.keep(~side))

    for name in columnar.Columns._fields:
        assert np.array_equal(getattr(whole, name), getattr(parts, name)), name
