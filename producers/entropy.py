"""Bits of the operating system's entropy source as zeros and ones, or a chosen share of ones made of them.

Nothing is seeded and nothing is kept: every record is fresh.
"""

import os
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from producers.source import Drawn


class EntropyBits:
    """Zeros and ones, `batch` of them per record, ones with probability `p`.

    At `p = 0.5` each value is one bit as the system gave it; otherwise a one is drawn when 53 bits, read as a fraction,
    lie below `p`.
    """

    def __init__(self, batch: int, p: float = 0.5) -> None:
        self._batch = batch
        self._p = p

    def records(self, first: int) -> Iterator[Drawn]:  # noqa: ARG002  a source without memory begins anywhere
        """Yield fresh records for ever."""
        while True:
            yield Drawn(self._draw())

    def _draw(self) -> npt.NDArray[np.float64]:
        if self._p == 0.5:
            raw = np.frombuffer(os.urandom((self._batch + 7) // 8), np.uint8)
            return np.unpackbits(raw, count=self._batch).astype(np.float64)
        words = np.frombuffer(os.urandom(8 * self._batch), np.uint64)
        return ((words >> np.uint64(11)) * 2.0**-53 < self._p).astype(np.float64)
