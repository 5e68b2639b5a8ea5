"""Many runs into one folder: an archive for each, an index, and one workbook over all of them.

An archive that stands in the archives' folder is copied as it is, so that its digest stays the published one; a run
without one, or asked for in other formats, is folded again from Kafka.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from exporter import document, formats, manifest
from exporter.catalog import Recorded
from exporter.disk import flush, place
from exporter.document import DocumentError
from exporter.export import Exporter
from exporter.folder import appear, aside, existing, location
from exporter.index import INDEX, Line, index_csv
from exporter.together import write_together

WORKBOOK: Final = "workbook.xlsx"


@dataclass(frozen=True, slots=True)
class Batch:
    """What was exported: the index's lines, and where its files are."""

    folder: Path
    lines: tuple[Line, ...]

    @property
    def is_whole(self) -> bool:
        """Return whether every run has an archive that nothing disputes."""
        return all(line.problem is None for line in self.lines)


def export_all(
    runs: Sequence[Recorded],
    exporter: Exporter,
    folder: Path,
    *,
    standing: Path | None,
    chosen: tuple[str, ...] | None,
    progress: Callable[[str], None] = lambda _: None,
) -> Batch:
    """Write the archives of the runs, the index and the workbook into the folder and return what was done.

    Parameters
    ----------
    exporter
        Writes into `folder`.
    standing
        The folder of the archives that may be copied; None folds every run again from Kafka.
    chosen
        The formats; None takes those of each definition.
    progress
        Called with the name of each run as it is done.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    lines = list[Line]()
    for run in runs:
        lines.append(_exported(run, exporter, folder, standing, chosen))
        progress(run.name)
    made = Batch(folder, tuple(lines))
    place(folder / f"{INDEX}.json", [msgspec.json.format(msgspec.json.encode(made.lines), indent=2), b"\n"])
    place(folder / f"{INDEX}.csv", index_csv(made.lines))
    with_documents = [(line, _document(folder / line.location)) for line in made.lines if line.location is not None]
    write_together(made.lines, [read for _, read in with_documents if read is not None], folder / WORKBOOK)
    return made


def _exported(
    run: Recorded, exporter: Exporter, folder: Path, standing: Path | None, chosen: tuple[str, ...] | None
) -> Line:
    decision, problem = run.decision, None
    wanted = chosen or tuple(run.definition["export"]["formats"])
    if standing is not None and _copied(standing, folder, run, wanted):
        how = "copied"
    else:
        done = exporter.export(run.timeline, wanted)
        how = done.result
    found = existing(folder, decision.experiment_id, decision.run)
    read = None if found is None else _document(folder / found.location)
    if found is None or read is None:
        problem = "the archive cannot be read"
    elif read.dispute is not None:
        problem = "disputed: " + "; ".join(read.dispute.in_words)
    return Line(
        experiment_id=decision.experiment_id,
        run=decision.run,
        title=str(run.definition.get("title") or ""),
        owner=str(run.definition.get("owner") or ""),
        tags=tuple(map(str, run.definition.get("tags") or ())),
        outcome=decision.outcome,
        reason=str(decision.reason),
        started=run.started.at.isoformat(),
        decided=decision.at.isoformat(),
        location=None if found is None else found.location,
        manifest_digest=None if found is None else found.manifest_digest,
        how=how,
        problem=problem,
        numbers={} if read is None else dict(read.numbers),
    )


def _copied(standing: Path, folder: Path, run: Recorded, wanted: tuple[str, ...]) -> bool:
    """Copy the standing archive of this very decision if it has the formats and its bytes are those of its manifest."""
    decision = run.decision
    found = existing(standing, decision.experiment_id, decision.run)
    if found is None or standing.resolve() == folder.resolve():
        return False
    source = standing / found.location
    read = _document(source)
    listed, _ = manifest.read(source)
    if read is None or read.decision != decision or not formats.files_of(wanted) <= set(listed.files):
        return False
    if existing(folder, decision.experiment_id, decision.run) == found:
        return True  # an export that was ended goes on
    if any(not (source / name).is_file() or manifest.listed(source / name) != it for name, it in listed.files.items()):
        return False
    with aside(folder, decision.experiment_id, decision.run) as partial:
        for name in (*listed.files, manifest.NAME):
            shutil.copyfile(source / name, partial / name)
            flush(partial / name)
        appear(partial, folder, location(decision.experiment_id, decision.run))
    return True


def _document(folder: Path) -> document.Document | None:
    try:
        return document.decoded((folder / formats.DOCUMENT).read_bytes())
    except (OSError, DocumentError):
        return None
