"""Records written at once are byte for byte those written one by one."""

from itertools import pairwise

import numpy as np
import pytest

from schemas import bulk, codecs, events


@pytest.mark.parametrize("per_record", [1, 3, 100])
@pytest.mark.parametrize("first", [0, 60, 8_190, 2**20 - 2, 2**41 - 1])
@pytest.mark.parametrize("size", [1, 7, 2_600])
def test_records_written_at_once_are_those_written_alone(per_record: int, first: int, size: int) -> None:
    values = np.random.default_rng(7).normal(size=size)
    fields = {"experiment_id": "rng-bias", "source": "lab", "arm": "b", "observed_at": 1_796_115_600_000_000}
    alone = [
        codecs.encode_avro(
            events.Observation(values=values[at : at + per_record].tolist(), sequence=first + number, **fields)  # type: ignore[arg-type]  # a mixed dict
        )
        for number, at in enumerate(range(0, size, per_record))
    ]

    pieces = list(bulk.write_avro(values, per_record, first, **fields))

    assert alone == [record for _, records in pieces for record in records]
    assert pieces[0][0] == first
    assert all(a[0] + len(a[1]) == b[0] for a, b in pairwise(pieces))
