"""A run told again from its archive alone: the walk as the fold makes it, chunk by chunk, and what it decides."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from exporter import document, formats
from exporter.archive import Archive, run_of
from exporter.document import DocumentError
from exporter.fold import Fold
from exporter.records import TableError, batches, check_columns
from schemas import events


class ReplayError(Exception):
    """An archive that cannot be told again; the message says why in one line."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The next points of the walk: n and the log-likelihood ratio after it, in nats."""

    n: npt.NDArray[np.int64]
    llr: npt.NDArray[np.float64]


class Replay:
    """One archived run, to be told again.

    Parameters
    ----------
    folder
        The archive; only `experiment.json` and `observations.parquet` are read.

    Raises
    ------
    ReplayError
        If these cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        try:
            read = document.decoded((folder / formats.DOCUMENT).read_bytes())
            self.archive: Archive = document.archive_of(read, folder / formats.TABLE)
            check_columns(self.archive.observations.path)
            self._fold = Fold(self.archive.defined, run_of(self.archive.timeline))
        except (OSError, ValueError, DocumentError, TableError, LookupError, TypeError) as error:
            said = str(error)
            if isinstance(error, FileNotFoundError):
                said = f"{Path(error.filename or formats.TABLE).name}: the file is missing"  # Arrow names no file
            raise ReplayError(f"{folder}: {said}") from error
        self.verdict = read.verdict

    def stretches(self) -> Iterator[Stretch]:
        """Yield the walk in order of n, folded anew from the observations.

        Raises
        ------
        ReplayError
            If rows of the table are not what an exporter writes.
        """
        try:
            for _, batch, unreadable in batches(self.archive):
                rows = self._fold.rows(batch, unreadable)
                applied = rows.filter(pc.is_valid(rows["n"]))
                if applied.num_rows:
                    yield Stretch(applied["n"].to_numpy(), applied["llr"].to_numpy())
        except (TableError, ValueError) as error:
            raise ReplayError(str(error)) from error

    def decision(self) -> events.Decision | None:
        """Return what the replay decides, once all stretches were taken."""
        return self._fold.conclude()

    def differences(self) -> tuple[str, ...]:
        """Return in words where that is not the archived decision."""
        return self._fold.differences(self.archive.decision)
