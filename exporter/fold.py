"""The independent replica: batches of a run's records in, rows of the observation table out, a decision at the end.

The exporter feeds it from Kafka, `verify` from the archive's own table; both must give the same rows.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from experiments.batch import NONE, Ints, ObservationBatch, Rejected, Result, Results
from experiments.replay import Replica, differences
from exporter.observations import SCHEMA
from schemas import events
from sprt import State

_NAMES = pa.array([result.name.lower() for result in Result])
_ARMS = pa.array(["a", "b"])


class Fold:
    """One run folded again; `counts` has its records by what became of them.

    Parameters
    ----------
    defined
        The definition that held when the run started.
    lifecycle
        The run's events from `started` to `decision`, in version order.
    """

    def __init__(self, defined: events.Defined, lifecycle: Sequence[events.Lifecycle]) -> None:
        self._replica = Replica(defined, lifecycle)
        self._partition = lifecycle[0].partition or 0
        self.counts: Counter[str] = Counter()

    @property
    def statistic(self) -> State:
        """Return the walk as it stands."""
        return self._replica.experiment.hot.statistic

    def rows(self, batch: ObservationBatch, unreadable: Sequence[Rejected] = ()) -> pa.RecordBatch:
        """Return the table's rows for a batch; `unreadable` are the run's records in its range that have no values."""
        before, pieces = self.statistic, [self._unreadable(unreadable)]
        for piece, results in self._replica.feed(batch):
            pieces.append(self._piece(piece, results, before))
            before = self.statistic
        table = pa.Table.from_batches(pieces, SCHEMA).combine_chunks()
        if unreadable:
            table = table.sort_by([("offset", "ascending"), ("index", "ascending")])
        return pa.RecordBatch.from_arrays(
            [c.combine_chunks() if c.num_chunks != 1 else c.chunk(0) for c in table.columns], schema=SCHEMA
        )

    def conclude(self) -> events.Decision | None:
        """Return the replica's decision once all rows were made, None if nothing ended the run."""
        return self._replica.conclude()

    def differences(self, published: events.Decision) -> tuple[str, ...]:
        """Return in words where the replica's decision is not the published one."""
        return differences(published, self.conclude())

    def _piece(self, piece: ObservationBatch, results: Results, before: State) -> pa.RecordBatch:
        lengths = np.diff(piece.value_starts)
        record = np.repeat(np.arange(len(piece.offset)), lengths)
        index = np.arange(len(record)) - piece.value_starts[record]
        status = results[record].astype(np.int64)
        decision = self._replica.decision
        if decision is not None and decision.index is not None:
            status[(piece.offset[record] == decision.offset) & (index > decision.index)] = Result.AFTER_STOP
        self._count(results)
        applied = status == Result.APPLIED
        n, llr = self._walk(piece.values[applied], piece.arm[record][applied], before)
        return pa.RecordBatch.from_arrays(
            [
                _spread(n, applied, pa.int64()),
                pa.array(np.full(len(record), self._partition, np.int32)),
                pa.array(piece.offset[record]),
                pa.array(index, pa.int32()),
                _optional(piece.observed_at[record], pa.timestamp("us", "UTC")),
                _named(pa.array(piece.source_names, pa.string()), piece.source[record]),
                _optional(piece.sequence[record], pa.int64()),
                _named(_ARMS, piece.arm[record]),
                pa.array(piece.values),
                _NAMES.take(pa.array(status)),
                _spread(llr, applied, pa.float64()),
            ],
            schema=SCHEMA,
        )

    def _walk(
        self, values: np.ndarray[tuple[int], np.dtype[np.float64]], arms: Ints, before: State
    ) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.float64]]]:
        """Return n and the log-likelihood ratio after each applied value."""
        if not len(values):
            return values, values
        design = self._replica.experiment.design
        sides = arms.astype(np.int8) if design.model.has_arms else None
        walk = design.model.walk(before, values, sides, two_sided=design.is_two_sided)
        return walk.n(), walk.llr

    def _count(self, results: Results) -> None:
        for result, number in enumerate(np.bincount(results, minlength=len(Result)).tolist()):
            if number:
                self.counts[Result(result).name.lower()] += number

    def _unreadable(self, records: Sequence[Rejected]) -> pa.RecordBatch:
        if records:
            self.counts["rejected"] += len(records)
        return pa.RecordBatch.from_pylist(
            [
                {"partition": self._partition, "offset": record.offset, "index": 0, "status": "rejected"}
                for record in records
            ],
            schema=SCHEMA,
        )


def _spread(
    values: np.ndarray[tuple[int], np.dtype[np.float64]],
    where: np.ndarray[tuple[int], np.dtype[np.bool_]],
    kind: pa.DataType,
) -> pa.Array:
    """Return a column with the values where the mask is true and null elsewhere."""
    column = np.zeros(len(where), kind.to_pandas_dtype())
    column[where] = values
    return pa.array(column, kind, mask=~where)


def _optional(values: Ints, kind: pa.DataType) -> pa.Array:
    return pa.array(values, mask=values == NONE).cast(kind)


def _named(names: pa.Array, codes: Ints) -> pa.Array:
    return names.take(pa.array(codes, mask=codes == NONE))
