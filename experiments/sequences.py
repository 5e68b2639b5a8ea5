"""Which sequence numbers of a source were seen: duplicates are told from late arrivals, gaps are counted.

Records carry +1 each; forwarding and retries reorder, so a number up to 1 024 behind the highest may still arrive.
"""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

WINDOW = 1024
MAX_SOURCES = 1000

Verdict = Literal["new", "duplicate", "sequence_too_old", "too_many_sources"]


class Seen(NamedTuple):  # a tuple: folding may make one for every record
    """All numbers from `lowest` to `highest` were seen but `missing`; `lost` numbers left the window unseen."""

    lowest: int
    highest: int
    missing: frozenset[int] = frozenset()
    lost: int = 0

    @property
    def gaps(self) -> int:
        """Return how many numbers between the lowest and the highest have not arrived."""
        return len(self.missing) + self.lost


def first(sequence: int) -> Seen:
    """Return what is known after a source's first record."""
    return Seen(sequence, sequence)


def see(seen: Seen, sequence: int) -> tuple[Seen, Verdict]:
    """Return what is known after one more record, and whether it is new."""
    if sequence == seen.highest + 1 and not seen.missing:
        return Seen(seen.lowest, sequence, seen.missing, seen.lost), "new"
    if sequence > seen.highest:
        floor = sequence - WINDOW
        skipped = range(max(seen.highest + 1, floor), sequence)
        kept = frozenset(m for m in seen.missing if m >= floor)
        lost = len(seen.missing) - len(kept) + (sequence - seen.highest - 1) - len(skipped)
        return Seen(seen.lowest, sequence, kept | frozenset(skipped), seen.lost + lost), "new"
    if sequence < seen.highest - WINDOW:
        return seen, "sequence_too_old"
    if sequence in seen.missing:
        return Seen(seen.lowest, seen.highest, seen.missing - {sequence}, seen.lost), "new"
    if sequence < seen.lowest:
        between = frozenset(range(sequence + 1, seen.lowest))
        return Seen(sequence, seen.highest, seen.missing | between, seen.lost), "new"
    return seen, "duplicate"


def see_run(seen: Seen | None, sequences: npt.NDArray[np.int64]) -> Seen | None:
    """Return what is known after records that follow one another without a gap, None if they do not."""
    begin, end = int(sequences[0]), int(sequences[-1])
    if end - begin + 1 != len(sequences) or not (np.diff(sequences) == 1).all():
        return None
    if seen is None:
        return Seen(begin, end)
    if seen.missing or begin != seen.highest + 1:
        return None
    return Seen(seen.lowest, end, lost=seen.lost)
