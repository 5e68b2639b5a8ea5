"""Every row of the anchor files, at its stated tolerance, through the public functions."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.recompute import RECOMPUTED

FOLDER = Path(__file__).parent.parent / "anchors"


def all_rows() -> list[tuple[str, dict[str, Any]]]:
    found = []
    for path in sorted(FOLDER.glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        group = path.name.split("_")[0]
        found += [(group, row) for row in content["rows"] if not row["kind"].endswith("_optional")]
    return found


ROWS = all_rows()


def numbers(value: object) -> np.ndarray[Any, np.dtype[np.float64]]:
    flat = np.atleast_1d(np.asarray(value, dtype=object))
    return np.array([math.nan if entry is None else float(entry) for entry in flat])


@pytest.mark.parametrize(("group", "row"), [pytest.param(group, row, id=row["id"]) for group, row in ROWS])
def test_a_row_is_reproduced_within_its_tolerance(group: str, row: dict[str, Any]) -> None:
    found = RECOMPUTED[group][row["kind"]](row["inputs"])

    for name, expected in row["expected"].items():
        if isinstance(expected, str | bool):
            assert expected == found[name], name
            continue
        tolerance = row["tolerance"].get(name, row["tolerance"].get("*"))
        ours, theirs = numbers(found[name]), numbers(expected)
        assert theirs.shape == ours.shape, name
        allowed = tolerance.get("abs", 0.0) + tolerance.get("rel", 0.0) * np.abs(theirs)
        absent = np.isnan(ours) & np.isnan(theirs)
        assert (absent | (np.abs(ours - theirs) <= allowed)).all(), f"{name}: {found[name]} is not {expected}"


def test_all_rows_are_there() -> None:
    assert len(ROWS) == 174
    assert {group for group, _ in ROWS} == set(RECOMPUTED)
