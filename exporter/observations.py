"""The observation table of an archive: one row per value, every record with its status, in log order.

It lives in a Parquet file and is read in chunks, so that a run of any length needs little memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

CHUNK_ROWS: Final = 131_072

SCHEMA: Final = pa.schema(
    [
        pa.field("n", pa.int64()),  # observations applied up to this one; null where it was not applied
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("index", pa.int32(), nullable=False),  # position inside the record
        pa.field("observed_at", pa.timestamp("us", "UTC")),
        pa.field("source", pa.string()),
        pa.field("sequence", pa.int64()),
        pa.field("arm", pa.string()),
        pa.field("value", pa.float64()),  # null where the record could not be read
        pa.field("status", pa.string(), nullable=False),
        pa.field("llr", pa.float64()),  # nats, after this observation; null where it was not applied
    ]
)
COLUMNS: Final = tuple(SCHEMA.names)


@dataclass(frozen=True, slots=True)
class Observations:
    """The table in a Parquet file, read chunk by chunk."""

    path: Path

    @property
    def rows(self) -> int:
        """Return how many rows there are."""
        return int(pq.read_metadata(self.path).num_rows)

    def chunks(self, columns: tuple[str, ...] = COLUMNS) -> Iterator[pa.RecordBatch]:
        """Yield the rows in order, at most `CHUNK_ROWS` at a time."""
        with pq.ParquetFile(self.path) as file:
            yield from file.iter_batches(batch_size=CHUNK_ROWS, columns=list(columns))


def write(path: Path, chunks: Iterator[pa.RecordBatch]) -> Observations:
    """Write the chunks as the table at `path` and return it; how the rows were cut into chunks leaves no trace."""
    with pq.ParquetWriter(path, SCHEMA, compression="zstd", store_schema=True) as writer:
        waiting = pa.Table.from_batches([], SCHEMA)
        for chunk in chunks:
            waiting = pa.concat_tables([waiting, pa.Table.from_batches([chunk])])
            while waiting.num_rows >= CHUNK_ROWS:
                writer.write_table(waiting.slice(0, CHUNK_ROWS).combine_chunks())
                waiting = waiting.slice(CHUNK_ROWS)
        writer.write_table(waiting.combine_chunks())
    return Observations(path)
