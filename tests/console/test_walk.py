from datetime import UTC, datetime

import numpy as np
import pytest

from console.walk import POINT, pack, thinned, unpack
from schemas.events import WalkPoint


def a_walk(count: int) -> np.ndarray:
    points = np.zeros(count, dtype=POINT)
    points["n"] = np.arange(1, count + 1)
    points["llr"] = np.cumsum(np.random.default_rng(3).normal(size=count))
    return points


def test_a_packed_point_comes_back_bit_by_bit() -> None:
    point = WalkPoint(
        experiment_id="x",
        run=1,
        n=7,
        llr=0.1 + 0.2,
        p_value=1e-300,
        total=3.0,
        offset=2**40,
        at=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    )

    (row,) = unpack(pack(point))

    assert tuple(row.item())[:5] == (7, 0.1 + 0.2, 1e-300, 3.0, 2**40)
    assert round(point.at.timestamp() * 1e6) == row["at"]


@pytest.mark.parametrize("most", [4, 5, 64, 999])
def test_a_thinned_walk_has_at_most_so_many_points_and_keeps_first_last_and_extremes(most: int) -> None:
    points = a_walk(5000)

    kept = thinned(points, most)

    assert len(kept) <= most
    assert kept[0] == points[0]
    assert kept[-1] == points[-1]
    assert kept["llr"].max() == points["llr"].max()
    assert kept["llr"].min() == points["llr"].min()
    assert (np.diff(kept["n"]) > 0).all()


def test_a_short_walk_is_left_as_it_is() -> None:
    points = a_walk(10)

    assert thinned(points, 10) is points
