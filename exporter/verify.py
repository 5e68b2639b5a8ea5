"""Proof of an archive from the archive alone: its bytes are those of the manifest, and its data lead to its decision.

The records in the Parquet table are folded again by the domain's own step; every number, text and file that can be made
from the result is compared. All reasons are given, not only the first.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from experiments.planning import digest as digest_of
from exporter import document, formats, manifest
from exporter.archive import Archive, run_of
from exporter.collect import span
from exporter.document import DocumentError
from exporter.estimates import estimates
from exporter.fold import Fold
from exporter.observations import SCHEMA
from exporter.records import TableError, batches, check_columns
from exporter.summary import summary_table
from exporter.walk import thinned

_MOST_REASONS: Final = 50
#: What the libraries raise on files that no exporter wrote.
_BROKEN: Final = (
    DocumentError, TableError, OSError, pa.ArrowException, ArithmeticError, AttributeError, LookupError, TypeError,
    ValueError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether an archive is what it says; `reasons` has everything that is wrong, `summary` the run in one line."""

    ok: bool
    reasons: tuple[str, ...]
    summary: str


def verify(path: Path | str, digest: str | None = None) -> Verification:
    """Return whether the archive in the folder `path` proves its decision.

    Parameters
    ----------
    digest
        The manifest's SHA-256 as published in `sprt.archives`; with it, it is also the published archive.
    """
    folder, reasons = Path(path), list[str]()
    summary = f"{folder}: not a readable archive"
    _collect(reasons, lambda: _files(folder, digest))
    try:
        read = document.decoded((folder / formats.DOCUMENT).read_bytes())
        archive = document.archive_of(read, folder / formats.TABLE)
        check_columns(archive.observations.path)
    except _BROKEN as error:
        reasons.append(_words(error))
    else:
        _collect(reasons, lambda: _named(read, folder))
        _collect(reasons, lambda: _consistent(read, archive))
        _collect(reasons, lambda: _folded(archive))
        _collect(reasons, lambda: _derived(archive, folder))
        summary = f"{archive.experiment_id} run {archive.run}: {read.verdict}"
    unique = tuple(dict.fromkeys(reasons))[:_MOST_REASONS]
    return Verification(not unique, unique, summary)


def _collect(reasons: list[str], check: Callable[[], Iterator[str]]) -> None:
    """Add what a check finds; what is too broken for it is a reason too, and the other checks go on."""
    try:
        reasons.extend(check())
    except _BROKEN as error:
        reasons.append(_words(error))


def _words(error: Exception) -> str:
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"{Path(error.filename).name}: the file is missing"
    return f"{type(error).__name__}: {error}" if not isinstance(error, DocumentError | TableError) else str(error)


def _files(folder: Path, digest: str | None) -> Iterator[str]:
    try:
        listed, actual = manifest.read(folder)
    except msgspec.DecodeError as error:
        yield f"{manifest.NAME}: not a manifest: {error}"
        return
    if digest is not None and digest.lower() != actual:
        yield f"{manifest.NAME}: its digest is {actual}, the published one is {digest}"
    if listed.format != manifest.FORMAT:
        yield f"{manifest.NAME}: format is {listed.format!r}; allowed: {manifest.FORMAT!r}"
    present = {path.name for path in folder.iterdir()} - {manifest.NAME}
    for name in sorted(present - set(listed.files)):
        yield f"{name}: not in the manifest"
    for name, expected in sorted(listed.files.items()):
        if name not in present:
            yield f"{name}: in the manifest, but the file is missing"
        elif (found := manifest.listed(folder / name)) != expected:
            given, wanted = (f"{file.sha256} ({file.bytes} bytes)" for file in (found, expected))
            yield f"{name}: SHA-256 is {given}, the manifest has {wanted}"
    if listed.disputed:
        yield "the archive is marked disputed: its decision was not reproduced when it was written"


def _named(read: document.Document, folder: Path) -> Iterator[str]:
    try:
        listed, _ = manifest.read(folder)
    except msgspec.DecodeError:
        return  # already a reason
    for name, here in (("experiment_id", read.experiment_id), ("run", read.run), ("decision_id", read.decision.id)):
        if getattr(listed, name) != here:
            yield f"{name}: {here!r} in {formats.DOCUMENT}, {getattr(listed, name)!r} in the manifest"
    if listed.disputed != (read.dispute is not None):
        yield "disputed: the manifest and the document differ"


def _consistent(read: document.Document, archive: Archive) -> Iterator[str]:
    """Yield where parts of the document that say the same differ."""
    defined, decision = archive.defined, archive.decision
    stored = defined.definition
    design = digest_of({part: stored[part] for part in ("model", "errors", "stop")})
    pairs = (
        ("decision", read.decision, decision),
        ("definition", read.definition, stored),
        ("definition digest", defined.definition_digest, digest_of(stored)),
        ("design digest", defined.design_digest, design),
        ("design digest of the start", archive.started.design_digest, design),
        ("design digest of the decision", decision.design_digest, design),
        ("lower threshold", decision.lower, defined.lower),
        ("upper threshold", decision.upper, defined.upper),
        ("definition revision of the start", archive.started.definition_revision, defined.definition_revision),
        ("offsets", (read.offsets.first, read.offsets.last), span(archive.started, decision)),
        ("experiment", {entry.event.experiment_id for entry in archive.timeline}, {read.experiment_id}),
        ("run", {fact.run for fact in run_of(archive.timeline)}, {read.run}),
    )
    for name, given, expected in pairs:
        if given != expected:
            yield f"{name}: {_short(given)}, by the rest of the archive {_short(expected)}"
    again = document.document(archive)
    for name in document.Document.__struct_fields__:
        if getattr(read, name) != getattr(again, name):
            yield f"{name}: {_short(getattr(read, name))}, by the timeline {_short(getattr(again, name))}"
    order = [entry.offset for entry in archive.timeline]
    if order != sorted(set(order)):
        yield "timeline: its records are not in log order"


def _folded(archive: Archive) -> Iterator[str]:
    """Yield where the fold of the archive's own records gives other rows or another decision."""
    fold = Fold(archive.defined, run_of(archive.timeline))
    row = 0
    for given, batch, unreadable in batches(archive):
        yield from _rows_differ(given, fold.rows(batch, unreadable), row)
        row += given.num_rows
    counts = dict(fold.counts)
    if counts != dict(archive.counts):
        yield f"counts: {dict(archive.counts)}, the table gives {counts}"
    differences = fold.differences(archive.decision)
    again = estimates(archive.decision, archive.design, fold.statistic, archive.observations)
    for name in sorted(again.keys() | archive.estimates.keys()):
        given, made = archive.estimates.get(name), again.get(name)
        if not _alike(given, made):
            yield f"estimates: {name} is {_short(given)}, the fold gives {_short(made)}"
    yield from (f"decision: {difference}" for difference in differences)
    if archive.dispute is not None:
        yield from (f"disputed: {difference}" for difference in archive.dispute.differences)
        if archive.dispute.differences != differences:
            yield f"dispute: {archive.dispute.differences}, the fold gives {differences}"


def _alike(given: object, again: object) -> bool:
    """Return whether two estimates agree but for the last digits, which other versions of the libraries may move."""
    if isinstance(given, list) and isinstance(again, list) and len(given) == len(again):
        return all(map(_alike, given, again))
    if isinstance(given, float) and isinstance(again, float):
        return math.isclose(given, again, rel_tol=1e-7, abs_tol=1e-10)
    return given == again


def _rows_differ(given: pa.RecordBatch, made: pa.RecordBatch, row: int) -> Iterator[str]:
    if given.num_rows != made.num_rows:
        yield f"observations from row {row}: {given.num_rows} of them, the fold gives {made.num_rows}"
        return
    for name in SCHEMA.names:
        here, there = given.column(name), made.column(name)
        if here.equals(there):
            continue
        for at, (left, right) in enumerate(zip(here.to_pylist(), there.to_pylist(), strict=True)):
            if left != right and not (left != left and right != right):  # noqa: PLR0124 two NaN are alike
                yield f"observations, row {row + at}: {name} is {left!r}, the fold gives {right!r}"
                break


def _derived(archive: Archive, folder: Path) -> Iterator[str]:
    """Yield which files that can be made again from the table are other ones."""
    made = {
        "observations.csv": formats.observations_csv(archive),
        "walk.csv": formats.walk_csv(thinned(archive)),
        "summary.csv": formats.summary_csv(archive),
        "table.tex": formats.table_tex(archive),
        "references.bib": formats.references_bib(archive),
    }
    for name, chunks in made.items():
        if (folder / name).exists() and (line := _first_difference(folder / name, chunks)) is not None:
            yield f"{name}: line {line} is not that of the archive"
    numbers = folder / "summary.parquet"
    if numbers.exists() and not pq.read_table(numbers).equals(summary_table(archive)):
        yield f"{numbers.name}: not the numbers of the archive"


def _first_difference(path: Path, chunks: Iterable[bytes]) -> int | None:
    line = 1
    with path.open("rb") as stream:
        for chunk in chunks:
            given = stream.read(len(chunk))
            if given != chunk:
                pairs = zip_longest(given.splitlines(), chunk.splitlines())
                return line + next(number for number, (left, right) in enumerate(pairs) if left != right)
            line += chunk.count(b"\n")
        return line if stream.read(1) else None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 160 else text[:157] + "..."
