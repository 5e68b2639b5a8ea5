"""Many Avro observations from one array: their bytes are columns of one table, written a column at a time.

What `schemas.columnar` reads at once is written at once here; each record is byte for byte as `schemas.codecs` has it.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from schemas import codecs, events
from schemas.binary import long
from schemas.stacked import longs

Bytes = npt.NDArray[np.uint8]

_AT_ONCE: Final = 20_000  # bytes of a table: it stays in the processor's cache


def write_avro(
    values: npt.NDArray[np.float64], per_record: int, first_sequence: int, **fields: Any
) -> Iterator[tuple[int, list[bytes]]]:
    """Yield records of `per_record` values each, the last one of what is left, with the sequence of the first of them.

    Parameters
    ----------
    values
        Shape `(n,)`; at least one.
    per_record
        1 to 10 000.
    first_sequence
        The first record's; the others follow.
    fields
        The fields of `Observation` that all records share: experiment_id, source, and what else is given.
    """
    whole = len(values) // per_record
    table = np.ascontiguousarray(values[: whole * per_record], "<f8").reshape(whole, per_record)
    begin = 0
    while begin < whole:
        sequence = first_sequence + begin
        # zigzag doubles a number, and each byte holds seven bits: up to the next limit all are equally long
        limit = next(1 << bits for bits in range(6, 64, 7) if sequence < 1 << bits)
        end = min(whole, begin + limit - sequence, begin + max(1, _AT_ONCE // (8 * per_record) * 8))
        yield sequence, _written(table[begin:end], sequence, fields)
        begin = end
    if rest := values[whole * per_record :].tolist():
        sequence = first_sequence + whole
        yield sequence, [codecs.encode_avro(events.Observation(values=rest, sequence=sequence, **fields))]


def _written(rows: npt.NDArray[np.float64], sequence: int, fields: dict[str, Any]) -> list[bytes]:
    """Return records whose sequences are equally long."""
    count, per_record = rows.shape
    template = codecs.encode_avro(events.Observation(values=rows[0].tolist(), sequence=sequence, **fields))
    data = rows.view(np.uint8)
    id_size = len(fields["experiment_id"])  # at most 63 letters: one byte says how many
    begin = len(codecs.header(events.Observation)) + 1 + id_size + len(long(per_record))
    table: Bytes = np.tile(np.frombuffer(template, np.uint8), (count, 1))
    table[:, begin : begin + 8 * per_record] = data
    (sequences,) = longs(sequence + np.arange(count, dtype=np.int64))
    table[:, -sequences.bytes.shape[1] :] = sequences.bytes
    joined, width = table.tobytes(), len(template)
    return [joined[at : at + width] for at in range(0, len(joined), width)]
