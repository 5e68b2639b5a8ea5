"""Folds at once all experiments of a batch in which nothing happens but counting.

Most experiments are quiet most of the time: every record continues its source, every value is allowed, no rule comes
near. Their walks, one behind the other, are one array each of sums and log-likelihood ratios. What is not quiet is left
to `experiments.folding`, record by record; for what is folded here both agree to the bit: families with an integer
statistic have exact sums, and each ratio is worked out by the same operations.
"""

import math
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from immutables import Map

import sprt
from experiments import points, shares
from experiments.batch import FUTURE_TOLERANCE, NONE, Floats, Ints, ObservationBatch, Point
from experiments.groups import Groups, Growing, grouped
from experiments.memory import Experiment, Hot, Share, State
from experiments.sequences import MAX_SOURCES, Seen
from experiments.times import micros
from sprt.families.base import ExponentialFamily

Bools = npt.NDArray[np.bool_]

_EXACT: Final = 2.0**52  # up to here sums of integers are exact as floats
_LARGEST: Final = 2.0**31  # the sum of a batch of these is exact
_LONGEST: Final = 2**44  # half a year in one batch: a clock that was set, not one that runs
_NEVER: Final = np.iinfo(np.int64).max


class Quiet(NamedTuple):
    """One experiment after the batch, and the points of its walk that are published."""

    experiment: Experiment
    walks: list[Point]


class _Walks(NamedTuple):
    """The sum of an experiment's values and its ratio after each observation; each run's largest ratio so far."""

    sums: Ints
    ratios: Floats
    highest: Floats


class _Own(NamedTuple):
    """One experiment's part of a batch: `records` of them and `size` observations, the first of which is `first`.

    `source` and `sequence` are those of its first record; `added` is the sum of its values, `llr` the ratio at the end,
    `highest` the largest one of the whole run; `at` is the time of its last record.
    """

    experiment: Experiment
    first: int
    size: int
    records: int
    source: int
    sequence: int
    added: int
    llr: float
    highest: float
    at: int


def fold_quiet(
    experiments: Map[str, Experiment], batch: ObservationBatch, order: Ints, bounds: Ints
) -> dict[int, Quiet]:
    """Return the quiet experiments of the batch by their code.

    `order` has the rows of the batch, experiment by experiment; those of code c are `order[bounds[c]:bounds[c + 1]]`.
    """
    codes, found = [], []
    for code, experiment_id in enumerate(batch.experiment_ids):
        experiment = experiments.get(experiment_id)
        if experiment is not None and _may_be_quiet(experiment):
            codes.append(code)
            found.append(experiment)
    if not codes:
        return {}
    groups = grouped(codes, found, batch, order, bounds)
    good = _good_values(groups)
    loud = _loud_records(groups, batch) | ~np.logical_and.reduceat(good, groups.first)
    values = groups.values if good.all() else np.where(good, groups.values, 0.0)
    sums = np.cumsum(values.astype(np.int64))
    before = np.where(groups.first > 0, sums[groups.first - 1], 0)  # those of the experiments that lie before
    sums -= before[groups.whose]
    ratios = _walked(groups, sums)
    walks = _Walks(sums, ratios, _highest(groups, ratios))
    loud |= _near_a_rule(groups, walks)
    quiet = np.flatnonzero(~loud).tolist()
    published = _published(groups, batch, walks, *_due(groups, quiet))
    made: dict[int, Quiet] = {}
    for g, own in zip(quiet, _owns(groups, quiet, batch, walks), strict=True):
        if (after := _counted(batch, walks, own, published.get(g, []))) is not None:
            made[groups.codes[g]] = after
    return made


def _may_be_quiet(experiment: Experiment) -> bool:
    cold, hot, model = experiment.cold, experiment.hot, experiment.design.model
    return (
        cold.state is State.RUNNING
        and cold.source_end is None
        and not cold.pauses
        and isinstance(model, ExponentialFamily)
        and model.integer
        and not experiment.design.is_two_sided
        and abs(hot.total) < _EXACT
    )


def _loud_records(groups: Groups, batch: ObservationBatch) -> Bools:
    """Return which experiments have a record that has to be judged by itself."""
    observed = batch.observed_at[groups.rows]
    loud = np.zeros(len(observed), np.bool_)
    if (observed != NONE).any():
        deadlines = np.array(
            [_NEVER if it.cold.deadline is None else micros(it.cold.deadline) for it in groups.experiments]
        )
        loud |= (observed > groups.timestamp + FUTURE_TOLERANCE) | (observed > deadlines[groups.of])
        guarded = np.array([shares.is_late_guarded(it) for it in groups.experiments])
        loud |= guarded[groups.of] & shares.is_late(observed, groups.timestamp)
    head = groups.begin[groups.of]
    source, sequence = batch.source[groups.rows], batch.sequence[groups.rows]
    loud |= source != source[head]  # several sources
    numbered = (sequence != NONE) & (source != NONE)
    follows = sequence - sequence[head] == np.arange(len(head)) - head
    loud |= (numbered != numbered[head]) | (numbered & ~follows)
    loud[1:] |= (groups.timestamp[1:] < groups.timestamp[:-1]) & (groups.of[1:] == groups.of[:-1])
    heard = np.array([it.hot.last_applied for it in groups.experiments])
    first, last = groups.timestamp[groups.begin], groups.timestamp[groups.end - 1]
    odd: Bools = (first < heard) | (last - first > _LONGEST)
    return odd | np.logical_or.reduceat(loud, groups.begin)


def _good_values(groups: Groups) -> Bools:
    """Return which values are in their model's support, and small enough for exact sums."""
    models: dict[Any, list[int]] = {}
    for g, experiment in enumerate(groups.experiments):
        models.setdefault(type(experiment.design.model), []).append(g)
    good = np.abs(groups.values) <= _LARGEST  # false for what is not a number
    for members in models.values():
        supports = groups.experiments[members[0]].design.model.supports(groups.values, None)
        good &= supports if len(models) == 1 else supports | ~np.isin(groups.whose, members)
    return good


def _walked(groups: Groups, sums: Ints) -> Floats:
    """Return the log-likelihood ratio after each observation; `sums` are those of its own experiment in this batch."""
    states = [it.hot.statistic for it in groups.experiments]
    lines = [it.design.model.ratio.first for it in groups.experiments]  # type: ignore[attr-defined]  # one line, see _may_be_quiet
    counts = np.array([it.counts[0] for it in states])
    n = np.arange(1, len(sums) + 1) + (np.array([it.n for it in states]) - groups.first)[groups.whose]
    slopes, drifts = np.array([it.slope for it in lines]), np.array([it.drift for it in lines])
    t = (sums + counts[groups.whose]).astype(np.float64)
    if (slopes == slopes[0]).all() and (drifts == drifts[0]).all():
        walk: Floats = t * slopes[0]
        walk += n * drifts[0]
    else:
        walk = t * slopes[groups.whose]
        walk += n * drifts[groups.whose]
    return walk


def _highest(groups: Groups, walk: Floats) -> Floats:
    """Return the largest ratio of each run so far."""
    before = np.array([it.hot.statistic.max_llr for it in groups.experiments])
    highest: Floats = np.maximum(np.maximum.reduceat(walk, groups.first), before)
    return highest


def _near_a_rule(groups: Groups, walks: _Walks) -> Bools:
    """Return which experiments a rule may end in this batch."""
    levels = np.array([it.design.levels for it in groups.experiments], np.float64)
    n = np.array([it.hot.statistic.n for it in groups.experiments]) + (groups.last - groups.first)
    low = np.minimum.reduceat(walks.ratios, groups.first)
    near: Bools = (
        (walks.highest >= np.minimum(levels[:, 0], levels[:, 2])) | (low <= levels[:, 1]) | (n >= levels[:, 3])
    )
    return near


def _due(groups: Groups, quiet: list[int]) -> tuple[Ints, Ints]:
    """Return the experiments of the points that are due, and behind which observation each lies, in order.

    The rule is that of `points`.
    """
    active = np.array(quiet, np.int64)
    last_n = np.array([it.hot.last_point_n for it in groups.experiments])
    last_at = np.array([it.hot.last_point_at for it in groups.experiments])
    single = np.clip(points.EACH_UP_TO - groups.begun, 0, groups.last - groups.first)[active]
    of = np.repeat(active, single)
    behind = np.arange(1, len(of) + 1) + np.repeat(groups.first[active] - (np.cumsum(single) - single), single)
    found = [(of, behind)]
    fresh, number = active[single > 0], single[single > 0]
    last_n[fresh] = groups.begun[fresh] + number
    last_at[fresh] = groups.timestamp[np.searchsorted(groups.read, groups.first[fresh] + number)]
    n_after = groups.read + (groups.begun - groups.first)[groups.of]
    reached, timestamp = Growing(groups, n_after, active), Growing(groups, groups.timestamp, active)
    while len(active):
        n = last_n[active]
        by_growth = reached.reaches(np.ceil(n * points.GROWTH).astype(np.int64), active)
        by_time = timestamp.reaches(last_at[active] + points.INTERVAL, active)
        places = np.minimum(by_growth, np.maximum(by_time, reached.reaches(n + 1, active)))
        has = places < groups.end[active]
        active, places = active[has], places[has]
        last_n[active], last_at[active] = n_after[places], groups.timestamp[places]
        found.append((active, groups.read[places]))
    of, behind = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.argsort(behind)
    return of[order], behind[order]


def _published(
    groups: Groups, batch: ObservationBatch, walks: _Walks, of: Ints, behind: Ints
) -> dict[int, list[Point]]:
    """Return the points that are due, by experiment."""
    if not len(of):
        return {}
    places = np.searchsorted(groups.read, behind)
    first = np.where(of == np.roll(of, 1), np.roll(behind, 1), groups.first[of])  # behind the point before, if any
    first[0] = groups.first[of[0]]
    edges = np.column_stack((first, behind)).ravel()
    highest = np.maximum.reduceat(np.append(walks.ratios, -np.inf), edges)[::2]
    columns = (
        behind - groups.first[of],
        walks.ratios[behind - 1],
        walks.sums[behind - 1],
        highest,
        batch.offset[groups.rows[places]],
        groups.timestamp[places],
    )
    made: dict[int, list[Point]] = {}
    current = -1
    for g, more, llr, added, own_most, offset, at in zip(of.tolist(), *(it.tolist() for it in columns), strict=True):
        if g != current:  # all points of an experiment follow one another
            current, made[g] = g, (own := [])
            experiment_id, hot = groups.experiments[g].cold.experiment_id, groups.experiments[g].hot
            run, begun, total, most = hot.run, hot.statistic.n, hot.total, hot.statistic.max_llr
        most = max(most, own_most)
        own.append(Point(experiment_id, run, begun + more, llr, math.exp(-most), total + added, offset, at))
    return made


def _owns(groups: Groups, quiet: list[int], batch: ObservationBatch, walks: _Walks) -> Iterator[_Own]:
    """Yield the parts of the quiet experiments; what is one number each leaves the arrays for all of them at once."""
    g = np.array(quiet, np.int64)
    first, last, begin, end = groups.first[g], groups.last[g], groups.begin[g], groups.end[g]
    heads = groups.rows[begin]
    columns = (
        first,
        last - first,
        end - begin,
        batch.source[heads],
        batch.sequence[heads],
        walks.sums[last - 1],
        walks.ratios[last - 1],
        walks.highest[g],
        groups.timestamp[end - 1],
    )
    for number, *numbers in zip(quiet, *(column.tolist() for column in columns), strict=True):
        yield _Own(groups.experiments[number], *numbers)


def _counted(batch: ObservationBatch, walks: _Walks, own: _Own, published: list[Point]) -> Quiet | None:
    """Return an experiment after its records, None if its source does not simply go on."""
    experiment = own.experiment
    hot, state = experiment.hot, experiment.hot.statistic
    sources, parts = hot.sources, hot.shares
    if abs(hot.total) + abs(own.added) >= _EXACT:
        return None
    guards = experiment.cold.definition["health"]
    if own.source != NONE:
        name = batch.source_names[own.source]
        if own.sequence != NONE:
            seen = _seen(sources, name, own.sequence, own.records)
            if seen is None:
                return None
            sources = sources.set(name, seen)
        if guards["homogeneity"] != "off":
            share = parts.get(f"source:{name}", Share(0, 0.0))
            parts = parts.set(f"source:{name}", Share(share.observations + own.size, share.total + own.added))
    n, after, marks = hot.observations, hot.observations + own.size, hot.marks
    if after.bit_length() > n.bit_length() and guards["drift"] != "off":
        powers = (1 << k for k in range(n.bit_length(), after.bit_length()))
        marks += tuple(Share(at, hot.total + int(walks.sums[own.first + at - n - 1])) for at in powers)
    counted = Hot(
        hot.run,
        sprt.State(state.n + own.size, own.llr, own.highest, (state.counts[0] + own.added,), ()),
        after,
        hot.total + own.added,
        hot.counts.set("applied", hot.counts.get("applied", 0) + own.records),
        hot.earlier,
        sources,
        own.at,
        published[-1].at if published else hot.last_point_at,
        n + published[-1].n - state.n if published else hot.last_point_n,
        parts,
        marks,
    )
    made = Experiment(experiment.cold, counted, experiment.design)
    return Quiet(made, published)


def _seen(sources: Map[str, Seen], name: str, sequence: int, records: int) -> Seen | None:
    """Return what is known after records that follow one another, None if they do not follow what is known."""
    seen, highest = sources.get(name), sequence + records - 1
    if seen is None:
        return Seen(sequence, highest) if len(sources) < MAX_SOURCES else None
    if seen.missing or sequence != seen.highest + 1:
        return None
    return Seen(seen.lowest, highest, lost=seen.lost)
