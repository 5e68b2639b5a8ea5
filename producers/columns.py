"""A column of numbers in a CSV file, as records of a fixed size: record k holds rows k * batch and on.

Only files inside one folder are read: definitions arrive from anybody who may write to Kafka.
"""

import csv
import itertools
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from producers.errors import SourceError
from producers.source import Drawn


class CsvColumn:
    """The numbers of one column; empty cells are left out.

    Raises
    ------
    SourceError
        If the path leads out of `files`, there is no such file, or it has no such column.
    """

    def __init__(self, path: str, column: str, batch: int, files: Path) -> None:
        folder = files.resolve()
        self._path = (folder / path).resolve()
        if not self._path.is_relative_to(folder):
            raise SourceError(f"source.path: {path!r} leads out of {folder}; allowed: files inside it")
        self._given, self._column, self._batch = path, column, batch
        next(self._cells(), None)  # what is wrong with the file or its header is said at once

    def records(self, first: int) -> Iterator[Drawn]:
        """Yield records until the file ends; raises `SourceError` at a cell that is no finite number."""
        numbers = itertools.islice(self._cells(), first * self._batch, None)
        while chunk := list(itertools.islice(numbers, self._batch)):
            yield Drawn(np.array(chunk))

    def _cells(self) -> Iterator[float]:
        try:
            with self._path.open(newline="", encoding="utf-8-sig") as file:
                reader = csv.DictReader(file)
                names = list(reader.fieldnames or ())
                if self._column not in names:
                    allowed = ", ".join(map(repr, names)) or "none: the file is empty"
                    raise SourceError(f"source.column: {self._given} has no column {self._column!r}; it has {allowed}")
                for row in reader:
                    if text := (row[self._column] or "").strip():
                        yield self._number(text, reader.line_num)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise SourceError(f"source.path: {self._given} cannot be read: {error}") from error

    def _number(self, text: str, line: int) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise SourceError(
                f"{self._given}, line {line}, column {self._column!r}: {text[:40]!r}; allowed: finite numbers"
            )
        return number
