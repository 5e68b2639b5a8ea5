"""The walk of a run as figures and `walk.csv` hold it: thinned so that no peak is lost.

Up to 4 000 observations every point stays. Beyond that the run is cut into bins of n, and of each the first, last,
lowest and highest point stay, so a line through them covers the same pixels as the full walk.
"""

import math
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from exporter.archive import Archive
from exporter.numbers import effective_upper

_BINS: Final = 1000
_KEPT: Final = 4 * _BINS

SCHEMA: Final = pa.schema(
    [
        pa.field("n", pa.int64()),
        pa.field("llr", pa.float64()),
        pa.field("p_value", pa.float64()),  # one over the largest likelihood ratio so far, at most 1
        pa.field("lower", pa.float64()),  # the lines in force, nats
        pa.field("upper", pa.float64()),
        pa.field("offset", pa.int64()),
        pa.field("index", pa.int32()),
        pa.field("observed_at", pa.timestamp("us", "UTC")),
    ]
)


def thinned(archive: Archive) -> pa.Table:
    """Return the walk's points in order of n."""
    return pa.Table.from_batches(_points(archive), SCHEMA)


def _points(archive: Archive) -> Iterator[pa.RecordBatch]:
    total, highest = archive.decision.n, 0.0
    lines = (archive.decision.lower, effective_upper(archive))
    for chunk in archive.observations.chunks(("n", "llr", "offset", "index", "observed_at")):
        applied = chunk.filter(pc.is_valid(chunk["n"]))
        if not applied.num_rows:
            continue
        n, llr = (applied[name].to_numpy(zero_copy_only=False) for name in ("n", "llr"))
        largest = np.maximum.accumulate(np.concatenate(([highest], llr)))[1:]
        highest = float(largest[-1])
        at = _kept(n, llr, total)
        chosen = applied.take(pa.array(at))
        yield pa.RecordBatch.from_arrays(
            [
                chosen["n"],
                chosen["llr"],
                pa.array([math.exp(-value) for value in largest[at].tolist()], pa.float64()),  # as the walk computes it
                *(pa.array([line] * len(at), pa.float64()) for line in lines),
                chosen["offset"],
                chosen["index"],
                chosen["observed_at"],
            ],
            schema=SCHEMA,
        )


def _kept(n: npt.NDArray[np.int64], llr: npt.NDArray[np.float64], total: int) -> npt.NDArray[np.intp]:
    """Return which rows stay: of each bin the first, the last, the lowest and the highest."""
    if total <= _KEPT:
        return np.arange(n.size)
    bins = (n - 1) * _BINS // total
    by_value = np.lexsort((llr, bins))
    starts = np.flatnonzero(np.diff(bins, prepend=-2))
    ends = np.append(starts[1:], n.size) - 1
    return np.unique(np.concatenate((starts, ends, by_value[starts], by_value[ends])))
