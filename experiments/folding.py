"""How the observation records of one experiment move its walk: who is applied, who is not and why, where it stops.

Everything is defined record by record, so that any split into batches gives the same memory and the same emissions; the
columns only make it fast. A run ends inside a record at the exact observation; what follows is counted, not applied.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from immutables import Map

import sprt
from experiments import endings, facts, points
from experiments.batch import FUTURE_TOLERANCE, NONE, Ints, ObservationBatch, Rejected, Result, Results, gather
from experiments.experiment import Experiment, Share
from experiments.facts import Moment
from experiments.published import Point
from experiments.sequences import MAX_SOURCES, Seen, Verdict, first, see, see_run
from experiments.times import micros, moment
from schemas import events
from sprt.families.paired_bernoulli import MOST_WAITING

_NAMES: Final = tuple(result.name.lower() for result in sorted(Result))


@dataclass(frozen=True, slots=True)
class Folded:
    """What the records of one experiment led to; `results` has one entry per row given."""

    experiment: Experiment
    results: Results
    rejected: tuple[Rejected, ...] = ()
    walks: tuple[Point, ...] = ()
    control: tuple[events.Lifecycle, ...] = ()


def fold_records(experiment: Experiment, batch: ObservationBatch, rows: Ints) -> Folded:
    """Return what the given rows of the batch, all of this experiment and in log order, lead to."""
    if experiment.is_live:
        return _Run(experiment, batch, rows).fold()
    has_begun = experiment.hot.run > 0
    return _all(experiment, Result.AFTER_STOP if has_begun else Result.BEFORE_START, len(rows))


def _all(experiment: Experiment, result: Result, size: int) -> Folded:
    """Count records that change nothing else: sources go on long after their experiments have ended."""
    counts, name = experiment.hot.counts, _NAMES[result]
    hot = experiment.hot._replace(counts=counts.set(name, counts.get(name, 0) + size))
    return Folded(Experiment(experiment.cold, hot, experiment.known_design), np.full(size, result, np.int8))


class _Run:
    """One pass over the rows of a running experiment: judge each record, fold the walk, find the end."""

    def __init__(self, experiment: Experiment, batch: ObservationBatch, rows: Ints) -> None:
        self.experiment, self.batch, self.rows = experiment, batch, rows
        self.results = np.full(len(rows), Result.APPLIED, np.int8)
        self.rejected: dict[int, Rejected] = {}
        self.end = len(rows)  # the first row after the run's end, as far as known
        self.reason: str | None = None
        self.carrying: Ints = np.empty(0, np.int64)  # the rows up to `judged_to` whose sequences are in `seen`
        self.judged_to = 0
        self.seen = experiment.hot.sources
        self.open_pause = len(rows)  # the first row of a pause that has not ended

    def fold(self) -> Folded:
        self._leave_out_pauses()
        self._refuse_the_future()
        self._stop_at_the_deadline()
        self._refuse_values_outside_the_support()
        self._drop_duplicates()
        self._refuse_what_cannot_wait()
        applied = np.flatnonzero(self.results[: self.end] == Result.APPLIED)
        walked = points.walk(self.experiment, self.batch, self.rows[applied])
        if walked.stopped is not None:
            self.end, self.reason = int(applied[walked.stopped.row]) + 1, walked.stopped.rule
        self.results[self.end :] = Result.AFTER_STOP
        after = replace(self.experiment, hot=walked.hot._replace(sources=self._sources_at_the_end()))
        after = _counted(after, self.results[: self.end])
        control: list[events.Lifecycle] = []
        if self.reason is not None:
            after, control = endings.conclude(after, *self._decision(walked.stopped))
            after = _counted(after, self.results[self.end :])
        rejected = tuple(self.rejected[row] for row in sorted(self.rejected) if row < self.end)
        return Folded(after, self.results, rejected, walked.points, tuple(control))

    def _carrying_sequences(self) -> Ints:
        """Return the rows whose sequence counts as seen: a value outside the support stays so when sent again."""
        kept = [row for row, rejected in self.rejected.items() if rejected.reason == "value_not_allowed"]
        carrying = self.results[: self.end] != Result.REJECTED
        carrying[[row for row in kept if row < self.end]] = True
        return np.flatnonzero(carrying)

    def _sources_at_the_end(self) -> Map[str, Seen]:
        if self.end == self.judged_to:
            return self.seen
        rows = self.carrying[self.carrying < self.end]
        return _see(self.experiment.hot.sources, self.batch, self.rows[rows])[0]

    def _leave_out_pauses(self) -> None:
        """Mark the records of pauses; one may lie ahead, in a backlog that was not read when it was asked for."""
        offsets = self.batch.offset[self.rows]
        for pause in self.experiment.cold.pauses:
            begin = int(np.searchsorted(offsets, pause.first))
            end = len(offsets) if pause.end is None else int(np.searchsorted(offsets, pause.end))
            self.results[begin:end] = Result.WHILE_PAUSED
            if pause.end is None:
                self.open_pause = begin

    def _refuse_the_future(self) -> None:
        observed = self.batch.observed_at[self.rows]
        for row in np.flatnonzero(observed > self.batch.timestamp[self.rows] + FUTURE_TOLERANCE):
            ahead = (observed[row] - self.batch.timestamp[self.rows[row]]) / 1e6
            message = (
                f"observed_at: {ahead:.3f} s after the record's Kafka timestamp; allowed: {FUTURE_TOLERANCE / 1e6} s"
            )
            self._reject(int(row), "observed_in_future", message)

    def _stop_at_the_deadline(self) -> None:
        deadline = self.experiment.cold.deadline
        if deadline is None:
            return
        deadlines = np.full(len(self.rows), micros(deadline), np.int64)
        for pause in reversed(self.experiment.cold.pauses):
            if pause.deadline is not None:
                deadlines[: np.searchsorted(self.batch.offset[self.rows], pause.first)] = pause.deadline
        late = (self.batch.observed_at[self.rows] > deadlines) & (self.results == Result.APPLIED)
        if late.any():
            self.end, self.reason = int(np.argmax(late)), "timeout"

    def _refuse_values_outside_the_support(self) -> None:
        model = self.experiment.design.model
        values, ends, arms = gather(self.batch, self.rows)
        sides = arms if model.has_arms else None
        good = model.supports(values, sides)
        if sides is not None:
            for row in np.flatnonzero(self.batch.arm[self.rows] == NONE):
                self._reject(int(row), "value_not_allowed", f"arm: none given; allowed for {model.name}: a, b")
        if good.all():
            return
        for row in np.unique(np.searchsorted(ends, np.flatnonzero(~good), side="right")):
            begin = int(ends[row - 1]) if row else 0
            index = begin + int(np.argmin(good[begin : int(ends[row])]))
            message = f"values[{index - begin}]: {values[index]!r}; allowed for {model.name}: {model.support}"
            self._reject(int(row), "value_not_allowed", message)

    def _drop_duplicates(self) -> None:
        self.carrying, self.judged_to = self._carrying_sequences(), self.end
        self.seen, verdicts = _see(self.experiment.hot.sources, self.batch, self.rows[self.carrying])
        for position, verdict in verdicts.items():
            row = int(self.carrying[position])
            if self.results[row] != Result.APPLIED:
                continue
            if verdict == "duplicate":
                self.results[row] = Result.DUPLICATE
            else:
                sequence = int(self.batch.sequence[self.rows[row]])
                self._reject(row, verdict, _WHY[verdict].format(sequence=sequence))
        self._stop_at_the_end_of_the_source()

    def _refuse_what_cannot_wait(self) -> None:
        """Refuse records of an arm that is too far ahead: how many wait for a partner is bounded."""
        model = self.experiment.design.model
        if not isinstance(model, sprt.PairedBernoulli):
            return
        applied = np.flatnonzero(self.results[: self.end] == Result.APPLIED)
        rows, starts = self.rows[applied], self.batch.value_starts
        change = np.where(self.batch.arm[rows] == 0, 1, -1) * (starts[rows + 1] - starts[rows])
        a, b = (self.experiment.hot.shares.get(f"arm:{arm}", Share(0, 0.0)).observations for arm in "ab")
        ahead = a - b
        if np.abs(ahead + np.cumsum(change)).max(initial=0) <= MOST_WAITING:
            return
        message = f"arm: more than {MOST_WAITING} would wait for a partner; allowed: observations of the other arm"
        for row, more in zip(applied.tolist(), change.tolist(), strict=True):
            if abs(ahead + more) > MOST_WAITING:
                self._reject(row, "value_not_allowed", message)
            else:
                ahead += more

    def _stop_at_the_end_of_the_source(self) -> None:
        if self.experiment.cold.source_end is None:
            return
        name, last = self.experiment.cold.source_end
        if name not in self.batch.source_names:
            return
        source = self.batch.source_names.index(name)
        rows = self.rows[: min(self.end, self.open_pause)]  # what ends in a pause ends the run when it is resumed
        at_end = (self.batch.source[rows] == source) & (self.batch.sequence[rows] >= last)
        if at_end.any():
            self.end, self.reason = int(np.argmax(at_end)) + 1, "source_exhausted"

    def _reject(self, row: int, reason: str, message: str) -> None:
        if self.results[row] == Result.APPLIED:
            self.results[row] = Result.REJECTED
            offset = int(self.batch.offset[self.rows[row]])
            self.rejected[row] = Rejected(offset, reason, message, self.experiment.cold.experiment_id)

    def _decision(self, stopped: points.Stopped | None) -> tuple[facts.Maker, Moment]:
        """Return the maker of the verdict, and when and where it takes effect."""
        if stopped is not None:
            now = self._moment(self.end - 1)
            decided = facts.decided(
                now, stopped.rule, stopped.outcome, direction=stopped.direction, index=stopped.index
            )
            return decided, now
        if self.reason == "timeout":  # the late record ends the run and is the first that was not applied
            now = self._moment(self.end)
        else:
            now = self._moment(self.end - 1)
            now = replace(now, offset=now.offset + 1)
        return facts.decided(now, str(self.reason)), now

    def _moment(self, row: int) -> Moment:
        at = self.rows[row]
        return Moment(moment(int(self.batch.timestamp[at])), self.batch.partition, int(self.batch.offset[at]))


_WHY: dict[Verdict, str] = {
    "sequence_too_old": "sequence: {sequence} is more than 1024 behind the highest of its source; allowed: newer ones",
    "too_many_sources": f"source: one more than {MAX_SOURCES}; allowed: at most {MAX_SOURCES} sources per experiment",
}


def _see(sources: Map[str, Seen], batch: ObservationBatch, rows: Ints) -> tuple[Map[str, Seen], dict[int, Verdict]]:
    """Return the sources after the rows, and the verdict on each row (by its place) that is not simply new."""
    verdicts: dict[int, Verdict] = {}
    named = np.flatnonzero((batch.source[rows] != NONE) & (batch.sequence[rows] != NONE))
    for code in _in_order_of_appearance(batch.source[rows[named]]):
        places = named[batch.source[rows[named]] == code]
        name = batch.source_names[code]
        seen, sequences = sources.get(name), batch.sequence[rows[places]]
        if seen is None and len(sources) >= MAX_SOURCES:
            verdicts.update(dict.fromkeys(places.tolist(), "too_many_sources"))
            continue
        if whole := see_run(seen, sequences):
            sources = sources.set(name, whole)
            continue
        for place, sequence in zip(places.tolist(), sequences.tolist(), strict=True):
            if seen is None:
                seen = first(sequence)
                continue
            seen, verdict = see(seen, sequence)
            if verdict != "new":
                verdicts[place] = verdict
        if seen is not None:
            sources = sources.set(name, seen)
    return sources, verdicts


def _in_order_of_appearance(codes: Ints) -> list[int]:
    distinct, where = np.unique(codes, return_index=True)
    return [int(code) for code in distinct[np.argsort(where)]]


def _counted(experiment: Experiment, results: Results) -> Experiment:
    """Return the experiment with the records counted by what became of them."""
    counts = experiment.hot.counts
    for name, number in zip(_NAMES, np.bincount(results, minlength=len(Result)).tolist(), strict=True):
        if number:
            counts = counts.set(name, counts.get(name, 0) + number)
    return replace(experiment, hot=experiment.hot._replace(counts=counts))
