"""Many Avro observations at once, as columns: every field of all records is read by one operation on their bytes.

Avro values do not say where they end, so each record is read from its own first byte and counts only if it ends at its
own last one: a broken record can never shift its neighbours. What is not plain in every respect is left to be read
alone by `schemas.codecs`, whose word is final; for what is read here both agree to the bit.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas import codecs, events
from schemas.topics import MAX_VALUE_BYTES

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]

#: No value in an integer column.
NONE: Final = -1

_SHORTEST: Final = 26  # header, an id of one letter, one value, four absent fields
_PADDING: Final = 64  # so that reading on behind the last record meets zeros; whoever does so does not end at its end
_TOP_BITS: Final = np.uint64(0x8080808080808080)
_ONE: Final = np.uint64(1)


class Columns(NamedTuple):
    """Observations in columns: `rows` says which of the given values they are, in ascending order.

    `experiment` and `source` are indices into their names, `arm` is 0 for a, 1 for b; -1 stands for no value. The
    values of record i are the next `lengths[i]` of `values`.
    """

    rows: Ints
    experiment: Ints
    experiment_ids: list[str]
    values: npt.NDArray[np.float64]
    lengths: Ints
    arm: Ints
    observed_at: Ints
    source: Ints
    source_names: list[str]
    sequence: Ints

    def keep(self, good: npt.NDArray[np.bool_]) -> "Columns":
        """Return the good records only; names that none of them has go."""
        fields = ("rows", "lengths", "arm", "observed_at", "sequence")
        experiment, ids = renumbered(self.experiment[good], self.experiment_ids)
        source, names = renumbered(self.source[good], self.source_names)
        return Columns(
            values=self.values[np.repeat(good, self.lengths)],
            experiment=experiment,
            experiment_ids=ids,
            source=source,
            source_names=names,
            **{name: getattr(self, name)[good] for name in fields},
        )


def merged(one: Columns, other: Columns) -> Columns:
    """Return the records of both in the order of their rows."""
    if len(one.rows) == 0:
        return other
    if len(other.rows) == 0:
        return one
    rows = np.concatenate((one.rows, other.rows))
    order = np.argsort(rows)
    lengths = np.concatenate((one.lengths, other.lengths))
    starts = (np.cumsum(lengths) - lengths)[order]
    ends = np.cumsum(lengths[order])
    picked = np.arange(int(ends[-1])) + np.repeat(starts - (ends - lengths[order]), lengths[order])
    experiment, ids = _together(one.experiment, one.experiment_ids, other.experiment, other.experiment_ids, order)
    source, names = _together(one.source, one.source_names, other.source, other.source_names, order)
    fields = ("rows", "lengths", "arm", "observed_at", "sequence")
    return Columns(
        values=np.concatenate((one.values, other.values))[picked],
        experiment=experiment,
        experiment_ids=ids,
        source=source,
        source_names=names,
        **{name: np.concatenate((getattr(one, name), getattr(other, name)))[order] for name in fields},
    )


def _together(
    codes: Ints, names: Sequence[str], others: Ints, other_names: Sequence[str], order: Ints
) -> tuple[Ints, list[str]]:
    numbers = {name: number for number, name in enumerate(names)}
    translated = [numbers.setdefault(name, len(numbers)) for name in other_names]
    others = np.array([*translated, NONE], np.int64)[others]
    return renumbered(np.concatenate((codes, others))[order], list(numbers))


def renumbered(codes: Ints, names: Sequence[str]) -> tuple[Ints, list[str]]:
    """Return indices and names so that the names stand in the order of their first appearance."""
    distinct, where = np.unique(codes, return_index=True)
    order = [code for code in distinct[np.argsort(where)].tolist() if code != NONE]
    numbers = np.full(len(names) + 1, NONE, np.int64)  # the last one is that of NONE
    numbers[order] = np.arange(len(order))
    return numbers[codes], [names[code] for code in order]


def are_keys(keys: Sequence[bytes | None], codes: Ints, names: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Return for each record whether its key is the name with its code, or absent."""
    texts = [name.encode() for name in names]
    wanted = list(map(texts.__getitem__, codes.tolist()))
    if wanted == keys:
        return np.ones(len(wanted), np.bool_)
    return np.array([key is None or key == text for key, text in zip(keys, wanted, strict=True)], np.bool_)


class _Block:
    """The bytes of all records one behind the other, and views of the eight bytes that begin at any of them."""

    def __init__(self, values: Sequence[bytes]) -> None:
        joined = b"".join([*values, bytes(_PADDING)])
        self.bytes: Bytes = np.frombuffer(joined, np.uint8)
        everywhere: Any = {"shape": (len(joined) - 7,), "buffer": joined, "strides": (1,)}
        self.words: Words = np.ndarray(dtype="<u8", **everywhere)
        self.doubles: npt.NDArray[np.float64] = np.ndarray(dtype="<f8", **everywhere)
        self.limit = len(joined) - 16  # behind every record, and eight bytes can be read there

    def behind(self, at: Ints, size: Ints | int) -> Ints:
        """Return the places `size` bytes on, never behind the block."""
        places: Ints = np.minimum(at + size, self.limit)
        return places

    def varints(self, at: Ints) -> tuple[Ints, Ints, npt.NDArray[np.bool_]]:
        """Return Avro longs, the places behind them, and which of them are at most eight bytes long."""
        words = self.words[at]
        ends = ~words & _TOP_BITS
        last = ends & (~ends + _ONE)  # the top bit of the last byte
        with np.errstate(over="ignore"):
            words &= (last << _ONE) - _ONE
        # groups of seven bits move together, then those of fourteen, then those of twenty-eight
        words = (words & np.uint64(0x007F007F007F007F)) | ((words & np.uint64(0x7F007F007F007F00)) >> _ONE)
        words = (words & np.uint64(0x00003FFF00003FFF)) | ((words & np.uint64(0x3FFF00003FFF0000)) >> np.uint64(2))
        words = (words & np.uint64(0x000000000FFFFFFF)) | ((words & np.uint64(0x0FFFFFFF00000000)) >> np.uint64(4))
        size = np.frexp(last.astype(np.float64))[1].astype(np.int64) >> 3
        numbers = (words >> _ONE).astype(np.int64) ^ -(words & _ONE).astype(np.int64)
        return numbers, self.behind(at, size), last != 0

    def texts(self, at: Ints, sizes: Ints) -> tuple[Ints, list[bytes]]:
        """Return texts as indices into those that differ, in order of their first appearance."""
        ends = np.cumsum(sizes)
        picked = np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(at - (ends - sizes), sizes)
        offsets = np.zeros(len(at) + 1, np.int32)
        offsets[1:] = ends
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(self.bytes[picked])]
        found = pa.Array.from_buffers(pa.binary(), len(at), buffers).dictionary_encode()
        codes = np.frombuffer(found.indices.buffers()[1], np.int32, len(at))  # `to_numpy` would import pandas
        return codes.astype(np.int64), [text.as_py() for text in found.dictionary]


def read_avro(values: Sequence[bytes]) -> Columns:
    """Return those of the values as columns that are plain observations of the newest schema, within all limits."""
    sizes = np.fromiter(map(len, values), np.int64, len(values))
    if sizes.max(initial=0) > MAX_VALUE_BYTES:
        values = [value if len(value) <= MAX_VALUE_BYTES else b"" for value in values]
        sizes[sizes > MAX_VALUE_BYTES] = 0
    block = _Block(values)
    rows = np.flatnonzero(sizes >= _SHORTEST)
    ends = np.cumsum(sizes)[rows]
    starts = ends - sizes[rows]
    header = codecs.header(events.Observation)
    good = block.words[starts] == np.frombuffer(header[:8], "<u8")[0]
    good &= block.words[starts + 2] == np.frombuffer(header[2:], "<u8")[0]

    id_size = block.bytes[starts + len(header)].astype(np.int64)
    good &= id_size & 1 == 0
    id_size >>= 1
    id_at = starts + len(header) + 1
    lengths, values_at, fits = block.varints(block.behind(id_at, id_size))
    good &= fits & (lengths >= 1) & (lengths <= codecs.MAX_VALUES)
    lengths[~good] = 0
    at = block.behind(values_at, 8 * lengths)
    good &= block.bytes[at] == 0  # no second block of values
    at = block.behind(at, 1)

    arm, at, good = _arms(block, at, good)
    observed_at, at, good = _longs(block, at, good)
    good &= observed_at <= codecs.LATEST_TIME
    source_at, source_size, at, good = _text(block, at, good)
    sequence, at, good = _longs(block, at, good)
    good &= (sequence == NONE) | (source_size >= 0)
    good &= at == ends

    if not good.all():
        kept = np.flatnonzero(good)
        rows, id_at, id_size, lengths, values_at = (
            rows[kept],
            id_at[kept],
            id_size[kept],
            lengths[kept],
            values_at[kept],
        )
        arm, observed_at, sequence = arm[kept], observed_at[kept], sequence[kept]
        source_at, source_size = source_at[kept], source_size[kept]
    experiment, ids = block.texts(id_at, id_size)
    source = np.full(len(rows), NONE, np.int64)
    named = np.flatnonzero(source_size >= 0)
    source[named], names = block.texts(source_at[named], source_size[named])
    columns = Columns(
        rows=rows,
        experiment=experiment,
        experiment_ids=[text.decode("ascii", "replace") for text in ids],
        values=block.doubles[_places(values_at, lengths)],
        lengths=lengths,
        arm=arm,
        observed_at=observed_at,
        source=source,
        source_names=[text.decode("utf-8", "replace") for text in names],
        sequence=sequence,
    )
    return _within_limits(columns, names)


def _places(at: Ints, lengths: Ints) -> Ints:
    """Return where each value of the records begins."""
    if len(lengths) and (lengths == 1).all():
        return at
    ends = np.cumsum(lengths)
    first = np.repeat(at - 8 * (ends - lengths), lengths)
    first += np.arange(0, 8 * len(first), 8)
    return first


def _arms(block: _Block, at: Ints, good: Any) -> tuple[Ints, Ints, Any]:
    """Return the arms, the places behind them, and what is still good."""
    arm = np.full(len(at), NONE, np.int64)
    branch = block.bytes[at]
    some = np.flatnonzero(branch != 0)
    if len(some):
        letter = block.bytes[at[some] + 2].astype(np.int64) - ord("a")
        plain = (branch[some] == 2) & (block.bytes[at[some] + 1] == 2) & (letter >= 0) & (letter <= 1)
        good[some] &= plain
        arm[some] = letter
    return arm, block.behind(at, np.where(branch == 0, 1, 3)), good


def _longs(block: _Block, at: Ints, good: Any) -> tuple[Ints, Ints, Any]:
    """Return numbers that may be absent and are not negative, the places behind them, and what is still good."""
    numbers = np.full(len(at), NONE, np.int64)
    branch = block.bytes[at]
    at = block.behind(at, 1)
    some = np.flatnonzero(branch != 0)
    if len(some):
        given, behind, fits = block.varints(at[some])
        good[some] &= (branch[some] == 2) & fits & (given >= 0)
        numbers[some], at[some] = given, behind
    return numbers, at, good


def _text(block: _Block, at: Ints, good: Any) -> tuple[Ints, Ints, Ints, Any]:
    """Return where texts that may be absent begin, their sizes (-1: absent), the places behind, and what is good."""
    sizes = np.full(len(at), NONE, np.int64)
    branch = block.bytes[at]
    at = block.behind(at, 1)
    begin = at.copy()
    some = np.flatnonzero(branch != 0)
    if len(some):
        given, behind, fits = block.varints(at[some])
        fits &= (branch[some] == 2) & (given >= 1) & (given <= 4 * codecs.MAX_SOURCE_LENGTH)
        good[some] &= fits
        given[~fits] = 0
        sizes[some], begin[some] = given, behind
        at[some] = block.behind(behind, given)
    return begin, sizes, at, good


def _within_limits(columns: Columns, names: list[bytes]) -> Columns:
    """Return the columns without the records of names that are not allowed or no text."""
    wrong_ids = [code for code, text in enumerate(columns.experiment_ids) if not _is_id(text)]
    wrong_names = [
        code
        for code, text in enumerate(columns.source_names)
        if text.encode() != names[code] or not 1 <= len(text) <= codecs.MAX_SOURCE_LENGTH
    ]
    if not wrong_ids and not wrong_names:
        return columns
    return columns.keep(~np.isin(columns.experiment, wrong_ids) & ~np.isin(columns.source, wrong_names))


def _is_id(text: str) -> bool:
    return codecs.EXPERIMENT_ID.fullmatch(text) is not None
