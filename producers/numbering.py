"""Which number a source has come to, as the log tells."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

import numpy as np

from producers.reading import Record
from schemas import codecs

_AT_ONCE: Final = 10_000


def next_number(records: Iterable[Record], experiment_id: str, source: str) -> int:
    """Return the number behind the highest one of the source among an experiment's records, 0 if it has none there.

    What a worker would reject has no number.
    """
    key, highest = experiment_id.encode(), -1
    own = (it.value for it in records if it.key in (None, key))
    while piece := list(islice(own, _AT_ONCE)):
        highest = max([highest, *_numbers(piece, experiment_id, source)])
    return highest + 1


def _numbers(values: list[bytes | None], experiment_id: str, source: str) -> Iterator[int]:
    """Yield the highest number in what is read in columns, if there is one, and each number in what is read alone."""
    from schemas import columnar, packed  # here: they bring Arrow along, and few programs go on under an earlier name

    read = columnar.read_avro(packed.packed(values))
    if experiment_id in read.experiment_ids and source in read.source_names:
        is_own = read.experiment == read.experiment_ids.index(experiment_id)
        is_own &= read.source == read.source_names.index(source)
        yield int(read.sequence[is_own].max(initial=-1))
    for row in np.setdiff1d(np.arange(len(values)), read.rows, assume_unique=True).tolist():
        try:
            event = codecs.decode_observation(values[row])
        except codecs.MalformedError:
            continue
        if event.experiment_id == experiment_id and event.source == source and event.sequence is not None:
            yield event.sequence
