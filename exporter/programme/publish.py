"""A report's folder: `report.pdf`, `report.xlsx` and `report.json`, complete or absent, the same for the same runs.

A report of a period is written once. Asked for again it is the one that stands.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import typst

from exporter.catalog import Recorded, every_value
from exporter.disk import flush
from exporter.periods import Period
from exporter.programme.content import content, errors_note, ledger, summary
from exporter.programme.figures import Figures, RunLine, figures
from exporter.sheets import Sheet, workbook
from schemas import codecs, events
from schemas.topics import Topics

_HERE: Final = Path(__file__).parent
FILES: Final = ("report.json", "report.pdf", "report.xlsx")


@dataclass(frozen=True, slots=True)
class Reported:
    """A report that stands: its folder, and whether it was written just now."""

    folder: Path
    is_new: bool


def stands(reports: Path, period: Period) -> bool:
    """Return whether the report of the period is there, whole."""
    return all((reports / period.name / name).is_file() for name in FILES)


def report(
    reports: Path, period: Period, runs: Sequence[Recorded], disputed: frozenset[str], paper: str = "a4"
) -> Reported:
    """Return the report of the period, written now unless it stands.

    Raises
    ------
    BlockingIOError
        If another process is writing it.
    OSError
        If the folder cannot be written; then there is no report.
    """
    place = reports / period.name
    if stands(reports, period):
        return Reported(place, is_new=False)
    found = figures(period, runs, disputed)
    partial = reports / f".{period.name}.partial"
    partial.mkdir(parents=True, exist_ok=True)
    handle = os.open(partial, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            _write(found, period, partial, paper)
            flush(partial)
            if place.exists():  # incomplete: no report of ours
                place.rename(place.with_name(f"{period.name}~{place.stat().st_mtime_ns}"))
            partial.rename(place)
            flush(reports)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    finally:
        os.close(handle)
    return Reported(place, is_new=True)


def disputed_runs(kafka: Mapping[str, str], topics: Topics) -> frozenset[str]:
    """Return the names of the runs whose archive was announced as disputed."""
    told: dict[str, bool] = {}
    for value in every_value(kafka, topics.archives):
        try:
            event = codecs.decode(value, events.ArchiveWritten)
        except codecs.MalformedError:
            continue
        told[f"{event.experiment_id}/{event.run}"] = event.disputed
    return frozenset(name for name, is_disputed in told.items() if is_disputed)


def _write(found: Figures, period: Period, folder: Path, paper: str) -> None:
    (folder / "report.json").write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    made: bytes = typst.compile(
        _HERE / "programme.typ",
        root=_HERE,
        sys_inputs={"report": json.dumps(content(found), ensure_ascii=False), "paper": paper},
        timestamp=int(period.end.timestamp()),
    )
    (folder / "report.pdf").write_bytes(made)
    _sheets(found, period.end, folder / "report.xlsx")
    for name in FILES:
        flush(folder / name)


def _sheets(found: Figures, created: datetime, path: Path) -> None:
    with workbook(path, f"Sequential tests, {found.period}", "", created.astimezone(UTC)) as book:
        bold = book.add_format({"bold": True, "bottom": 1})
        sheet = Sheet(book, "summary", (60, 18, 14, 10, 12, 24))
        sheet.row([f"Sequential tests, {found.period}: {found.begin} to {found.end}"], bold)
        sheet.row([summary(found)])
        sheet.row([])
        for field in Figures.__struct_fields__:
            value = getattr(found, field)
            if isinstance(value, int | float):
                sheet.row([field.replace("_", " "), value])
        for kind in ("outcomes", "reasons", "families"):
            for name, count in getattr(found, kind).items():
                sheet.row([f"{kind}: {name}", count])
        sheet.row([])
        sheet.row(["error, where the truth is known", "runs", "planned", "wrong", "observed", "95 % interval"], bold)
        for rate in found.rates:
            low_high = None if rate.interval is None else f"{rate.interval[0]:.4g} to {rate.interval[1]:.4g}"
            sheet.row([rate.name, rate.runs, rate.planned, rate.wrong, rate.observed, low_high])
        sheet.row([errors_note(found)])
        sheet.row([])
        sheet.row([ledger(found)])
        lines = Sheet(book, "runs", (24, 6, 40, 18, 30, 22, 14, 20))
        lines.head([name.replace("_", " ") for name in RunLine.__struct_fields__], bold)
        for line in found.lines:
            lines.row([getattr(line, name) for name in RunLine.__struct_fields__])
