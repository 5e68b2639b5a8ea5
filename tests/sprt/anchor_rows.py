"""Reads the anchor files and applies their tolerance rule, for the tests of the free functions."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _pytest.mark import ParameterSet

Row = dict[str, Any]
_FOLDER = Path(__file__).parent.parent / "anchors"


def anchor_rows(group: str, *kinds: str) -> list[ParameterSet]:
    """Return the rows of these kinds as test parameters named by their ids; a kind without rows is an error."""
    rows: list[Row] = json.loads((_FOLDER / f"{group}.json").read_text(encoding="utf-8"))["rows"]
    missing = set(kinds) - {row["kind"] for row in rows}
    if missing:
        raise LookupError(f"{group} has no rows of kind {missing}")
    return [pytest.param(row, id=row["id"]) for row in rows if row["kind"] in kinds]


def assert_within_tolerance(row: Row, **actual: object) -> None:
    """Compare each named value with the row: |x - expected| <= abs + rel |expected|, lists elementwise."""
    assert set(actual) <= set(row["expected"])
    for name, value in actual.items():
        tolerance = row["tolerance"].get(name, row["tolerance"].get("*"))
        expected = np.asarray(row["expected"][name], dtype=float)
        got = np.asarray(value, dtype=float)
        assert expected.shape == got.shape, name
        allowed = tolerance.get("abs", 0.0) + tolerance.get("rel", 0.0) * np.abs(expected)
        assert (np.abs(got - expected) <= allowed).all(), f"{name}: {got} is not {expected} within {tolerance}"


NOT_NUMBERS = [math.nan, math.inf, -math.inf]
