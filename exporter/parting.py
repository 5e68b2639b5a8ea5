"""Where worker and replica part: the first published point of the walk that the replica's walk does not have."""

from collections.abc import Iterable

import pyarrow.compute as pc

from exporter.numbers import shown
from exporter.observations import Observations
from schemas import events


def parting(published: Iterable[events.WalkPoint], observations: Observations) -> str:
    """Return in words the first published point that differs from the table, and the last one before it that agrees.

    Points are thinned, so the first differing observation lies behind the one and not behind the other.
    """
    points = {point.n: point for point in sorted(published, key=lambda it: it.n)}
    if not points:
        return "no point of the walk is kept on its topic: the first differing observation is unknown"
    found: dict[int, tuple[int, float]] = {}
    for chunk in observations.chunks(("n", "offset", "llr")):
        for row in chunk.filter(pc.is_in(chunk["n"], pc.cast(list(points), chunk["n"].type))).to_pylist():
            found[row["n"]] = (row["offset"], row["llr"])
    agreed = 0
    for n, point in points.items():
        if found.get(n) != (point.offset, point.llr):
            here = "has no such observation"
            if n in found:
                here = f"has {shown(found[n][1])} nats at offset {found[n][0]}"
            return (
                f"the first differing observation lies behind n = {agreed} and not behind n = {n}: published "
                f"{shown(point.llr)} nats at offset {point.offset}, the replica {here}"
            )
        agreed = n
    return f"the walks agree at every published point, up to n = {agreed}: what differs comes later"
