"""What a run's own source is to the runner: an endless or finite row of records that can begin anywhere."""

from collections.abc import Iterator
from typing import Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt


class Drawn(NamedTuple):
    """The observations of one record, all of one arm where there are two."""

    values: npt.NDArray[np.float64]
    arm: Literal["a", "b"] | None = None


class Source(Protocol):
    """A source can begin at any record, so that a restarted runner goes on where the log ends."""

    def records(self, first: int) -> Iterator[Drawn]:
        """Yield record `first`, the next one, and so on; raises `SourceError` when the source breaks."""
        ...
