"""Which number a source has come to, as the log tells."""

from collections.abc import Iterable
from itertools import islice
from typing import Final

from producers.reading import Record

_AT_ONCE: Final = 10_000


def next_number(records: Iterable[Record], experiment_id: str, source: str) -> int:
    """Return the number behind the highest one of the source among an experiment's records, 0 if it has none there.

    They are read as a worker reads them: what it would reject has no number.
    """
    # Here: it brings much along, and few programs go on under an earlier name.
    from experiments.columns import RawRecord, observation_batch

    key, highest = experiment_id.encode(), -1
    own = (RawRecord(it.offset, it.timestamp * 1000, it.key, it.value) for it in records if it.key in (None, key))
    while piece := list(islice(own, _AT_ONCE)):
        read = observation_batch(0, piece[0].offset, piece[-1].offset + 1, piece)
        if experiment_id in read.experiment_ids and source in read.source_names:
            is_own = read.experiment == read.experiment_ids.index(experiment_id)
            is_own &= read.source == read.source_names.index(source)
            highest = max(highest, int(read.sequence[is_own].max(initial=-1)))
    return highest + 1
