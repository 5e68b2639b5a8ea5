"""Records of one partition in columns, over the bytes in which the broker sent them.

No object is made per record: a busy partition would spend most of its time on those. One that is looked at by itself,
as it is rejected or belongs elsewhere, is made then.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Final, NamedTuple, Protocol, overload

import numpy as np

from schemas.packed import PADDING, Ints, Packed, packed

Headers = list[tuple[str, bytes | None]]

_COLUMNS: Final = ("offset", "timestamp", "key_at", "key_size", "value_at", "value_size")


class Delivered(Protocol):
    """A record as the log has it; `timestamp` is Kafka's, in milliseconds."""

    @property
    def offset(self) -> int: ...  # noqa: D102  named in the line above
    @property
    def timestamp(self) -> int: ...  # noqa: D102  same
    @property
    def key(self) -> bytes | None: ...  # noqa: D102  same
    @property
    def value(self) -> bytes | None: ...  # noqa: D102  same
    @property
    def headers(self) -> Headers: ...  # noqa: D102  same


class Record(NamedTuple):
    """A record by itself."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True)
class Records(Sequence[Delivered]):
    """Records in the order of the log; keys and values lie in `data` in that order, a size of -1 stands for none.

    `headers` are those of each record, None if no record has any.
    """

    data: bytes
    offset: Ints
    timestamp: Ints
    key_at: Ints
    key_size: Ints
    value_at: Ints
    value_size: Ints
    headers: list[Headers] | None = None

    @property
    def keys(self) -> Packed:
        """Return the keys."""
        return Packed(self.data, self.key_at, self.key_size)

    @property
    def values(self) -> Packed:
        """Return the values."""
        return Packed(self.data, self.value_at, self.value_size)

    @property
    def span(self) -> tuple[int, int]:
        """Return where the records begin and end in `data`."""
        return (int(self.key_at[0]), int(self.value_at[-1] + max(self.value_size[-1], 0))) if len(self) else (0, 0)

    @property
    def size(self) -> int:
        """Return how many bytes they take."""
        begin, end = self.span
        return end - begin

    def __len__(self) -> int:
        return len(self.offset)

    @overload
    def __getitem__(self, which: int) -> Record: ...
    @overload
    def __getitem__(self, which: slice) -> "Records": ...
    def __getitem__(self, which: int | slice) -> "Record | Records":
        if isinstance(which, slice):
            columns = {name: getattr(self, name)[which] for name in _COLUMNS}
            return Records(self.data, headers=None if self.headers is None else self.headers[which], **columns)
        headers = [] if self.headers is None else list(self.headers[which])
        offset, timestamp = int(self.offset[which]), int(self.timestamp[which])
        return Record(offset, timestamp, self.keys.one(which), self.values.one(which), headers)

    def __iter__(self) -> Iterator[Record]:
        return map(self.__getitem__, range(len(self)))

    def of_offsets(self, offsets: Sequence[int]) -> list[Record]:
        """Return the records with these offsets, all of which must be there."""
        return [self[row] for row in np.searchsorted(self.offset, np.array(offsets, np.int64)).tolist()]


def in_columns(records: Sequence[Delivered]) -> Records:
    """Return records, each of which is an object, in columns."""
    size = len(records)
    offset, timestamp = (np.fromiter(map(attrgetter(it), records), np.int64, size) for it in ("offset", "timestamp"))
    data, at, sizes = packed([text for record in records for text in (record.key, record.value)])
    headers = [list(record.headers) for record in records]
    return Records(
        data, offset, timestamp, at[::2], sizes[::2], at[1::2], sizes[1::2], headers if any(headers) else None
    )


NO_RECORDS: Final = in_columns(())


def joined(parts: Sequence[Records]) -> Records:
    """Return the records of all parts, without the bytes that no record has."""
    some = [part for part in parts if len(part)]
    if len(some) < 2:
        return some[0] if some else NO_RECORDS
    pieces, moved, begin = [], [], 0
    for part in some:
        first, end = part.span
        pieces.append(part.data[first:end])
        shift = begin - first
        moved.append(replace(part, key_at=part.key_at + shift, value_at=part.value_at + shift))
        begin += end - first
    columns = {name: np.concatenate([getattr(part, name) for part in moved]) for name in _COLUMNS}
    have_headers = any(part.headers is not None for part in some)
    headers = [it for part in some for it in part.headers or [[] for _ in range(len(part))]] if have_headers else None
    return Records(b"".join([*pieces, PADDING]), headers=headers, **columns)
