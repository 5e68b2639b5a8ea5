"""What a programme report says of the runs of a period: plain values, made once, for every format.

Every run counts: a retry and a recurrence is a test of its own, in the counts and in the ledger.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Any, Final

import msgspec
from scipy.stats import beta as beta_law

import sprt
from exporter.catalog import Recorded
from exporter.periods import Period
from exporter.words import FAMILIES, hypothesis

LEVEL: Final = 0.05  # of the false discovery rate, by e-BH
_COVERAGE: Final = 0.95
_LARGEST_E: Final = 700.0  # nats: beyond, a float holds no e-value


class RunLine(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the period.

    `planned_n` is the expected n under the accepted hypothesis, or under the nearer one where none was accepted.
    `e_value` is the likelihood ratio at the stop, None where it is no e-value; `rejected` says whether e-BH over the
    period rejects H0. `runs_so_far` counts the decided runs of the experiment up to this one.
    """

    experiment_id: str
    run: int
    title: str
    family: str
    hypotheses: str
    decided: str
    outcome: str
    reason: str
    n: int
    planned_n: float | None
    n_ratio: float | None
    fixed_n: float | None
    llr: float
    p_value: float
    e_value: float | None
    rejected: bool | None
    attempt: int
    retry_of: int | None
    is_recurrence: bool
    runs_so_far: int
    truth: str | None
    disputed: bool


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """An error rate over runs whose truth is known: planned mean, observed count, exact 95 % interval."""

    name: str
    runs: int
    planned: float | None
    wrong: int
    observed: float | None
    interval: tuple[float, float] | None


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The whole report."""

    format: str
    period: str
    begin: str
    end: str
    runs: int
    experiments: int
    outcomes: dict[str, int]
    reasons: dict[str, int]
    families: dict[str, int]
    retries: int
    recurrences: int
    disputed: int
    observations: int
    median_n_ratio: float | None
    mean_n_ratio: float | None
    observations_saved: float | None
    accepted_h1: int
    expected_false_h1: float
    rates: tuple[Rate, ...]
    level: float
    hypotheses: int
    without_e: int
    threshold: float | None
    discoveries: int
    lines: tuple[RunLine, ...]


def figures(period: Period, runs: Sequence[Recorded], disputed: frozenset[str] = frozenset()) -> Figures:
    """Return the figures of the runs that were decided in the period.

    Parameters
    ----------
    runs
        Every run there is, in the order of their decisions: earlier ones count as tries of the same question.
    disputed
        Names of runs whose archive is disputed.
    """
    inside = [run for run in runs if period.holds(run.decision.at)]
    e_values = [_e_value(run) for run in inside]
    known = [place for place, e in enumerate(e_values) if e is not None]
    found = sprt.e_benjamini_hochberg([e for e in e_values if e is not None], LEVEL).tolist() if known else []
    rejected = {known[place] for place in found}
    so_far = _counted(runs)
    lines = tuple(
        _line(run, e, None if e is None else place in rejected, so_far[run.name], disputed)
        for place, (run, e) in enumerate(zip(inside, e_values, strict=True))
    )
    ratios = [line.n_ratio for line in lines if line.n_ratio is not None]
    saved = [line.fixed_n - line.n for line in lines if line.fixed_n is not None]
    return Figures(
        format="waldstream.programme/1",
        period=period.name,
        begin=_iso(period.begin),
        end=_iso(period.end),
        runs=len(lines),
        experiments=len({line.experiment_id for line in lines}),
        outcomes=_counts(line.outcome for line in lines),
        reasons=_counts(line.reason for line in lines),
        families=_counts(line.family for line in lines),
        retries=sum(line.attempt > 1 for line in lines),
        recurrences=sum(line.is_recurrence for line in lines),
        disputed=sum(line.disputed for line in lines),
        observations=sum(line.n for line in lines),
        median_n_ratio=median(ratios) if ratios else None,
        mean_n_ratio=math.fsum(ratios) / len(ratios) if ratios else None,
        observations_saved=math.fsum(saved) if saved else None,
        accepted_h1=sum(line.outcome == "accept_h1" for line in lines),
        expected_false_h1=math.fsum(_planned(run, "alpha") or 0.0 for run in inside),
        rates=(_rate("H1 accepted where H0 is true", "h0", "alpha", "accept_h1", inside),
               _rate("H0 accepted where H1 is true", "h1", "beta", "accept_h0", inside)),
        level=LEVEL,
        hypotheses=len(known),
        without_e=len(lines) - len(known),
        threshold=len(known) / (LEVEL * len(rejected)) if rejected else None,
        discoveries=len(rejected),
        lines=lines,
    )  # fmt: skip


def _line(run: Recorded, e: float | None, rejected: bool | None, so_far: int, disputed: frozenset[str]) -> RunLine:
    decision, definition, started = run.decision, run.definition, run.started
    planned = _planned_n(run)
    return RunLine(
        experiment_id=decision.experiment_id,
        run=decision.run,
        title=str(definition.get("title") or decision.experiment_id),
        family=FAMILIES[definition["model"]["family"]].split(":")[0],
        hypotheses=f"{hypothesis(definition, 'h0')} against {hypothesis(definition, 'h1')}",
        decided=_iso(decision.at),
        outcome=decision.outcome,
        reason=str(decision.reason),
        n=decision.n,
        planned_n=planned,
        n_ratio=decision.n / planned if planned else None,
        fixed_n=(run.defined.certificate.get("planned") or {}).get("fixed_n"),
        llr=decision.llr,
        p_value=decision.p_value,
        e_value=e,
        rejected=rejected,
        attempt=started.attempt,
        retry_of=started.retry_of,
        is_recurrence=decision.run > 1 and started.retry_of is None,
        runs_so_far=so_far,
        truth=_truth(run),
        disputed=run.name in disputed,
    )


def _e_value(run: Recorded) -> float | None:
    """Return the likelihood ratio at the stop: an e-value for a simple H0 whenever the run stops (Ville)."""
    if "asymptotic" in run.decision.p_kind:
        return None
    return math.exp(min(run.decision.llr, _LARGEST_E))


def _planned(run: Recorded, name: str) -> float | None:
    value = run.defined.certificate.get(name)
    value = run.definition["errors"].get(name) if value is None else value
    return None if value is None else float(value)


def _planned_n(run: Recorded) -> float | None:
    which = {"accept_h1": "h1", "accept_h0": "h0"}.get(run.decision.outcome)
    which = which or ("h1" if run.decision.llr > 0 else "h0")
    value = run.defined.certificate.get(f"mean_n_{which}")
    return None if value is None else float(value)


def _truth(run: Recorded) -> str | None:
    """Return which hypothesis is true where the source is of known parameter: simulated, or bits of entropy."""
    source, model = run.definition["source"], run.definition["model"]
    parameter = {"simulate": source.get("theta"), "entropy": source.get("p")}.get(source["kind"])
    values = {which: next(iter(model[which].values())) for which in ("h0", "h1")}
    return next((which for which, value in values.items() if parameter == value), None)


def _rate(name: str, truth: str, error: str, wrong: str, runs: Sequence[Recorded]) -> Rate:
    known = [run for run in runs if _truth(run) == truth]
    planned = [value for run in known if (value := _planned(run, error)) is not None]
    count = sum(run.decision.outcome == wrong for run in known)
    return Rate(
        name=name,
        runs=len(known),
        planned=math.fsum(planned) / len(planned) if planned else None,
        wrong=count,
        observed=count / len(known) if known else None,
        interval=_exact_interval(count, len(known)) if known else None,
    )


def _exact_interval(count: int, runs: int) -> tuple[float, float]:
    """Return Clopper and Pearson's 95 % interval of a probability."""
    tail = (1 - _COVERAGE) / 2
    low = 0.0 if count == 0 else float(beta_law.ppf(tail, count, runs - count + 1))
    high = 1.0 if count == runs else float(beta_law.ppf(1 - tail, count + 1, runs - count))
    return low, high


def _counted(runs: Sequence[Recorded]) -> Mapping[str, int]:
    """Return for each run how many runs of its experiment were decided by then, itself included."""
    seen, found = Counter[str](), dict[str, int]()
    for run in runs:
        seen[run.decision.experiment_id] += 1
        found[run.name] = seen[run.decision.experiment_id]
    return found


def _counts(values: Any) -> dict[str, int]:
    return dict(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
