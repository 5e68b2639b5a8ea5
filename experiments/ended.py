"""Counts at once the records of all experiments of a batch whose run has ended: sources go on long after that.

Nothing comes of such a record, so how many there are is all that is looked at. `experiments.folding` counts the same,
one experiment at a time.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from experiments.batch import NONE, Ints
from experiments.experiment import Experiment, Share
from experiments.ledger import NUMBERS, Account, Entry, Experiments, moving


class Ended(NamedTuple):
    """The experiments after the batch, and the codes of those whose records were counted."""

    experiments: Experiments
    codes: Sequence[int] = ()


def count_ended(experiments: Experiments, entries: Sequence[Entry | None], sizes: Ints) -> Ended:
    """Return what comes of the experiments of a batch whose run has ended.

    `entries` has those of all codes of the batch, `sizes` how many records are of each.
    """
    kept = experiments.ledger.accounts
    found = [
        (code, entry)
        for code in np.flatnonzero(sizes).tolist()
        if (entry := entries[code]) is not None
        and (kept[entry].model is None if isinstance(entry, int) else _can_be_counted(entry))
    ]
    if not found:
        return Ended(experiments)
    codes = [code for code, _ in found]
    rows = [entry if isinstance(entry, int) else entry.cold.experiment_id for _, entry in found]
    opened = {place: _opened(entry) for place, (_, entry) in enumerate(found) if isinstance(entry, Experiment)}
    numbers = experiments.ledger.numbers_of(rows, {place: of for place, (_, of) in opened.items()})
    numbers["records"] += sizes[codes]
    accounts = {rows[place]: account for place, (account, _) in opened.items()}
    return Ended(experiments.counted(rows, numbers, accounts), codes)


def _can_be_counted(experiment: Experiment) -> bool:
    """Return whether the run has ended, and all that is left of its walk are the numbers of an account."""
    statistic = experiment.hot.statistic
    has_ended = experiment.hot.run > 0 and not experiment.is_live
    return has_ended and len(statistic.counts) == 1 and not statistic.sums and not statistic.waiting


def _opened(experiment: Experiment) -> tuple[Account, tuple[Any, ...]]:
    """Return an account for the records that still come, and its numbers."""
    account = Account(experiment, (experiment.cold.experiment_id, experiment.hot.run))
    numbers = moving(experiment.hot, account.counted_as, NONE, Share(0, 0.0))
    return account, (*numbers, *np.zeros((), NUMBERS).item()[len(numbers) :])  # nothing is folded by what stays
