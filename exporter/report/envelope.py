"""Where the walk was expected: the 5, 50 and 95 % points of simulated walks of the design, up to the realised n."""

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

import sprt
from experiments.envelope import planned_levels
from exporter.archive import Archive

WALKS: Final = 1_000
SEED: Final = 20_261
_PLACES: Final = 80


def envelope(archive: Archive) -> tuple[str, npt.NDArray[np.float64]] | None:
    """Return under which hypothesis, and rows of n and the walk's three levels in nats; None where there is none.

    The hypothesis is the accepted one, H1 for a run without a verdict.
    """
    which = "h0" if archive.decision.outcome == "accept_h0" else "h1"
    rows = _rows(archive.design, which, archive.decision.n) if archive.decision.n else None
    return None if rows is None else (which, rows)


@lru_cache(maxsize=8)
def _rows(design: sprt.Design, which: str, last: int) -> npt.NDArray[np.float64] | None:
    n = np.unique(np.linspace(1, last, _PLACES).astype(int)).astype(float)
    levels = planned_levels(design, getattr(design.model, which), n, WALKS, SEED)
    return None if levels is None else np.column_stack((n, levels))
