"""How a lifecycle event changes an experiment: the same for the worker that emits it and for a replay that reads it."""

from dataclasses import replace
from datetime import datetime

import sprt
from experiments.memory import Cold, Experiment, Hot, State
from experiments.planning import stored_design
from experiments.times import micros
from schemas import events


def evolve(experiment: Experiment | None, event: events.Lifecycle) -> Experiment:
    """Return the experiment after the event; only `Defined` makes one out of nothing."""
    if isinstance(event, events.Defined):
        return _defined(experiment, event)
    if experiment is None:
        raise ValueError(f"{type(event).__name__} {event.id} comes before any definition")
    cold = replace(experiment.cold, version=event.version)
    if isinstance(event, events.Started):
        return _started(experiment, cold, event)
    if isinstance(event, events.Paused):
        return replace(experiment, cold=replace(cold, state=State.PAUSED, pause_began=event.at))
    if isinstance(event, events.Resumed):
        cold = replace(cold, state=State.RUNNING, pause_began=None, deadline=event.deadline)
        return replace(experiment, cold=cold, hot=replace(experiment.hot, last_applied=micros(event.at)))
    if isinstance(event, events.Decision):
        cold = replace(cold, state=State.DECIDED, pause_began=None, source_end=None, decision_id=event.id)
        return replace(experiment, cold=cold)
    if isinstance(event, events.Cancelled):
        return replace(experiment, cold=replace(cold, state=State.CANCELLED))
    if isinstance(event, events.Archived) and cold.state is State.DECIDED:
        return replace(experiment, cold=replace(cold, state=State.ARCHIVED))
    return replace(experiment, cold=cold)


def _defined(experiment: Experiment | None, event: events.Defined) -> Experiment:
    design = stored_design(event.definition, event.lower, event.upper)
    cold = Cold(
        experiment_id=event.experiment_id,
        definition=event.definition,
        definition_revision=event.definition_revision,
        design_digest=event.design_digest,
        definition_digest=event.definition_digest,
        lower=event.lower,
        upper=event.upper,
        certificate=event.certificate,
        version=event.version,
    )
    if experiment is None:
        return Experiment(cold, Hot(run=0, statistic=sprt.init(design)), design)
    kept = experiment.cold
    cold = replace(cold, state=kept.state, run=kept.run, decision_id=kept.decision_id, answers=kept.answers)
    return Experiment(cold, experiment.hot, design)


def _started(experiment: Experiment, cold: Cold, event: events.Started) -> Experiment:
    cold = replace(
        cold,
        state=State.RUNNING,
        run=event.run,
        started_at=event.at,
        deadline=event.deadline,
        pause_began=None,
        source_end=None,
        decision_id=None,
    )
    hot = Hot(
        run=event.run,
        statistic=sprt.init(experiment.design),
        earlier=experiment.hot.all_counts(),
        last_applied=micros(event.at),
    )
    return replace(experiment, cold=cold, hot=hot)


def extended(deadline: datetime | None, pause_began: datetime | None, now: datetime) -> datetime | None:
    """Return the deadline moved by the length of a pause that ends now."""
    return deadline if deadline is None or pause_began is None else deadline + (now - pause_began)
