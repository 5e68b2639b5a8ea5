"""Every file of an archive, each written from the one `Archive` value; the table itself is there before the others."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from exporter import document, latex
from exporter.archive import Archive
from exporter.delimited import csv_chunks
from exporter.observations import COLUMNS
from exporter.report import pdf
from exporter.summary import summary_table
from exporter.walk import thinned
from exporter.workbook import write_workbook

TABLE: Final = "observations.parquet"
DOCUMENT: Final = "experiment.json"

Paper = Literal["a4", "us-letter"]
Writer = Callable[[Archive, pa.Table, Path, Paper], None]


def observations_csv(archive: Archive) -> Iterable[bytes]:
    """Return the observation table as CSV, chunk by chunk."""
    return csv_chunks(COLUMNS, archive.observations.chunks())


def walk_csv(points: pa.Table) -> Iterable[bytes]:
    """Return the thinned walk as CSV, chunk by chunk."""
    return csv_chunks(points.column_names, points.to_batches())


def summary_csv(archive: Archive) -> Iterable[bytes]:
    """Return the numbers of the run as CSV."""
    table = summary_table(archive)
    return csv_chunks(table.column_names, table.to_batches())


def table_tex(archive: Archive) -> Iterable[bytes]:
    """Return the LaTeX table in one chunk."""
    yield latex.table(archive).encode()


def references_bib(archive: Archive) -> Iterable[bytes]:
    """Return the BibTeX entries in one chunk."""
    yield latex.bibliography(archive).encode()


def _stream(path: Path, chunks: Iterable[bytes]) -> None:
    with path.open("wb") as stream:
        stream.writelines(chunks)


#: The files of each format beside the table and the document, which every archive has: they are its proof.
FILES: Final[Mapping[str, Mapping[str, Writer]]] = {
    "csv": {
        "observations.csv": lambda archive, _, path, __: _stream(path, observations_csv(archive)),
        "walk.csv": lambda _, points, path, __: _stream(path, walk_csv(points)),
        "summary.csv": lambda archive, _, path, __: _stream(path, summary_csv(archive)),
    },
    "json": {},
    "parquet": {"summary.parquet": lambda archive, _, path, __: pq.write_table(summary_table(archive), path)},
    "xlsx": {"workbook.xlsx": lambda archive, points, path, _: write_workbook(archive, points, path)},
    "pdf": {
        "report.pdf": lambda archive, points, path, paper: _stream(path, [pdf(archive, points, paper)]),
        "table.tex": lambda archive, _, path, __: _stream(path, table_tex(archive)),
        "references.bib": lambda archive, _, path, __: _stream(path, references_bib(archive)),
    },
}


def files_of(formats: Iterable[str]) -> set[str]:
    """Return the names of the files that an archive in these formats has, without its manifest."""
    return {TABLE, DOCUMENT, *(file for name in formats for file in FILES[name])}


def write(archive: Archive, folder: Path, formats: Iterable[str], paper: Paper = "a4") -> Iterable[Path]:
    """Write the files of the formats into the folder and yield each as soon as it is there, the table first.

    Raises
    ------
    KeyError
        If a format is unknown.
    """
    yield archive.observations.path
    points = thinned(archive)
    path = folder / DOCUMENT
    _stream(path, [document.encoded(archive)])
    yield path
    for name in FILES:
        if name in set(formats):
            for file, writer in FILES[name].items():
                writer(archive, points, folder / file, paper)
                yield folder / file
