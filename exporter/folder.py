"""An archive's folder, complete or absent: written aside, flushed to disk, renamed, the parents flushed.

A crash at any point leaves either no archive or a whole one. Of two writers the second is told; a complete archive of
another decision is set aside, never overwritten.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from exporter import manifest
from exporter.archive import Archive
from exporter.disk import flush
from exporter.formats import Paper, write
from schemas.codecs import EXPERIMENT_ID

_ASIDE: Final = ".partial"

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Written:
    """A complete archive: where, relative to the archives' folder, and its manifest's digest."""

    location: str
    manifest_digest: str
    disputed: bool


def location(experiment_id: str, run: int) -> str:
    """Return an archive's place below the archives' folder.

    Raises
    ------
    ValueError
        If the names could lead anywhere else.
    """
    if not EXPERIMENT_ID.fullmatch(experiment_id):
        raise ValueError(f"experiment_id: {experiment_id[:80]!r}; allowed: [a-z0-9][a-z0-9._-]{{0,62}}")
    if run < 1:
        raise ValueError(f"run: {run}; allowed: 1, 2, 3 …")
    return f"{experiment_id}/{run}"


def existing(archives: Path, experiment_id: str, run: int) -> Written | None:
    """Return the complete archive of a run if there is one."""
    place = location(experiment_id, run)
    try:
        found, digest = manifest.read(archives / place)
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
        return None
    return Written(place, digest, found.disputed)


@contextmanager
def aside(archives: Path, experiment_id: str, run: int) -> Iterator[Path]:
    """Give an empty folder to write an archive in, locked against a second writer; it is gone afterwards.

    Raises
    ------
    BlockingIOError
        If another exporter is writing this archive.
    """
    location(experiment_id, run)
    folder = archives / _ASIDE / f"{experiment_id}~{run}"
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for leftover in folder.iterdir():  # of a writer that was killed
            leftover.unlink()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)  # nothing is left of it once it was renamed
    finally:
        os.close(handle)


def publish(
    archive: Archive,
    aside_folder: Path,
    archives: Path,
    formats: Iterable[str],
    *,
    progress: Progress = lambda _: None,
    paper: Paper = "a4",
) -> Written:
    """Write the archive's files into its folder aside and make it appear at its place, whole.

    Parameters
    ----------
    aside_folder
        The folder of `aside`, which already holds the observation table.
    progress
        Called with the name of each step as it is done: `written <file>`, `flushed <file>`, `manifest`, `folder`,
        `renamed`, `parent`.

    Raises
    ------
    OSError
        If the disk is full or may not be written; then there is no archive.
    """
    place = location(archive.experiment_id, archive.run)
    files = {}
    for path in write(archive, aside_folder, formats, paper):
        progress(f"written {path.name}")
        flush(path)
        progress(f"flushed {path.name}")
        files[path.name] = manifest.listed(path)
    data = manifest.encoded(
        manifest.Manifest(
            format=manifest.FORMAT,
            experiment_id=archive.experiment_id,
            run=archive.run,
            decision_id=archive.decision.id,
            disputed=archive.dispute is not None,
            files=files,
        )
    )
    (aside_folder / manifest.NAME).write_bytes(data)
    flush(aside_folder / manifest.NAME)
    progress("manifest")
    appear(aside_folder, archives, place, progress)
    return Written(place, manifest.digest_of(data), archive.dispute is not None)


def appear(aside_folder: Path, archives: Path, place: str, progress: Progress = lambda _: None) -> None:
    """Make a folder whose files are flushed appear at its place, whole; an archive that stands there is set aside."""
    flush(aside_folder)
    progress("folder")
    target = archives / place
    target.parent.mkdir(parents=True, exist_ok=True)
    _set_aside(target)
    aside_folder.rename(target)
    progress("renamed")
    flush(target.parent)
    flush(archives)
    progress("parent")


def _set_aside(target: Path) -> None:
    """Move the archive of another decision out of the way, under its own digest."""
    if not target.exists():
        return
    try:
        _, digest = manifest.read(target)
    except (OSError, msgspec.DecodeError):
        digest = f"unreadable-{target.stat().st_mtime_ns}"
    target.rename(target.with_name(f"{target.name}~{digest[:32]}"))
