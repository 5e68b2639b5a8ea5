"""`workbook.xlsx`: summary, design, observations, walk with a native chart, timeline; text never becomes a formula.

Written row by row in constant memory; the file holds no time of its own but that of the decision.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from exporter import words
from exporter.archive import Archive
from exporter.numbers import numbers
from exporter.observations import COLUMNS
from exporter.report import timeline
from exporter.sheets import Sheet, workbook
from schemas.metrics import RESULTS

LARGEST_TABLE: Final = 100_000


def write_workbook(archive: Archive, points: pa.Table, path: Path) -> None:
    """Write the workbook to `path`; `points` is the thinned walk."""
    owner = str(archive.definition.get("owner") or "")
    with workbook(path, archive.title, owner, archive.decision.at) as book:
        bold = book.add_format({"bold": True, "bottom": 1})
        _summary(archive, Sheet(book, "summary", (34, 40, 8, 60)), bold)
        _design(archive, Sheet(book, "design", (26, 60)), bold)
        _observations(archive, Sheet(book, "observations", (10, 9, 12, 8, 24, 18, 12, 6, 14, 14, 14)), bold)
        _walk(archive, points, book, Sheet(book, "walk", (10, 14, 14, 12, 12, 12, 8, 24)), bold)
        _timeline(archive, Sheet(book, "timeline", (24, 44, 16, 60, 12)), bold)


def _summary(archive: Archive, sheet: Sheet, bold: Any) -> None:
    sheet.row([archive.title], bold)
    sheet.row([words.verdict(archive)])
    if archive.dispute is not None:
        sheet.row(["DISPUTED: an independent replay came to another result", *archive.dispute.in_words])
    sheet.row([])
    sheet.row(["quantity", "value", "unit", "note"], bold)
    for number in numbers(archive):
        sheet.row([number.label, number.value, number.unit or None, number.note or None])
    for result in RESULTS:
        sheet.row([f"Records: {result.replace('_', ' ')}", archive.counts.get(result, 0)])


def _design(archive: Archive, sheet: Sheet, bold: Any) -> None:
    sheet.row(["field", "value"], bold)
    for field, value in flat("", archive.definition):
        sheet.row([field, value])
    for field in ("design_digest", "definition_digest", "definition_revision", "lower", "upper"):
        sheet.row([field, getattr(archive.defined, field)])
    for field, value in flat("certificate", archive.defined.certificate):
        sheet.row([field, value])


def flat(path: str, value: Any) -> Iterable[tuple[str, Any]]:
    """Yield the leaves of nested objects, each with its dotted path."""
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from flat(f"{path}.{key}" if path else str(key), entry)
    else:
        yield path, value


def _observations(archive: Archive, sheet: Sheet, bold: Any) -> None:
    sheet.head(COLUMNS, bold)
    left = LARGEST_TABLE
    for chunk in archive.observations.chunks():
        for row in zip(*(_cells(column) for column in chunk.slice(0, left).columns), strict=True):
            sheet.row(row)
        left -= min(left, chunk.num_rows)
        if not left:
            break
    if archive.observations.rows > LARGEST_TABLE:
        sheet.row([f"The first {LARGEST_TABLE} rows; all {archive.observations.rows} are in observations.parquet."])


def _cells(column: pa.Array) -> list[Any]:
    """Return a column as cells; a time outside Excel's calendar stays a number of microseconds."""
    if not pa.types.is_timestamp(column.type):
        return [cell if cell == cell else str(cell) for cell in column.to_pylist()]  # noqa: PLR0124 NaN becomes text
    return [_moment(cell) for cell in column.cast(pa.int64()).to_pylist()]


def _moment(microseconds: int | None) -> datetime | int | None:
    in_calendar = microseconds is not None and 0 <= microseconds < 253_402_300_800_000_000  # 1970 to 9999
    return datetime.fromtimestamp(microseconds / 1e6, UTC) if in_calendar and microseconds is not None else microseconds


def _walk(archive: Archive, points: pa.Table, book: Any, sheet: Sheet, bold: Any) -> None:
    sheet.head(points.column_names, bold)
    for row in zip(*(_cells(column.combine_chunks()) for column in points.columns), strict=True):
        sheet.row(row)
    if not points.num_rows:
        return
    chart = book.add_chart({"type": "scatter", "subtype": "straight"})
    last = points.num_rows
    for column, name, dash in ((1, "log-likelihood ratio", "solid"), (3, "lower", "dash"), (4, "upper", "dash")):
        if points.column(column).null_count < last:
            chart.add_series(
                {
                    "name": name,
                    "categories": [sheet.name, 1, 0, last, 0],
                    "values": [sheet.name, 1, column, last, column],
                    "line": {"width": 1.25, "color": "#12355b" if column == 1 else "#404040", "dash_type": dash},
                }
            )
    chart.set_title({"name": f"{archive.experiment_id}, run {archive.run}", "name_font": {"size": 11}})
    chart.set_x_axis({"name": "observations applied, n", "min": 0})
    chart.set_y_axis({"name": "log-likelihood ratio (nats)", "label_position": "low"})
    chart.set_size({"width": 760, "height": 420})
    sheet.sheet.insert_chart("J2", chart)


def _timeline(archive: Archive, sheet: Sheet, bold: Any) -> None:
    sheet.head(["time (UTC)", "event", "actor", "reason", "offset"], bold)
    for row in timeline.rows(archive):
        sheet.row([row.at, row.what, row.who or None, row.why or None, row.offset])
