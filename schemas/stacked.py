"""Many records of one kind in Avro's binary encoding, written a column at a time.

A column is a table of bytes, one row a record, with the number of bytes that count in each row. What counts of all
columns, row by row, are the records. `schemas.codecs` writes the same bytes, one record at a time.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_BITS: Final = 7


class Column(NamedTuple):
    """Bytes of shape `(records, width)`, of which the first `size` count in each row."""

    bytes: npt.NDArray[np.uint8]
    size: Ints

    def rows(self, chosen: Ints) -> "Column":
        """Return the rows with these numbers, each as often as it is named."""
        return Column(self.bytes[chosen], self.size[chosen])

    def where(self, is_there: npt.NDArray[np.bool_]) -> "Column":
        """Return these bytes in some rows, and none in the others."""
        return Column(self.bytes, self.size * is_there)


def texts(encoded: Sequence[bytes]) -> Column:
    """Return what is encoded already; the table is as wide as the longest of them."""
    size = np.fromiter(map(len, encoded), np.int64, len(encoded))
    width = int(size.max(initial=0))
    table = np.zeros((len(encoded), width), np.uint8)
    table[np.arange(width) < size[:, None]] = np.frombuffer(b"".join(encoded), np.uint8)
    return Column(table, size)


def same(encoded: bytes, records: int) -> Column:
    """Return what all of so many records have at this place."""
    return texts([encoded]).rows(np.zeros(records, np.int64))


def longs(*numbers: Ints) -> list[Column]:
    """Return integers: seven bits a byte, and a top bit that says whether more follow; the sign is the lowest bit.

    Those of all columns are worked out at once, in tables as wide as the largest of them.
    """
    rest = np.concatenate(numbers)
    rest = ((rest << 1) ^ (rest >> 63)).view(np.uint64)
    width = max(1, -(-int(rest.max(initial=0)).bit_length() // _BITS))
    size = np.ones(len(rest), np.int64)
    made = np.empty((len(rest), width), np.uint8)
    for place in range(width):
        low = (rest & np.uint64(127)).astype(np.uint8)
        rest = rest >> np.uint64(_BITS)
        more = rest != 0
        size += more
        made[:, place] = low | (more.astype(np.uint8) << 7)
    edges = np.cumsum([0, *map(len, numbers)]).tolist()
    return [Column(made[begin:end], size[begin:end]) for begin, end in pairwise(edges)]


def doubles(*columns: Floats) -> Column:
    """Return numbers, those of all columns side by side."""
    table = np.stack(columns, axis=1).astype("<f8").view(np.uint8)
    return Column(table, np.full(len(table), table.shape[1]))


def joined(columns: Sequence[Column]) -> list[bytes]:
    """Return the records that the columns make side by side."""
    counts = [np.arange(it.bytes.shape[1], dtype=np.int32) < it.size.astype(np.int32)[:, None] for it in columns]
    data = np.concatenate([it.bytes for it in columns], axis=1)[np.concatenate(counts, axis=1)].tobytes()
    ends = np.cumsum(sum(it.size for it in columns)).tolist()
    return [data[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]
