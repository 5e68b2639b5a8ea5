"""Tables as CSV: RFC 4180 with CRLF, UTF-8, times in ISO 8601 UTC, floats as Python's `repr`, null as nothing.

Text cells are guarded against becoming formulas. Whole columns are turned into text at once, so a chunk costs little.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from exporter.text import guarded

_LINE_END = "\r\n"
_YEAR_1, _YEAR_10000 = -62_135_596_800_000_000, 253_402_300_800_000_000  # microseconds since the epoch


def csv_chunks(names: Iterable[str], chunks: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """Yield the table as CSV: the header line, then the lines of each chunk."""
    yield (",".join(names) + _LINE_END).encode()
    for chunk in chunks:
        if chunk.num_rows:
            cells = [_cells(column) for column in chunk.columns]
            lines = pc.binary_join_element_wise(*cells, ",")
            yield (_LINE_END.join(lines.to_pylist()) + _LINE_END).encode()


def _cells(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_floating(kind):
        cells = _by_value(column, repr)
    elif pa.types.is_string(kind):
        cells = _by_value(column, lambda text: quoted(guarded(text)))
    elif pa.types.is_timestamp(kind):
        cells = _utc(column)
    else:
        cells = pc.cast(column, pa.string())
    return pc.fill_null(cells, "")


def _utc(column: pa.Array) -> pa.Array:
    """Return moments in ISO 8601, those outside the years 1 to 9999 as microseconds since the epoch.

    By way of times without a zone, which Arrow writes several times faster.
    """
    micros = column.cast(pa.int64())
    is_dated = pc.and_(pc.greater_equal(micros, _YEAR_1), pc.less(micros, _YEAR_10000))
    plain = pc.if_else(is_dated, micros, None).cast(pa.timestamp("us")).cast(pa.string())
    dated = pc.binary_join_element_wise(pc.replace_substring(plain, " ", "T"), "Z", "")
    return pc.if_else(is_dated, dated, micros.cast(pa.string()))


def _by_value(column: pa.Array, write: Callable[[Any], str]) -> pa.Array:
    """Return the texts of a column, each distinct value written once: walks on a lattice have few."""
    encoded = column.dictionary_encode()
    written = pa.array([write(value) for value in encoded.dictionary.to_pylist()], pa.string())
    return written.take(encoded.indices)


def quoted(text: str) -> str:
    """Return a cell in quotes where RFC 4180 asks for them."""
    if any(character in text for character in '",\r\n') or text != text.strip():
        return '"' + text.replace('"', '""') + '"'
    return text
