"""From what a broker sends to columns: the record batches of a fetch, their records found without reading them singly.

What is not plain in every respect, above all records with headers, is read by aiokafka, record by record; both agree.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow.compute  # noqa: F401  what compares the keys of a batch: the first one need not wait for it
from aiokafka import codec
from aiokafka.errors import CorruptRecordException
from aiokafka.record.control_record import ABORT_MARKER, ControlRecord
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.memory_records import MemoryRecords

from processors.records import NO_RECORDS, Records, in_columns
from schemas import codecs, events
from schemas.packed import PADDING, Block, Ints

_HEADER_BYTES: Final = 61  # the number of records is the last four of them
_CREATE_TIME: Final = 0
_UNPACK: Final[dict[int, Callable[[Any], Any]]] = {
    0: memoryview,
    1: codec.gzip_decode,
    2: codec.snappy_decode,
    3: codec.lz4_decode,
    4: codec.zstd_decode,
}


#: What an observation in plain Avro begins with.
_MARK: Final = codecs.header(events.Observation)[:8]


class _Section(NamedTuple):
    """The records of a batch, uncompressed, and what their offsets and timestamps count from."""

    data: bytes | memoryview
    records: int
    offset: int
    timestamp: int
    has_own_times: bool


def unpacked(data: bytes, aborted: Sequence[tuple[int, int]], position: int) -> tuple[Records, int]:
    """Return the committed records of some batches from a position on, and the position behind the last batch.

    Parameters
    ----------
    aborted
        Each aborted transaction's producer, and its first offset.

    Raises
    ------
    CorruptRecordException
        If a batch is not what was written.
    """
    committed, begin, wanted = [], 0, position
    beginning = sorted(aborted, key=lambda it: it[1], reverse=True)
    failing: set[int] = set()
    batches = MemoryRecords(data)
    while batches.has_next():
        batch = batches.next_batch()
        if not batch.validate_crc():
            raise CorruptRecordException(f"the batch at {batch.base_offset} is not what was written")
        while beginning and beginning[-1][1] <= batch.base_offset:
            failing.add(beginning.pop()[0])
        end = begin + 12 + int.from_bytes(data[begin + 8 : begin + 12], "big")
        if batch.is_control_batch:
            if ControlRecord.parse(next(batch).key) == ABORT_MARKER:
                failing.discard(batch.producer_id)
        elif not (batch.is_transactional and batch.producer_id in failing):
            committed.append((batch, data[begin:end]))
        position, begin = batch.next_offset, end
    records = _plain([_section(*it) for it in committed])
    if records is None:
        records = in_columns([record for batch, _ in committed for record in batch])
    # a batch is sent whole, though the position may be inside
    return records[int(np.searchsorted(records.offset, wanted)) :], position


def _section(batch: Any, data: bytes) -> _Section:
    """Return the records of a batch, less than none of one of an older version, which is not plain."""
    if not isinstance(batch, DefaultRecordBatch):
        return _Section(b"", -1, 0, 0, has_own_times=False)
    unpack, records = _UNPACK[batch.compression_type], int.from_bytes(data[_HEADER_BYTES - 4 : _HEADER_BYTES], "big")
    has_own_times = batch.timestamp_type == _CREATE_TIME
    timestamp = batch.first_timestamp if has_own_times else batch.max_timestamp
    return _Section(unpack(memoryview(data)[_HEADER_BYTES:]), records, batch.base_offset, timestamp, has_own_times)


def _plain(sections: Sequence[_Section]) -> Records | None:
    """Return the records in columns, None if any of them is not plain."""
    if not sections:
        return NO_RECORDS
    if any(it.records < 0 for it in sections):
        return None
    data = b"".join([*(it.data for it in sections), PADDING])
    for find in (_by_their_marks, _one_by_one):
        begins = find(data, sum(it.records for it in sections))
        if begins is not None and (records := _read(data, begins, sections)) is not None:
            return records
    return None


def _by_their_marks(data: bytes, records: int) -> Ints | None:
    """Return where each record should begin if all have marks: behind the value before, whose size lies before it."""
    block = Block(data)
    marks = np.flatnonzero(block.bytes[: -len(PADDING)] == _MARK[0])
    marks = marks[block.words[marks] == np.frombuffer(_MARK, "<u8")[0]]
    if len(marks) != records:
        return None
    last, first = (block.bytes[marks - before].astype(np.int64) for before in (1, 2))
    size = np.where(first < 128, last, (first & 127) | (last << 7)) >> 1  # of one or two bytes behind a letter
    return np.append(0, block.behind(marks, size + 1)[:-1])  # one byte says that there are no headers


def _one_by_one(data: bytes, records: int) -> Ints | None:
    """Return where each record begins, each size leading to the next one; None if one of them is large."""
    begins: list[int] = []
    at, add = 0, begins.append
    try:
        for _ in range(records):
            add(at)
            first = data[at]
            if first < 128:
                at += 1 + (first >> 1)
            elif (second := data[at + 1]) < 128:
                at += 2 + ((first & 127 | second << 7) >> 1)
            elif (third := data[at + 2]) < 128:
                at += 3 + ((first & 127 | (second & 127) << 7 | third << 14) >> 1)
            else:
                return None
    except IndexError:
        return None
    return np.array(begins, np.int64)


def _read(data: bytes, begins: Ints, sections: Sequence[_Section]) -> Records | None:
    """Return the records, None unless each fills the bytes up to the next one, and those of a section its bytes."""
    block, counts = Block(data), [it.records for it in sections]
    edges = np.append(begins, len(data) - len(PADDING))
    if (edges[np.cumsum(counts)] != np.cumsum([len(it.data) for it in sections])).any():
        return None
    length, at, fits = block.varints(begins)
    good = fits & (at + length == edges[1:])
    timestamp, at, fits = block.varints(block.behind(at, 1))  # behind the attributes
    good &= fits
    offset, at, fits = block.varints(at)
    good &= fits
    key_size, key_at, fits = block.varints(at)
    good &= fits & (key_size >= -1)
    value_size, value_at, fits = block.varints(block.behind(key_at, np.maximum(key_size, 0)))
    good &= fits & (value_size >= -1)
    at = block.behind(value_at, np.maximum(value_size, 0))
    good &= (block.bytes[at] == 0) & (at + 1 == edges[1:])  # no headers
    if not good.all():
        return None
    timestamp[~np.repeat([it.has_own_times for it in sections], counts)] = 0
    return Records(
        data,
        offset + np.repeat([it.offset for it in sections], counts),
        timestamp + np.repeat([it.timestamp for it in sections], counts),
        key_at,
        key_size,
        value_at,
        value_size,
    )
