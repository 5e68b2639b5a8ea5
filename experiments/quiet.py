"""Folds at once all experiments of a batch in which nothing happens but counting.

Most experiments are quiet most of the time: every record continues its source, every value is allowed, no rule comes
near. Their walks, one behind the other, are one array each of sums and log-likelihood ratios, and their hot parts are
columns of the ledger before and after. What is not quiet is left to `experiments.folding`, record by record; for what
is folded here both agree to the bit: families with an integer statistic have exact sums, and each ratio is worked out
by the same operations.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from experiments import points, shares
from experiments.batch import FUTURE_TOLERANCE, NONE, Floats, Ints, ObservationBatch
from experiments.experiment import Experiment, Share, State
from experiments.groups import Candidates, Groups, Growing, grouped
from experiments.ledger import NUMBERS, Account, Entry, Experiments, Numbers, moving
from experiments.published import Points
from experiments.sequences import MAX_SOURCES
from experiments.times import micros
from sprt.families.base import ExponentialFamily

Bools = npt.NDArray[np.bool_]

_EXACT: Final = 2.0**52  # up to here sums of integers are exact as floats
_LARGEST: Final = 2.0**31  # the sum of a batch of these is exact
_LONGEST: Final = 2**44  # half a year in one batch: a clock that was set, not one that runs
_NEVER: Final = np.iinfo(np.int64).max


class Quiet(NamedTuple):
    """The experiments after the batch, the codes of those that were folded, and the published points of their walks."""

    experiments: Experiments
    codes: Sequence[int] = ()
    walks: Points = Points()


class _Walks(NamedTuple):
    """The sum of an experiment's values and its ratio after each observation; each run's largest ratio so far."""

    sums: Ints
    ratios: Floats
    highest: Floats


def fold_quiet(
    experiments: Experiments, entries: Sequence[Entry | None], batch: ObservationBatch, order: Ints, bounds: Ints
) -> Quiet:
    """Return what comes of the quiet experiments of the batch.

    `entries` has the experiments of all codes, or the rows of their accounts. `order` has the rows of the batch,
    experiment by experiment; those of code c are `order[bounds[c]:bounds[c + 1]]`.
    """
    candidates = _candidates(experiments, entries, batch, order, bounds)
    codes, rows, accounts, numbers, opened = candidates
    if not codes:
        return Quiet(experiments)
    groups = grouped(candidates, batch, order, bounds)
    good = _good_values(groups)
    loud = _loud_records(groups, batch) | ~np.logical_and.reduceat(good, groups.first)
    values = groups.values if good.all() else np.where(good, groups.values, 0.0)
    sums = np.cumsum(values.astype(np.int64))
    before = np.where(groups.first > 0, sums[groups.first - 1], 0)  # those of the experiments that lie before
    sums -= groups.spread(before)
    loud |= np.abs(numbers["total"]) + np.abs(sums[groups.last - 1]) >= _EXACT
    ratios = _walked(groups, sums)
    walks = _Walks(sums, ratios, np.maximum(np.maximum.reduceat(ratios, groups.first), numbers["max_llr"]))
    loud |= _near_a_rule(groups, walks)
    quiet = np.flatnonzero(~loud)
    of, behind, last_n, last_at = _due(groups, quiet)
    after = _counted(groups, walks)
    after["last_point_n"], after["last_point_at"] = last_n, last_at
    changed = {rows[g]: accounts[g] for g in opened if not loud[g]}
    for g in quiet[_has_new_marks(numbers[quiet], after[quiet])].tolist():
        changed[rows[g]] = _marked(groups, walks, g)
    chosen = quiet.tolist()
    return Quiet(
        experiments.counted([rows[g] for g in chosen], after[quiet], changed),
        [codes[g] for g in chosen],
        _published(groups, batch, walks, of, behind),
    )


def _candidates(
    experiments: Experiments, entries: Sequence[Entry | None], batch: ObservationBatch, order: Ints, bounds: Ints
) -> Candidates:
    """Return the experiments of the batch that may be quiet if all their records come on as their first one does."""
    ledger = experiments.ledger
    present = np.flatnonzero(bounds[1:] > bounds[:-1])
    heads = order[bounds[present]]
    names, sources, sequences = (*batch.source_names, None), batch.source[heads], batch.sequence[heads]
    found: list[tuple[int, int | str, Account]] = []
    opened: dict[int, tuple[Any, ...]] = {}  # the numbers of new accounts, by their place among those found
    for code, entry, source, is_numbered, sequence in zip(
        present.tolist(),
        map(entries.__getitem__, present.tolist()),
        map(names.__getitem__, sources.tolist()),
        ((sources != NONE) & (sequences != NONE)).tolist(),
        sequences.tolist(),
        strict=True,
    ):
        if isinstance(entry, int):
            account = ledger.accounts[entry]
            if account.model is None:
                continue
            if account.source == source and account.is_numbered == is_numbered:
                found.append((code, entry, account))
                continue
        made = None if entry is None else _opened(experiments.whole(entry), source, sequence if is_numbered else None)
        if made is not None:
            account, opened[len(found)] = made
            found.append((code, entry if isinstance(entry, int) else batch.experiment_ids[code], account))
    if not found:
        return Candidates([], [], [], np.zeros(0, NUMBERS), [])
    codes, rows, accounts = (list(column) for column in zip(*found, strict=True))
    return Candidates(codes, rows, accounts, ledger.numbers_of(rows, opened), list(opened))


def _opened(experiment: Experiment, source: str | None, sequence: int | None) -> tuple[Account, tuple[Any, ...]] | None:
    """Return an account for records of a source from a sequence on, and its numbers; None if they have to be judged."""
    cold, hot, design = experiment.cold, experiment.hot, experiment.design
    model = design.model
    if cold.state is not State.RUNNING or cold.source_end is not None or cold.pauses or design.is_two_sided:
        return None
    if not isinstance(model, ExponentialFamily) or not model.integer:
        return None
    lowest, highest = NONE, NONE
    if source is not None and sequence is not None:
        seen = hot.sources.get(source)
        if seen is None:
            if len(hot.sources) >= MAX_SOURCES:
                return None
            lowest, highest = sequence, sequence - 1
        elif seen.missing:
            return None
        else:
            lowest, highest = seen.lowest, seen.highest
    guards = cold.definition["health"]
    is_shared = source is not None and guards["homogeneity"] != "off"
    share = hot.shares.get(f"source:{source}", Share(0, 0.0))
    upper, lower, p_line, limit = design.levels
    staying = (
        lowest,
        min(upper, p_line),
        lower,
        limit,
        model.ratio.first.slope,
        model.ratio.first.drift,
        _NEVER if cold.deadline is None else micros(cold.deadline),
        shares.is_late_guarded(experiment),
        guards["drift"] != "off",
    )
    account = Account(
        experiment,
        (cold.experiment_id, hot.run),
        model,
        source,
        is_numbered=sequence is not None,
        is_shared=is_shared,
    )
    return account, (*moving(hot, account.counted_as, highest, share), *staying)


def _loud_records(groups: Groups, batch: ObservationBatch) -> Bools:
    """Return which experiments have a record that has to be judged by itself."""
    observed, numbers = batch.observed_at[groups.rows], groups.numbers
    loud = np.zeros(len(observed), np.bool_)
    if (observed != NONE).any():
        late = shares.is_late(observed, groups.timestamp)
        loud |= (observed > groups.timestamp + FUTURE_TOLERANCE) | (observed > numbers["deadline"][groups.of])
        loud |= numbers["is_late_guarded"][groups.of] & late
    head = groups.begin[groups.of]
    source, sequence = batch.source[groups.rows], batch.sequence[groups.rows]
    loud |= source != source[head]  # several sources
    numbered = (sequence != NONE) & (source != NONE)
    follows = sequence - sequence[head] == np.arange(len(head)) - head
    loud |= (numbered != numbered[head]) | (numbered & ~follows)
    loud[1:] |= (groups.timestamp[1:] < groups.timestamp[:-1]) & (groups.of[1:] == groups.of[:-1])
    first, last = groups.timestamp[groups.begin], groups.timestamp[groups.end - 1]
    odd: Bools = (first < numbers["last_applied"]) | (last - first > _LONGEST)
    odd |= numbered[groups.begin] & (sequence[groups.begin] != numbers["highest"] + 1)
    return odd | np.logical_or.reduceat(loud, groups.begin)


def _good_values(groups: Groups) -> Bools:
    """Return which values are in their model's support, and small enough for exact sums."""
    models = {type(account.model): account.model for account in groups.accounts if account.model is not None}
    good = np.abs(groups.values) <= _LARGEST  # false for what is not a number
    for family, model in models.items():
        supports = model.supports(groups.values, None)
        if len(models) > 1:
            is_other = np.array([type(account.model) is not family for account in groups.accounts])
            supports = supports | groups.spread(is_other)
        good &= supports
    return good


def _walked(groups: Groups, sums: Ints) -> Floats:
    """Return the log-likelihood ratio after each observation; `sums` are those of its own experiment in this batch."""
    numbers = groups.numbers
    n = groups.spread(numbers["n"] - groups.first)
    n += np.arange(1, len(sums) + 1)
    slopes, drifts = numbers["slope"], numbers["drift"]
    t = sums + groups.spread(numbers["count"])
    if (slopes == slopes[0]).all() and (drifts == drifts[0]).all():
        walk: Floats = t * slopes[0]
        walk += n * drifts[0]
    else:
        walk = t * groups.spread(slopes)
        walk += n * groups.spread(drifts)
    return walk


def _near_a_rule(groups: Groups, walks: _Walks) -> Bools:
    """Return which experiments a rule may end in this batch."""
    numbers = groups.numbers
    low = np.minimum.reduceat(walks.ratios, groups.first)
    n = numbers["n"] + (groups.last - groups.first)
    near: Bools = (walks.highest >= numbers["upper"]) | (low <= numbers["lower"]) | (n >= numbers["limit"])
    return near


def _due(groups: Groups, active: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Return the experiments of the points that are due, and behind which observation each lies, in order.

    And for all experiments n and the time at their last point. The rule is that of `points`.
    """
    begun = groups.numbers["observations"]
    last_n, last_at = groups.numbers["last_point_n"].copy(), groups.numbers["last_point_at"].copy()
    single = np.clip(points.EACH_UP_TO - begun, 0, groups.last - groups.first)[active]
    of = np.repeat(active, single)
    behind = np.arange(1, len(of) + 1) + np.repeat(groups.first[active] - (np.cumsum(single) - single), single)
    found = [(of, behind)]
    fresh, number = active[single > 0], single[single > 0]
    last_n[fresh] = begun[fresh] + number
    last_at[fresh] = groups.timestamp[np.searchsorted(groups.read, groups.first[fresh] + number)]
    n_after = groups.read + (begun - groups.first)[groups.of]
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
    return of[order], behind[order], last_n, last_at


def _published(groups: Groups, batch: ObservationBatch, walks: _Walks, of: Ints, behind: Ints) -> Points:
    """Return the points that are due."""
    if not len(of):
        return Points()
    numbers = groups.numbers
    places = np.searchsorted(groups.read, behind)
    first = np.where(of == np.roll(of, 1), np.roll(behind, 1), groups.first[of])  # behind the point before, if any
    first[0] = groups.first[of[0]]
    edges = np.column_stack((first, behind)).ravel()
    highest = np.maximum.reduceat(np.append(walks.ratios, -np.inf), edges)[::2]
    most = np.maximum(_so_far(highest, of), numbers["max_llr"][of])
    return Points(
        runs=[account.run for account in groups.accounts],
        of=of,
        n=numbers["n"][of] + (behind - groups.first[of]),
        llr=walks.ratios[behind - 1],
        p_value=np.array([math.exp(-llr) for llr in most.tolist()]),  # numpy differs from `sprt.State` in the last bit
        total=numbers["total"][of] + walks.sums[behind - 1],
        offset=batch.offset[groups.rows[places]],
        at=groups.timestamp[places],
    )


def _so_far(since: Floats, of: Ints) -> Floats:
    """Return the largest number of an experiment up to each point, from the largest since the point before."""
    most, reach = since.copy(), 1
    while (is_same := of[reach:] == of[:-reach]).any():  # all points of an experiment follow one another
        most[reach:] = np.where(is_same, np.maximum(most[reach:], most[:-reach]), most[reach:])
        reach *= 2
    return most


def _counted(groups: Groups, walks: _Walks) -> Numbers:
    """Return the numbers after the batch, but for those of the points."""
    numbers, after = groups.numbers, groups.numbers.copy()
    size, records, added = groups.last - groups.first, groups.end - groups.begin, walks.sums[groups.last - 1]
    for name in ("n", "observations", "share"):
        after[name] += size
    for name in ("count", "total", "share_total"):
        after[name] = numbers[name] + added
    after["records"] += records
    after["highest"] += records
    after["llr"], after["max_llr"] = walks.ratios[groups.last - 1], walks.highest
    after["last_applied"] = groups.timestamp[groups.end - 1]
    return after


def _has_new_marks(before: Numbers, after: Numbers) -> Bools:
    """Return which experiments have reached 1, 2, 4, 8 … observations, and keep the share of those."""
    bits = [np.frexp(numbers["observations"].astype(np.float64))[1] for numbers in (before, after)]
    new: Bools = before["has_marks"] & (bits[0] < bits[1])
    return new


def _marked(groups: Groups, walks: _Walks, g: int) -> Account:
    """Return an account with the shares of the first 1, 2, 4, 8 … observations that the batch has reached."""
    account, numbers = groups.accounts[g], groups.numbers[g]
    n, total, first = int(numbers["observations"]), float(numbers["total"]), int(groups.first[g])
    after = n + int(groups.last[g]) - first
    powers = (1 << k for k in range(n.bit_length(), after.bit_length()))
    marks = tuple(Share(at, total + int(walks.sums[first + at - n - 1])) for at in powers)
    experiment = account.experiment
    hot = experiment.hot._replace(marks=experiment.hot.marks + marks)
    return replace(account, experiment=Experiment(experiment.cold, hot, experiment.known_design), fixed=None)
