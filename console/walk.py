"""Points of a walk as packed bytes, and thinning that keeps what a reader would miss.

A walk in Redis is one string of 48-byte points, appended to as points come: n, llr, p value, total, offset, time in
microseconds, little-endian.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from schemas.events import WalkPoint

POINT: Final = np.dtype(
    [("n", "<i8"), ("llr", "<f8"), ("p_value", "<f8"), ("total", "<f8"), ("offset", "<i8"), ("at", "<i8")]
)
#: A stored walk that grows beyond this many points is thinned to half of them: 48 KiB a run, and no screen is wider.
STORED_POINTS: Final = 1024

Points = npt.NDArray[np.void]


def pack(point: WalkPoint) -> bytes:
    """Return the point as stored."""
    at = round(point.at.timestamp() * 1e6)
    row: Any = (point.n, point.llr, point.p_value, point.total, point.offset, at)
    return np.array([row], dtype=POINT).tobytes()


def unpack(data: bytes) -> Points:
    """Return the points that the bytes hold, in order."""
    return np.frombuffer(data, dtype=POINT)


def blinded(points: Points) -> Points:
    """Return the points with what they say about the evidence taken out: only n, offset and time are left."""
    masked = points.copy()
    masked["llr"], masked["p_value"], masked["total"] = 0.0, 1.0, 0.0
    return masked


def thinned(points: Points, most: int) -> Points:
    """Return at most `most` of the points, the first, the last and every extreme of a stretch among them.

    The walk is cut into equal stretches of n, and of each the lowest and the highest point stay, so that the picture at
    that resolution is the same. `most` is 4 or more.
    """
    if len(points) <= most:
        return points
    inner = points[1:-1]
    stretches = max((most - 2) // 2, 1)
    low, high = int(points["n"][0]), int(points["n"][-1])
    stretch = (inner["n"] - low) * stretches // max(high - low, 1)
    starts = np.flatnonzero(np.r_[True, np.diff(stretch) > 0])
    kept = {0, len(points) - 1}
    for begin, end in zip(starts, [*starts[1:], len(inner)], strict=True):
        part = inner["llr"][begin:end]
        kept.add(1 + int(begin + np.argmin(part)))
        kept.add(1 + int(begin + np.argmax(part)))
    return points[sorted(kept)]
