"""One workbook over many runs: a row per run with all its numbers, every design, every timeline."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from exporter import document
from exporter.index import Line
from exporter.numbers import numbers
from exporter.report import timeline
from exporter.sheets import Sheet, workbook
from exporter.workbook import flat


def write_together(lines: Sequence[Line], archives: Sequence[document.Document], path: Path) -> None:
    """Write the workbook to `path`, whole or not at all.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    newest = max((read.decision.at for read in archives), default=None)
    if newest is None:
        return
    partial = path.with_name(f".{path.name}.partial")
    try:
        with workbook(partial, "Sequential tests", "", newest) as book:
            bold = book.add_format({"bold": True, "bottom": 1})
            _runs(lines, archives, Sheet(book, "runs", (24, 6, 40, 16, 16, 14, 20, 24, 24, 60)), bold)
            _designs(archives, Sheet(book, "designs", (24, 6, 34, 60)), bold)
            _timelines(archives, Sheet(book, "timelines", (24, 6, 24, 44, 16, 60, 12)), bold)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _runs(lines: Sequence[Line], archives: Sequence[document.Document], sheet: Sheet, bold: Any) -> None:
    labels = dict[str, str]()
    for read in archives:
        made = document.archive_of(read, Path(os.devnull))
        for number in numbers(made):
            label = f"{number.label} ({number.unit})" if number.unit else number.label
            # parameters have names of their own; over several, the number's key names the column
            is_alike = labels.setdefault(number.key, label) == label
            labels[number.key] = label if is_alike else number.key.replace("_", " ").capitalize()
    fields = ("experiment_id", "run", "title", "owner", "tags", "outcome", "reason", "started", "decided", "problem")
    sheet.head((*(name.replace("_", " ") for name in fields), *labels.values()), bold)
    for line in lines:
        cells = [getattr(line, name) for name in fields]
        cells[fields.index("tags")] = ", ".join(line.tags)
        sheet.row((*cells, *(line.numbers.get(key) for key in labels)))


def _designs(archives: Sequence[document.Document], sheet: Sheet, bold: Any) -> None:
    sheet.head(("experiment", "run", "field", "value"), bold)
    for read in archives:
        parts = (("", read.definition), ("certificate", read.design.certificate))
        for field, value in (leaf for name, part in parts for leaf in flat(name, part)):
            sheet.row((read.experiment_id, read.run, field, value))


def _timelines(archives: Sequence[document.Document], sheet: Sheet, bold: Any) -> None:
    sheet.head(("experiment", "run", "time (UTC)", "event", "actor", "reason", "offset"), bold)
    for read in archives:
        for row in timeline.rows(document.archive_of(read, Path(os.devnull))):
            cells = (row.at, row.what, row.who or None, row.why or None, row.offset)
            sheet.row((read.experiment_id, read.run, *cells))
