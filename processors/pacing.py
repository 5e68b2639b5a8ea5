"""How large the next batch may be: commands must not wait behind it, and records must not wait for many small ones."""

from typing import Final

#: A touched experiment costs about as much as so many records: a row, and perhaps a point of its walk.
EXPERIMENT: Final = 30


def affordable(records: int, touched: int, seconds: float, known: int, share: float) -> int:
    """Return how many records a batch may have, after one of `records` that touched so many experiments.

    A batch within its share of time is best as large as it can be, since each experiment costs once. Where that share
    is not even enough to touch all of the `known` experiments, every record of a small batch touches another one; then
    a batch of twice the share, which holds many records of each, does several times as much a second.

    Parameters
    ----------
    seconds, share
        What the batch took to compute, and what one should take.
    """
    spread = touched if records >= 2 * touched else known
    units = (records + EXPERIMENT * touched) * share / max(seconds, 1e-6)
    for most in (units, 2 * units):
        if most > (EXPERIMENT + 1) * spread:
            return int(most) - EXPERIMENT * spread
    return int(units / (EXPERIMENT + 1))
