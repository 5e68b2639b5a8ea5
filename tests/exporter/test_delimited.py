"""Cells of every kind, written once and read back by Python's own reader."""

import csv
import io
from collections.abc import Sequence

import pyarrow as pa
import pytest

from exporter.delimited import csv_chunks

MOMENTS = [0, 1_700_000_000_123_456, -5, None]


def lines(kind: pa.DataType, values: Sequence[object]) -> list[str]:
    chunk = pa.RecordBatch.from_arrays([pa.array(values, kind), pa.array([1] * len(values))], ["x", "y"])
    text = b"".join(csv_chunks(("x", "y"), [chunk])).decode()
    return [row["x"] for row in csv.DictReader(io.StringIO(text, newline=""))]


def test_moments_are_iso_8601_in_utc() -> None:
    written = ["1970-01-01T00:00:00.000000Z", "2023-11-14T22:13:20.123456Z", "1969-12-31T23:59:59.999995Z", ""]
    assert lines(pa.timestamp("us", "UTC"), MOMENTS) == written
    assert lines(pa.timestamp("us", "UTC"), [None, None]) == ["", ""]


def test_a_moment_outside_four_digit_years_is_a_number_of_microseconds() -> None:
    *first, last = lines(pa.timestamp("us", "UTC"), [*MOMENTS, 2**60])
    assert first[1] == "2023-11-14T22:13:20.123456Z"
    assert last == str(2**60)


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e-7, 1e22, 5e-324, -0.0, 1.7976931348623157e308, float("inf")])
def test_a_float_is_its_repr(value: float) -> None:
    assert lines(pa.float64(), [value, None]) == [repr(value), ""]


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("a,b", "a,b"),
        ('"', '"'),
        ("a\nb", "a b"),
        (" a ", " a "),
        ("", ""),
        ("=1", "'=1"),
        ("-1", "'-1"),
        ("é中", "é中"),
    ],
)
def test_text_comes_back_guarded_and_on_one_line(given: str, written: str) -> None:
    assert lines(pa.string(), [given]) == [written]
