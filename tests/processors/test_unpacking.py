"""Record batches are unpacked in columns as aiokafka reads them record by record."""

from typing import NoReturn

import pytest
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from processors import unpacking
from processors.records import Headers, Record, Records, in_columns, joined
from processors.unpacking import unpacked

#: What a producer may give of one record: milliseconds since those of the first, key, value, headers.
Given = tuple[int, bytes | None, bytes | None, Headers]

#: Key, value and headers of a record.
Texts = tuple[bytes | None, bytes | None, Headers]

MARKS = st.builds(
    lambda before, after: before + unpacking._MARK + after, st.binary(max_size=2), st.binary(max_size=200)
)
TEXTS = st.none() | st.binary(max_size=3) | st.integers(60, 9000).map(lambda size: b"x" * size) | MARKS
PLAIN: st.SearchStrategy[Given] = st.tuples(st.integers(-(10**6), 10**12), TEXTS, TEXTS, st.just([]))
MARKED = st.integers(0, 8000).map(lambda size: unpacking._MARK + b"x" * size)
HEADERS = st.lists(st.tuples(st.text(max_size=3), st.none() | st.binary(max_size=3)), max_size=2)
CODECS = st.integers(0, 4)


def batch(records: list[Given], codec: int = 0, base: int = 0) -> bytes:
    """Return a batch whose first record has the offset `base`."""
    made = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, 10_000_000)
    for offset, (later, key, value, headers) in enumerate(records):
        assert made.append(offset, 1_700_000_000_000 + later, key, value, headers) is not None
    return base.to_bytes(8, "big") + bytes(made.build())[8:]  # the broker's own part, no checksum covers it


def one_by_one(data: bytes) -> list[Record]:
    """Return the records of all batches as aiokafka reads them."""
    batches = MemoryRecords(data)
    found: list[Record] = []
    while batches.has_next():
        found += [Record(it.offset, it.timestamp, it.key, it.value, list(it.headers)) for it in batches.next_batch()]
    return found


@st.composite
def logs(draw: st.DrawFn, record: st.SearchStrategy[Given]) -> bytes:
    """Draw some batches one behind the other."""
    parts, base = [], draw(st.sampled_from((0, 10**12)))
    for _ in range(draw(st.integers(1, 3))):
        records = draw(st.lists(record, min_size=1, max_size=5)) * draw(st.sampled_from((1, 30)))
        parts.append(batch(records, draw(CODECS), base))
        base += len(records) + draw(st.integers(0, 2))  # a marker leaves a hole
    return b"".join(parts)


def refuse(_: object) -> NoReturn:
    """Fail instead of reading records one by one."""
    raise AssertionError("read one by one")


@settings(max_examples=100)
@given(logs(PLAIN))
def test_records_without_headers_are_read_in_columns_as_one_by_one(log: bytes) -> None:
    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(unpacking, "in_columns", refuse)
        records, _ = unpacked(log, (), 0)

    assert list(records) == one_by_one(log)


@settings(max_examples=100)
@given(logs(st.tuples(st.integers(-(10**6), 10**12), st.none() | st.just(b"id"), MARKED, st.just([]))))
def test_plain_avro_of_up_to_8_kilobytes_is_found_without_reading_record_by_record(log: bytes) -> None:
    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(unpacking, "_one_by_one", refuse)
        records, _ = unpacked(log, (), 0)

    assert list(records) == one_by_one(log)


@settings(max_examples=100)
@given(logs(st.tuples(st.integers(0, 10), TEXTS, TEXTS, HEADERS)), st.data())
def test_records_with_headers_are_read_as_one_by_one_from_any_position(log: bytes, data: st.DataObject) -> None:
    everything = one_by_one(log)
    position = data.draw(st.integers(everything[0].offset, everything[-1].offset))
    records, behind = unpacked(log, (), position)

    assert list(records) == [it for it in everything if it.offset >= position]
    assert behind == everything[-1].offset + 1


@settings(max_examples=100)
@given(st.lists(st.lists(st.tuples(TEXTS, TEXTS, HEADERS), max_size=4), max_size=4), st.data())
def test_parts_of_parts_join_to_their_records(
    parts: list[list[tuple[bytes, bytes, Headers]]], data: st.DataObject
) -> None:
    lists = [[Record(100 * n + k, k, *given) for k, given in enumerate(part)] for n, part in enumerate(parts)]
    cuts = [data.draw(st.integers(0, len(part))) for part in lists]
    found = joined([in_columns(part)[cut:] for part, cut in zip(lists, cuts, strict=True)])
    wanted = [it for part, cut in zip(lists, cuts, strict=True) for it in part[cut:]]

    assert list(found) == wanted
    assert found.of_offsets([it.offset for it in wanted[::2]]) == wanted[::2]
    assert len(found.data) <= 64 + sum(len(it.key or b"") + len(it.value or b"") for part in lists for it in part)


def test_the_times_of_a_batch_that_the_broker_stamped_are_its_own() -> None:
    made = bytearray(batch([(0, b"k", b"v", []), (5, b"k", b"v", [])]))
    made[22] |= 0x08
    made[17:21] = _checksum(made)
    records, _ = unpacked(bytes(made), (), 0)

    assert isinstance(records, Records)
    assert records.timestamp.tolist() == [1_700_000_000_005] * 2


def _checksum(made: bytearray) -> bytes:
    return int(calc_crc32c(bytes(made[21:]))).to_bytes(4, "big")


TEN: list[Given] = [(k, b"key", b"value %d" % k, []) for k in range(10)]


@pytest.mark.parametrize("codec", range(5))
def test_a_batch_is_read_from_a_position_inside_it(codec: int) -> None:
    records, behind = unpacked(batch(TEN, codec), (), 6)
    assert [it.value for it in records] == [b"value 6", b"value 7", b"value 8", b"value 9"]
    assert behind == 10


@pytest.mark.parametrize("codec", range(5))
def test_a_changed_byte_is_noticed_wherever_it_is(codec: int) -> None:
    good = batch(TEN, codec)
    for at in range(21, len(good)):  # behind the checksum; what is before it is the broker's own
        bad = bytearray(good)
        bad[at] ^= 1
        with pytest.raises(CorruptRecordException, match="the batch at 0 is not what was written"):
            unpacked(bytes(bad), (), 0)
