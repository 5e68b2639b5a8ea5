"""A run's own sources: what they yield, where they begin again, what they refuse."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from producers.errors import SourceError
from producers.source import Source
from producers.sources import open_source


def _csv(folder: Path, text: str, **section: object) -> Source:
    (folder / "data.csv").write_text(text, "utf-8")
    given = {"kind": "csv", "path": "data.csv", "column": "value", "rate": 1000.0, "batch": 2} | section
    return open_source({"source": given}, 1, folder)


def _entropy(batch: int, p: float) -> Source:
    return open_source({"source": {"kind": "entropy", "p": p, "rate": 1000.0, "batch": batch}}, 1, Path())


@pytest.mark.parametrize("p", [0.5, 0.9])
def test_entropy_has_the_share_of_ones_that_was_asked_for(p: float) -> None:
    source = _entropy(10_000, p)

    values = np.concatenate([drawn.values for drawn in itertools.islice(source.records(0), 10)])

    assert {0.0, 1.0} == set(values.tolist())
    # fails by chance once in 1e9 runs
    assert binomtest(int(values.sum()), values.size, p).pvalue > 1e-9


def test_a_record_of_entropy_has_exactly_the_batch_size() -> None:
    source = _entropy(13, 0.5)

    assert next(source.records(5)).values.size == 13


def test_a_column_is_cut_into_records_and_empty_cells_are_left_out(tmp_path: Path) -> None:
    source = _csv(tmp_path, "name,value\nx,1\ny,\nz,0\nz,1\n")

    assert [drawn.values.tolist() for drawn in source.records(0)] == [[1.0, 0.0], [1.0]]


def test_a_column_begins_again_at_any_record(tmp_path: Path) -> None:
    source = _csv(tmp_path, "value\n" + "\n".join(map(str, range(7))))

    assert [drawn.values.tolist() for drawn in source.records(2)] == [[4.0, 5.0], [6.0]]


@pytest.mark.parametrize(
    ("text", "section", "words"),
    [
        ("value\n1\n", {"path": "none.csv"}, "source.path: none.csv cannot be read"),
        ("value\n1\n", {"path": "../secret.csv"}, "leads out of .*; allowed: files inside it"),
        ("value\n1\n", {"path": "/etc/passwd"}, "leads out of .*; allowed: files inside it"),
        ("x,y\n1,2\n", {}, "source.column: data.csv has no column 'value'; it has 'x', 'y'"),
        ("", {}, "has no column 'value'; it has none: the file is empty"),
        ("value\nheads\n", {}, "data.csv, line 2, column 'value': 'heads'; allowed: finite numbers"),
        ("value\ninf\n", {}, "line 2, column 'value': 'inf'; allowed: finite numbers"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, text: str, section: dict[str, object], words: str) -> None:
    with pytest.raises(SourceError, match=words):
        _csv(tmp_path, text, **section)


def test_an_unknown_kind_is_named_with_the_known_ones() -> None:
    with pytest.raises(SourceError, match=r"source.kind: 'dice'; this runner knows: 'csv', 'entropy', 'sim"):
        open_source({"source": {"kind": "dice", "batch": 1, "rate": 1.0}}, 1, Path())
