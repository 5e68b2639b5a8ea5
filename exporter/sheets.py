"""Worksheets of Excel, filled from the top in constant memory; text never becomes a formula."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import xlsxwriter
from xlsxwriter.exceptions import FileCreateError

from exporter.text import guarded

_LONGEST: Final = 32_767  # characters in a cell
_OPTIONS: Final = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
    "nan_inf_to_errors": True,
    "default_date_format": "yyyy-mm-dd hh:mm:ss.000",
}


@contextmanager
def workbook(path: Path, title: str, author: str, created: datetime) -> Iterator[Any]:
    """Give a workbook that is written to `path` when the block ends; it holds no time of its own but `created`.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    book = xlsxwriter.Workbook(path, {**_OPTIONS, "tmpdir": str(path.parent)})
    properties = {"title": guarded(title)[:255], "author": guarded(author)[:255]}
    book.set_properties({**properties, "created": created.astimezone(UTC).replace(tzinfo=None)})
    try:
        try:
            yield book
        finally:
            book.close()
    except FileCreateError as error:  # the library's own name for it hides that the disk may be full
        raise OSError(str(error)) from error


class Sheet:
    """A worksheet that is filled from the top, one row at a time."""

    def __init__(self, book: Any, name: str, widths: Sequence[int]) -> None:
        self.sheet = book.add_worksheet(name)
        self.name = name
        self._row = 0
        for column, width in enumerate(widths):
            self.sheet.set_column(column, column, width)

    def row(self, cells: Iterable[Any], style: Any = None) -> None:
        """Write one row; text is guarded, null stays empty."""
        for column, cell in enumerate(cells):
            if isinstance(cell, str):
                self.sheet.write_string(self._row, column, guarded(cell)[:_LONGEST], style)
            elif isinstance(cell, datetime):
                self.sheet.write_datetime(self._row, column, cell.astimezone(UTC).replace(tzinfo=None))
            elif isinstance(cell, list | tuple | dict):
                self.sheet.write_string(self._row, column, guarded(str(cell))[:_LONGEST], style)
            elif cell is not None:
                self.sheet.write(self._row, column, cell, style)
        self._row += 1

    def head(self, cells: Iterable[Any], style: Any) -> None:
        """Write a header line that stays in sight."""
        self.sheet.freeze_panes(self._row + 1, 0)
        self.row(cells, style)
