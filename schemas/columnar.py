"""Many Avro observations at once, as columns: every field of all records is read by one operation on their bytes.

Avro values do not say where they end, so each record is read from its own first byte and counts only if it ends at its
own last one: a broken record can never shift its neighbours. What is not plain in every respect is left to be read
alone by `schemas.codecs`, whose word is final; for what is read here both agree to the bit.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from schemas import codecs, events
from schemas.packed import Block, Ints, Packed
from schemas.topics import MAX_VALUE_BYTES

#: No value in an integer column.
NONE: Final = -1

_ARMS: Final = {None: NONE, "a": 0, "b": 1}

_SHORTEST: Final = 26  # header, an id of one letter, one value, four absent fields


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


class Given(Protocol):
    """The fields of an observation."""

    @property
    def experiment_id(self) -> str: ...  # noqa: D102  named in `events.Observation`
    @property
    def values(self) -> Sequence[float]: ...  # noqa: D102  same
    @property
    def arm(self) -> str | None: ...  # noqa: D102  same
    @property
    def observed_at(self) -> int | None: ...  # noqa: D102  same
    @property
    def source(self) -> str | None: ...  # noqa: D102  same
    @property
    def sequence(self) -> int | None: ...  # noqa: D102  same


def of_events(rows: Ints, read: Sequence[Given]) -> Columns:
    """Return observations that were read alone; `rows` says which of the given values they are."""
    experiments: dict[str, int] = {}
    sources: dict[str, int] = {}
    size = len(read)
    return Columns(
        rows=rows,
        experiment=np.fromiter([experiments.setdefault(it.experiment_id, len(experiments)) for it in read], np.int64),
        experiment_ids=list(experiments),
        values=np.fromiter(chain.from_iterable([it.values for it in read]), np.float64),
        lengths=np.fromiter([len(it.values) for it in read], np.int64, size),
        arm=np.fromiter([_ARMS[it.arm] for it in read], np.int64, size),
        observed_at=np.fromiter([NONE if it.observed_at is None else it.observed_at for it in read], np.int64, size),
        source=np.fromiter(
            [NONE if it.source is None else sources.setdefault(it.source, len(sources)) for it in read], np.int64, size
        ),
        source_names=list(sources),
        sequence=np.fromiter([NONE if it.sequence is None else it.sequence for it in read], np.int64, size),
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


def are_keys(keys: Packed, codes: Ints, names: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Return for each record whether its key is the name with its code, or absent."""
    return keys.are(codes, [name.encode() for name in names]) | (keys.size < 0)


def read_avro(values: Packed) -> Columns:
    """Return those of the values as columns that are plain observations of the newest schema, within all limits."""
    block = Block(values.data)
    rows = np.flatnonzero((values.size >= _SHORTEST) & (values.size <= MAX_VALUE_BYTES))
    starts = values.at[rows]
    ends = starts + values.size[rows]
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
    experiment, ids = Packed(values.data, id_at, id_size).indexed()
    source = np.full(len(rows), NONE, np.int64)
    named = np.flatnonzero(source_size >= 0)
    source[named], names = Packed(values.data, source_at, source_size).rows(named).indexed()
    columns = Columns(
        rows=rows,
        experiment=experiment,
        experiment_ids=[text.decode("ascii", "replace") for text in ids],
        values=_values(block, values_at, lengths),
        lengths=lengths,
        arm=arm,
        observed_at=observed_at,
        source=source,
        source_names=[text.decode("utf-8", "replace") for text in names],
        sequence=sequence,
    )
    return _within_limits(columns, names)


def _values(block: Block, at: Ints, lengths: Ints) -> npt.NDArray[np.float64]:
    """Return the values of the records, which begin at these places."""
    if len(lengths) and (lengths == lengths[0]).all():
        return block.doubles(at, int(lengths[0]))
    ends = np.cumsum(lengths)
    first = np.repeat(at - 8 * (ends - lengths), lengths)
    first += np.arange(0, 8 * len(first), 8)
    return block.doubles(first, 1)


def _arms(block: Block, at: Ints, good: Any) -> tuple[Ints, Ints, Any]:
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


def _longs(block: Block, at: Ints, good: Any) -> tuple[Ints, Ints, Any]:
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


def _text(block: Block, at: Ints, good: Any) -> tuple[Ints, Ints, Ints, Any]:
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
    wrong_ids = [code for code, text in enumerate(columns.experiment_ids) if not is_id(text)]
    wrong_names = [
        code
        for code, text in enumerate(columns.source_names)
        if text.encode() != names[code] or not 1 <= len(text) <= codecs.MAX_SOURCE_LENGTH
    ]
    if not wrong_ids and not wrong_names:
        return columns
    return columns.keep(~np.isin(columns.experiment, wrong_ids) & ~np.isin(columns.source, wrong_names))


def is_id(text: str) -> bool:
    """Return whether an experiment may be called so."""
    return codecs.EXPERIMENT_ID.fullmatch(text) is not None
