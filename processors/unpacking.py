"""From what a broker sends to columns: the record batches of a fetch, their records found without reading them singly.

What is not plain in every respect, above all records with headers, is read by aiokafka, record by record; both agree.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from aiokafka import codec
from aiokafka.errors import CorruptRecordException
from aiokafka.record.control_record import ABORT_MARKER, ControlRecord
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.memory_records import MemoryRecords

from processors.records import NO_RECORDS, Records, in_columns
from schemas.packed import PADDING, Block

_HEADER_BYTES: Final = 61  # the number of records is the last four of them
_CREATE_TIME: Final = 0
_UNPACK: Final[dict[int, Callable[[bytes], Any]]] = {
    0: bytes,
    1: codec.gzip_decode,
    2: codec.snappy_decode,
    3: codec.lz4_decode,
    4: codec.zstd_decode,
}


class _Section(NamedTuple):
    """The records of a batch, uncompressed, and what their offsets and timestamps count from."""

    data: bytes
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
    return _Section(bytes(unpack(data[_HEADER_BYTES:])), records, batch.base_offset, timestamp, has_own_times)


def _plain(sections: Sequence[_Section]) -> Records | None:
    """Return the records in columns, None if any of them is not plain."""
    if not sections:
        return NO_RECORDS
    begins: list[int] = []
    begin = 0
    for section in sections:
        if not _find(begins, section, begin):
            return None
        begin += len(section.data)
    data = b"".join([*(it.data for it in sections), PADDING])
    block, counts = Block(data), [it.records for it in sections]
    at = np.array(begins, np.int64)
    ends = np.append(at[1:], begin)
    length, at, fits = block.varints(at)
    good = fits & (at + length == ends)
    timestamp, at, fits = block.varints(block.behind(at, 1))  # behind the attributes
    good &= fits
    offset, at, fits = block.varints(at)
    good &= fits
    key_size, key_at, fits = block.varints(at)
    good &= fits & (key_size >= -1)
    value_size, value_at, fits = block.varints(block.behind(key_at, np.maximum(key_size, 0)))
    good &= fits & (value_size >= -1)
    at = block.behind(value_at, np.maximum(value_size, 0))
    good &= (block.bytes[at] == 0) & (at + 1 == ends)  # no headers
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


def _find(begins: list[int], section: _Section, shift: int) -> bool:
    """Note where each record of the section begins; False if they do not fill it."""
    data, at, add = section.data, 0, begins.append
    try:
        for _ in range(section.records):
            add(shift + at)
            first = data[at]
            if first < 128:
                at += 1 + (first >> 1)
            elif (second := data[at + 1]) < 128:
                at += 2 + ((first & 127 | second << 7) >> 1)
            elif (third := data[at + 2]) < 128:
                at += 3 + ((first & 127 | (second & 127) << 7 | third << 14) >> 1)
            else:
                return False
    except IndexError:
        return False
    return section.records >= 0 and at == len(data)
