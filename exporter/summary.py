"""`summary.csv` and `summary.parquet`: every number of a run by its key, exact, as all other formats print them."""

from typing import Final

import pyarrow as pa

from exporter.archive import Archive
from exporter.numbers import numbers

SCHEMA: Final = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("value", pa.float64()),  # null where the number does not exist, such as an overshoot at a timeout
        pa.field("unit", pa.string(), nullable=False),
        pa.field("note", pa.string(), nullable=False),  # what kind of number it is, where that matters
    ]
)


def summary_table(archive: Archive) -> pa.Table:
    """Return the table, a row per number, in the order in which reports show them."""
    return pa.Table.from_pylist([number._asdict() for number in numbers(archive)], SCHEMA)
