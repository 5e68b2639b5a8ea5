"""The lifecycle events that can follow from a command, an observation or the clock, with ids, versions and offsets."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from experiments.estimates import naive_estimate
from experiments.evolve import evolve, extended
from experiments.experiment import Experiment
from experiments.health import checks
from experiments.planning import Solution
from schemas import events


@dataclass(frozen=True, slots=True)
class Moment:
    """When and where a fact takes effect: the time, and the next observation record of the partition."""

    at: datetime
    partition: int
    offset: int


Maker = Callable[[Experiment], events.Lifecycle]


def follow(experiment: Experiment, *makers: Maker) -> tuple[Experiment, list[events.Lifecycle]]:
    """Return the experiment after the events that the makers make one after another, and those events."""
    made = []
    for make in makers:
        event = make(experiment)
        experiment = evolve(experiment, event)
        made.append(event)
    return experiment, made


def defined(
    experiment: Experiment | None, experiment_id: str, solution: Solution, now: Moment, **why: Any
) -> events.Defined:
    """Return the fact that a definition holds from now on, with the thresholds that were solved for it."""
    run, version, revision = (0, 0, 0)
    if experiment is not None:
        cold = experiment.cold
        run, version, revision = cold.run, cold.version, cold.definition_revision
    return events.Defined(
        **_head(experiment_id, run, version + 1, now, why),
        definition=solution.definition,
        definition_revision=revision + 1,
        design_digest=solution.design_digest,
        definition_digest=solution.definition_digest,
        lower=solution.lower,
        upper=solution.upper,
        certificate=solution.certificate,
    )


def opened(now: Moment, *, attempt: int = 1, retry_of: int | None = None, **why: Any) -> Maker:
    """Return the maker of a new run's first fact: that it waits for a slot of its queue, or has started."""

    def make(experiment: Experiment) -> events.Lifecycle:
        cold, queue = experiment.cold, experiment.cold.definition["schedule"]["queue"]
        tries = {"attempt": attempt, "retry_of": retry_of}
        if queue is None:
            return _start(experiment, now, cold.run + 1, why | tries)
        return events.Queued(
            **_head(cold.experiment_id, cold.run + 1, cold.version + 1, now, why | tries),
            queue=queue,
            priority=cold.definition["schedule"]["priority"],
        )

    return make


def granted(now: Moment, grant: events.SlotGranted) -> Maker:
    """Return the maker of the fact that a run starts whose slot was granted."""

    def make(experiment: Experiment) -> events.Started:
        cold = experiment.cold
        why = {"cause": grant.id, "attempt": cold.attempt, "retry_of": cold.retry_of}
        return _start(experiment, now, cold.run, why)

    return make


def _start(experiment: Experiment, now: Moment, run: int, why: dict[str, Any]) -> events.Started:
    cold = experiment.cold
    limit = experiment.cold.limit("max_duration")
    return events.Started(
        **_head(cold.experiment_id, run, cold.version + 1, now, why),
        definition_revision=cold.definition_revision,
        design_digest=cold.design_digest,
        deadline=None if limit is None else now.at + timedelta(microseconds=limit),
    )


def scheduled(due: datetime | None, now: Moment, note: str | None = None, **why: Any) -> Maker:
    """Return the maker of the fact that the next run is due."""
    return lambda experiment: events.Scheduled(**_next(experiment, now, why), due=due, note=note)


def retrying(now: Moment, due: datetime, attempt: int, max_attempts: int) -> Maker:
    """Return the maker of the fact that the run is tried again."""
    return lambda experiment: events.Retrying(
        **_next(experiment, now, {}), due=due, attempt=attempt, max_attempts=max_attempts
    )


def held(now: Moment, checks: dict[str, Any], decision: events.Decision | None = None, **why: Any) -> Maker:
    """Return the maker of the fact that the verdict is withheld; `decision` is the one that was reached."""
    withheld = {} if decision is None else {name: getattr(decision, name) for name in WITHHELD}
    return lambda experiment: events.Held(**_next(experiment, now, why), checks=checks, withheld=withheld)


def released(now: Moment, **why: Any) -> Maker:
    """Return the maker of the fact that the verdict is free."""
    return lambda experiment: events.Released(**_next(experiment, now, why))


def unblinded(now: Moment, **why: Any) -> Maker:
    """Return the maker of the fact that a blinded run's walk may be seen."""
    return lambda experiment: events.Unblinded(**_next(experiment, now, why))


def published(now: Moment) -> Maker:
    """Return the maker of the decision that was withheld, at its own record."""

    def make(experiment: Experiment) -> events.Decision:
        cold = experiment.cold
        head = _next(experiment, now, {}) | {"id": f"{cold.experiment_id}/{cold.run}"}
        return events.Decision(**head | (cold.withheld or {}))

    return make


#: The fields of a decision that are kept while it is withheld; the rest follows from when it is published.
WITHHELD = (
    "reason", "offset", "outcome", "direction", "n", "llr", "p_value", "p_kind", "index", "lower", "upper",
    "design_digest", "estimate", "counts", "health",
)  # fmt: skip


def paused(now: Moment, **why: Any) -> Maker:
    """Return the maker of the fact that observations are left out from here on."""
    return lambda experiment: events.Paused(**_next(experiment, now, why))


def resumed(now: Moment, **why: Any) -> Maker:
    """Return the maker of the fact that observations are applied again; the deadline moves by the pause."""
    return lambda experiment: events.Resumed(
        **_next(experiment, now, why),
        deadline=extended(experiment.cold.deadline, experiment.cold.pause_began, now.at),
    )


def failed(now: Moment, message: str, **why: Any) -> Maker:
    """Return the maker of the fact that something other than the statistics ended the run."""
    return lambda experiment: events.Failed(**_next(experiment, now, why), message=message)


def cancelled(now: Moment, **why: Any) -> Maker:
    """Return the maker of the fact that the experiment takes no further runs."""
    return lambda experiment: events.Cancelled(**_next(experiment, now, why))


def archived(written: events.ArchiveWritten, now: Moment) -> Maker:
    """Return the maker of the fact that the run's archive is complete."""
    return lambda experiment: events.Archived(
        **_next(experiment, replace(now, at=written.at), {"cause": written.decision_id}),
        manifest_digest=written.manifest_digest,
        location=written.location,
        disputed=written.disputed,
    )


def decided(
    now: Moment,
    reason: str,
    outcome: str = "inconclusive",
    *,
    direction: str | None = None,
    index: int | None = None,
    comment: str | None = None,
    **why: Any,
) -> Maker:
    """Return the maker of the one decision of the live run, from the walk as it stands.

    `now.offset` is the deciding record if an observation decided (then `index` is its place in it), else the first
    record that was not applied.
    """

    def make(experiment: Experiment) -> events.Decision:
        cold, hot, walk = experiment.cold, experiment.hot, experiment.hot.statistic
        head = _next(experiment, now, why | {"reason": reason})
        return events.Decision(
            **head | {"id": f"{cold.experiment_id}/{cold.run}"},
            outcome=outcome,
            direction=direction,
            n=walk.n,
            llr=walk.llr,
            p_value=walk.p_value,
            p_kind=experiment.design.model.p_kind,
            index=index,
            lower=cold.lower,
            upper=cold.upper,
            design_digest=cold.design_digest,
            estimate=naive_estimate(experiment),
            counts=dict(hot.counts),
            health=checks(experiment),
            comment=comment,
        )

    return make


def _next(experiment: Experiment, now: Moment, why: dict[str, Any]) -> dict[str, Any]:
    return _head(experiment.cold.experiment_id, experiment.cold.run, experiment.cold.version + 1, now, why)


def _head(experiment_id: str, run: int, version: int, now: Moment, why: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"{experiment_id}/{run}/{version}",
        "experiment_id": experiment_id,
        "run": run,
        "version": version,
        "at": now.at,
        "partition": now.partition,
        "offset": now.offset,
        **why,
    }
