"""From the observation table back to the records it was made of, in batches that end between records.

Kafka's time stamps are not in the table. They matter only to records rejected as observed in the future, so a rejected
record whose values are allowed gets a stamp that makes it one, and all others that of their observation.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from experiments.batch import FUTURE_TOLERANCE, NONE, Floats, Ints, ObservationBatch, Rejected
from exporter.archive import Archive
from exporter.observations import SCHEMA
from sprt import Family


class TableError(ValueError):
    """A table that no exporter wrote."""


def check_columns(path: Path) -> None:
    """Raise `TableError` unless the table has the columns that an exporter writes."""
    if not (found := pq.read_schema(path)).equals(SCHEMA):
        raise TableError(f"observations: the columns are {_columns(found)}; allowed: {_columns(SCHEMA)}")


def batches(archive: Archive) -> Iterator[tuple[pa.RecordBatch, ObservationBatch, list[Rejected]]]:
    """Yield the table's rows in pieces of whole records, each with its batch and the records without values.

    Raises
    ------
    TableError
        If rows are out of order.
    """
    model = archive.design.model
    kept, row, last = list[pa.RecordBatch](), 0, -1
    chunks = archive.observations.chunks()
    following = next(chunks, None)
    while following is not None:
        chunk, following = following, next(chunks, None)
        joined = _joined([*kept, chunk])
        offsets = joined["offset"].to_numpy()
        _check_order(joined, row, last)
        end = joined.num_rows if following is None else int(np.searchsorted(offsets, offsets[-1]))
        piece, kept = joined.slice(0, end), [joined.slice(end)]
        if end:
            yield piece, *_batch(archive, piece, model)
            row, last = row + end, int(offsets[end - 1])


def _joined(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
    if len(parts) == 1:
        return parts[0]
    return pa.RecordBatch.from_arrays(
        [pa.concat_arrays([part.column(name) for part in parts]) for name in SCHEMA.names], schema=SCHEMA
    )


def _check_order(rows: pa.RecordBatch, first_row: int, last: int) -> None:
    """Raise unless offsets rise, and inside a record the index counts from 0."""
    offsets, index = rows["offset"].to_numpy(), rows["index"].to_numpy()
    before = np.concatenate(([last], offsets[:-1]))
    same = offsets == before
    same[0] = False
    expected = np.where(same, np.concatenate(([0], index[:-1])) + 1, 0)
    wrong = (offsets < before) | (index != expected) | (~same & (offsets == before))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise TableError(
            f"observations: row {first_row + row} is value {index[row]} of offset {offsets[row]}, after offset "
            f"{before[row]}; rows stand in log order, each value once"
        )


def _batch(archive: Archive, rows: pa.RecordBatch, model: Family) -> tuple[ObservationBatch, list[Rejected]]:
    unreadable = [
        Rejected(offset, "malformed", "no values in the table", archive.experiment_id)
        for offset in rows.filter(pc.is_null(rows["value"]))["offset"].to_pylist()
    ]
    rows = rows.filter(pc.is_valid(rows["value"]))
    offsets = rows["offset"].to_numpy()
    starts = np.flatnonzero(rows["index"].to_numpy() == 0)
    heads = rows.take(pa.array(starts))
    sources = heads["source"].dictionary_encode()
    observed = _ints(heads["observed_at"].cast(pa.int64()))
    values = rows["value"].to_numpy()
    bounds = np.append(starts, len(offsets)).astype(np.int64)
    return (
        ObservationBatch(
            partition=archive.offsets.partition,
            first=int(offsets[0]) if len(offsets) else 0,
            next=int(offsets[-1]) + 1 if len(offsets) else 0,
            offset=heads["offset"].to_numpy(),
            timestamp=_stamps(heads, observed, values, bounds, model),
            experiment=np.zeros(len(starts), np.int64),
            experiment_ids=(archive.experiment_id,),
            values=values,
            value_starts=bounds,
            arm=_ints(pc.index_in(heads["arm"], pa.array(["a", "b"]))),
            observed_at=observed,
            source=_ints(sources.indices),
            source_names=tuple(sources.dictionary.to_pylist()),
            sequence=_ints(heads["sequence"]),
        ),
        unreadable,
    )


def _stamps(heads: pa.RecordBatch, observed: Ints, values: Floats, bounds: Ints, model: Family) -> Ints:
    """Return a Kafka time stamp for each record that leads to its status."""
    rejected = pc.equal(heads["status"], "rejected").to_numpy(zero_copy_only=False)
    stamps = observed.copy()
    for record in np.flatnonzero(rejected & (observed != NONE)):
        if model.supports(values[bounds[record] : bounds[record + 1]]).all():
            stamps[record] -= FUTURE_TOLERANCE + 1
    return stamps


def _ints(column: pa.Array) -> Ints:
    filled: Ints = pc.fill_null(column.cast(pa.int64()), NONE).to_numpy(zero_copy_only=False)
    return filled


def _columns(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} ({field.type})" for field in schema)
