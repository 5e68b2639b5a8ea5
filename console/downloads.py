"""Archives for download: the files as they stand in the archive's folder, one by one or as one ZIP.

Only the folder of the run asked for is ever opened, and only names that its listing holds.
"""

import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from schemas.codecs import EXPERIMENT_ID

_WHAT: Final = {
    "report.pdf": "Report for people",
    "workbook.xlsx": "Workbook",
    "summary.csv": "Numbers",
    "summary.parquet": "Numbers, exact",
    "observations.csv": "Observations",
    "observations.parquet": "Observations, exact",
    "walk.csv": "The walk",
    "experiment.json": "Definition, decision, timeline",
    "manifest.json": "Checksums of all files",
}


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """One file of an archive; `sha256` as its manifest says."""

    name: str
    what: str
    size: int
    sha256: str | None


def folder(archives: Path, experiment_id: str, run: int) -> Path | None:
    """Return the folder of the run's archive, None if there is none here."""
    if not EXPERIMENT_ID.fullmatch(experiment_id) or run < 1:
        return None
    found = archives / experiment_id / str(run)
    return found if (found / "manifest.json").is_file() else None


def files(archive: Path) -> list[ArchivedFile]:
    """Return the files of an archive, those for people first."""
    order = list(_WHAT)
    digests = _digests(archive)
    names = sorted(
        (path.name for path in archive.iterdir() if path.is_file() and not path.is_symlink()),
        key=lambda name: (order.index(name) if name in order else len(order), name),
    )
    return [
        ArchivedFile(name, _WHAT.get(name, ""), (archive / name).stat().st_size, digests.get(name)) for name in names
    ]


def zipped(archives: Mapping[tuple[str, int], Path]) -> Path:
    """Return a temporary ZIP of the archives, to be deleted by the caller; each has a folder `<experiment>-<run>`."""
    with tempfile.NamedTemporaryFile(prefix="waldstream-", suffix=".zip", delete=False) as target:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
            for (experiment_id, run), archive in archives.items():
                for file in files(archive):
                    packed.write(archive / file.name, f"{experiment_id}-{run}/{file.name}")
        return Path(target.name)


def _digests(archive: Path) -> dict[str, str]:
    """Return the manifest's SHA-256 of each file; empty if it cannot be read that way."""
    try:
        manifest = msgspec.json.decode((archive / "manifest.json").read_bytes())
        return {name: entry["sha256"] for name, entry in manifest["files"].items()}
    except (OSError, msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return {}
