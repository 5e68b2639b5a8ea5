"""A run's own source, as its definition names it: an endless or finite row of records, each a few values.

A source can begin at any record, so that a restarted runner goes on where the log ends.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from producers.columns import CsvColumn
from producers.entropy import EntropyBits
from producers.errors import SourceError

Values = npt.NDArray[np.float64]


class Source(Protocol):
    """What the runner needs of a source."""

    def records(self, first: int) -> Iterator[Values]:
        """Yield the values of record `first`, of the next one, and so on; raises `SourceError` when it breaks."""
        ...


def open_source(section: dict[str, Any], files: Path) -> Source:
    """Return the source that the `[source]` section of a definition describes.

    Parameters
    ----------
    section
        As stored: defaults filled in.
    files
        The only folder that files are read from.

    Raises
    ------
    SourceError
        If the source cannot be opened.
    """
    kind, batch = section["kind"], section["batch"]
    if kind == "entropy":
        return EntropyBits(batch, section["p"])
    if kind == "csv":
        return CsvColumn(section["path"], section["column"], batch, files)
    raise SourceError(f"source.kind: {kind!r}; this runner knows: 'csv', 'entropy'")
