"""All runs as one programme: errors against their rates, what an online procedure lets stand, lengths against the plan.

Pure: documents in, figures out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import betaincinv

from console.documents import RunDocument
from sprt import lord_plus_plus

#: Level of the false discovery rate that the online ledger keeps.
LEDGER_LEVEL: Final = 0.05
#: Right edges of the histogram's bars, in planned means; what is longer falls into one more bar.
BAR: Final = 0.25
BARS: Final = 16


@dataclass(frozen=True, slots=True)
class Entry:
    """A decided run in the ledger: the level that LORD++ tests it at, and whether its p is at or below it."""

    run: RunDocument
    level: float
    stands: bool


@dataclass(frozen=True, slots=True)
class Tried:
    """One experiment over all its runs; `spent` is the sum of alpha over them, an upper bound on any false H1."""

    newest: RunDocument
    runs: int
    retries: int
    ends: dict[str, int]
    spent: float
    smallest_p: float | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """Runs whose truth is known: how many ended wrong, the nominal rate, the 95 % interval of the observed one."""

    truth: str
    runs: int
    wrong: int
    nominal: float
    interval: tuple[float, float]


def decided(runs: Iterable[RunDocument]) -> list[RunDocument]:
    """Return the runs that have an outcome, in the order in which they were decided."""
    return sorted(
        (run for run in runs if run.decided_at is not None), key=lambda run: (run.decided_at, run.experiment_id)
    )


def ledger(ended: Sequence[RunDocument]) -> list[Entry]:
    """Return what LORD++ makes of the runs' always-valid p-values, in the order of their decisions."""
    p = [1.0 if run.p_value is None else min(max(run.p_value, 0.0), 1.0) for run in ended]
    found = lord_plus_plus(p, LEDGER_LEVEL)
    stands = set(found.rejected.tolist())
    return [
        Entry(run, float(level), k in stands) for k, (run, level) in enumerate(zip(ended, found.levels, strict=True))
    ]


def tried(runs: Iterable[RunDocument]) -> list[Tried]:
    """Return a line per experiment, those tried most often first."""
    groups: dict[str, list[RunDocument]] = {}
    for run in runs:
        if run.run:
            groups.setdefault(run.experiment_id, []).append(run)
    lines = []
    for own in groups.values():
        ends = {name: sum(run.outcome == name for run in own) for name in ("accept_h1", "accept_h0", "inconclusive")}
        p_values = [run.p_value for run in own if run.p_value is not None and run.outcome is not None]
        lines.append(
            Tried(
                newest=max(own, key=lambda run: run.run),
                runs=len(own),
                retries=sum(run.retry_of is not None for run in own),
                ends=ends,
                spent=sum(float(run.errors.get("alpha") or 0.0) for run in own),
                smallest_p=min(p_values, default=None),
            )
        )
    return sorted(lines, key=lambda line: (-line.runs, line.newest.experiment_id))


def relative_length(run: RunDocument) -> float | None:
    """Return the run's n over the mean that was planned under the hypothesis it accepted, None without one."""
    planned = {"accept_h1": run.mean_n_h1, "accept_h0": run.mean_n_h0}.get(run.outcome or "")
    return run.n / planned if planned and run.n is not None else None


def histogram(ended: Iterable[RunDocument]) -> tuple[list[int], float | None]:
    """Return how many runs fell into each bar of n over its planned mean, and the mean of that ratio."""
    ratios = [ratio for run in ended if (ratio := relative_length(run)) is not None]
    if not ratios:
        return [0] * (BARS + 1), None
    bars = np.minimum((np.array(ratios) / BAR).astype(int), BARS)
    return np.bincount(bars, minlength=BARS + 1).tolist(), float(np.mean(ratios))


def calibration(ended: Iterable[RunDocument]) -> list[Calibration]:
    """Return, for each hypothesis that a source made true, how often the other one was accepted."""
    known = list(ended)
    found = []
    for truth, error, rate in (("h0", "accept_h1", "alpha"), ("h1", "accept_h0", "beta")):
        own = [run for run in known if run.truth == truth]
        if own:
            wrong = sum(run.outcome == error for run in own)
            nominal = float(np.mean([float(run.errors.get(rate) or 0.0) for run in own]))
            found.append(Calibration(truth, len(own), wrong, nominal, _interval(wrong, len(own))))
    return found


def _interval(wrong: int, runs: int) -> tuple[float, float]:
    """Return the 95 % interval of a share by Clopper and Pearson (1934); scipy.stats would cost the start a second."""
    low = float(betaincinv(wrong, runs - wrong + 1, 0.025)) if wrong else 0.0
    high = float(betaincinv(wrong + 1, runs - wrong, 0.975)) if wrong < runs else 1.0
    return low, high


def saved(ended: Iterable[RunDocument]) -> float | None:
    """Return the median share of observations saved against a test of the limit's length, None without such runs."""
    shares = [
        1 - run.n / run.stop["max_samples"]
        for run in ended
        if run.n is not None and run.stop.get("max_samples") and run.outcome in ("accept_h1", "accept_h0")
    ]
    return float(np.median(shares)) if shares else None
