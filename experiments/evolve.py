"""How a lifecycle event changes an experiment: the same for the worker that emits it and for a replay that reads it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import sprt
from experiments.experiment import Cold, Experiment, Hot, Pause, State
from experiments.planning import stored_design
from experiments.sharing import shared, shared_parts
from experiments.times import micros
from schemas import events


def evolve(experiment: Experiment | None, event: events.Lifecycle) -> Experiment:
    """Return the experiment after the event; only `Defined` makes one out of nothing."""
    if isinstance(event, events.Defined):
        return _defined(experiment, event)
    if experiment is None:
        raise ValueError(f"{type(event).__name__} {event.id} comes before any definition")
    cold = replace(experiment.cold, version=event.version)
    change = _CHANGES.get(type(event))
    cold = cold if change is None else replace(cold, **change(cold, event))
    return replace(experiment, cold=cold, hot=_hot(experiment, event))


def _hot(experiment: Experiment, event: events.Lifecycle) -> Hot:
    if isinstance(event, events.Started):
        fresh, earlier = sprt.init(experiment.design), experiment.hot.all_counts()
        return Hot(run=event.run, statistic=fresh, earlier=earlier, last_applied=micros(event.at))
    if isinstance(event, events.Resumed):  # the stall clock begins anew
        return experiment.hot._replace(last_applied=max(experiment.hot.last_applied, micros(event.at)))
    return experiment.hot


def _defined(experiment: Experiment | None, event: events.Defined) -> Experiment:
    design = stored_design(event.definition, event.lower, event.upper)
    changes = {
        "definition": shared_parts(event.definition),
        "definition_revision": event.definition_revision,
        "design_digest": event.design_digest,
        "definition_digest": event.definition_digest,
        "lower": event.lower,
        "upper": event.upper,
        "certificate": shared(event.certificate),
        "version": event.version,
        "schedule_anchor": event.at,
        "due": None,
        "scheduled_runs": 0,
    }
    if experiment is None:
        cold = Cold(experiment_id=event.experiment_id, **changes)
        return Experiment(cold, Hot(run=0, statistic=sprt.init(design)), design)
    return replace(experiment, cold=replace(experiment.cold, **changes), known_design=design)


def extended(deadline: datetime | None, pause_began: datetime | None, now: datetime) -> datetime | None:
    """Return the deadline moved by the length of a pause that ends now."""
    return deadline if deadline is None or pause_began is None else deadline + (now - pause_began)


def _scheduled(_: Cold, event: events.Scheduled) -> dict[str, Any]:
    return {"due": event.due}


def _queued(cold: Cold, event: events.Queued) -> dict[str, Any]:
    return {
        "state": State.QUEUED,
        "run": event.run,
        "slot": event.queue,
        "attempt": event.attempt,
        "retry_of": event.retry_of,
        "retry_at": None,
        **_after_firing(cold, event),
    }


def _started(cold: Cold, event: events.Started) -> dict[str, Any]:
    return {
        "state": State.RUNNING,
        "run": event.run,
        "started_at": event.at,
        "deadline": event.deadline,
        "pause_began": None,
        "pauses": (),
        "source_end": None,
        "decision_id": None,
        "last_reason": None,
        "attempt": event.attempt,
        "retry_of": event.retry_of,
        "retry_at": None,
        "is_held": False,
        "withheld": None,
        "is_unblinded": False,
        **({} if cold.state is State.QUEUED else _after_firing(cold, event)),
    }


def _after_firing(cold: Cold, event: events.Lifecycle) -> dict[str, Any]:
    """Return what changes when the schedule itself has led to a run: it has been fired, the next due time follows."""
    fired = cold.due is not None and event.cause == firing_id(cold)
    return {"due": None, "scheduled_runs": cold.scheduled_runs + 1} if fired else {}


def firing_id(cold: Cold) -> str:
    """Return the id of the firing that is due: `<experiment>/<due time>`."""
    return f"{cold.experiment_id}/{cold.due.isoformat() if cold.due else ''}"


def _paused(cold: Cold, event: events.Paused) -> dict[str, Any]:
    deadline = None if cold.deadline is None else micros(cold.deadline)
    pauses = (*cold.pauses, Pause(event.offset or 0, None, deadline))
    return {"state": State.PAUSED, "pause_began": event.at, "pauses": pauses}


def _resumed(cold: Cold, event: events.Resumed) -> dict[str, Any]:
    pauses = tuple(it._replace(end=event.offset) if it.end is None else it for it in cold.pauses)
    return {"state": State.RUNNING, "pause_began": None, "deadline": event.deadline, "pauses": pauses}


def _held(cold: Cold, event: events.Held) -> dict[str, Any]:
    if not event.withheld:
        return {"is_held": True}
    return {"is_held": True, "state": State.HELD, "withheld": event.withheld, "pause_began": cold.pause_began}


def _released(_: Cold, __: events.Released) -> dict[str, Any]:
    return {"is_held": False}


def _unblinded(_: Cold, __: events.Unblinded) -> dict[str, Any]:
    return {"is_unblinded": True}


def _decided(_: Cold, event: events.Decision) -> dict[str, Any]:
    return {
        "state": State.DECIDED,
        "pause_began": None,
        "pauses": (),
        "source_end": None,
        "decision_id": event.id,
        "last_reason": event.reason,
        "is_held": False,
        "withheld": None,
        "slot": None,
    }


def _retrying(_: Cold, event: events.Retrying) -> dict[str, Any]:
    return {"retry_at": event.due}


def _cancelled(_: Cold, __: events.Cancelled) -> dict[str, Any]:
    return {"state": State.CANCELLED, "due": None, "retry_at": None, "slot": None}


def _archived(cold: Cold, __: events.Archived) -> dict[str, Any]:
    return {"state": State.ARCHIVED} if cold.state is State.DECIDED else {}


_CHANGES: dict[type[events.Lifecycle], Callable[[Cold, Any], dict[str, Any]]] = {
    events.Scheduled: _scheduled,
    events.Queued: _queued,
    events.Started: _started,
    events.Paused: _paused,
    events.Resumed: _resumed,
    events.Held: _held,
    events.Released: _released,
    events.Unblinded: _unblinded,
    events.Decision: _decided,
    events.Retrying: _retrying,
    events.Cancelled: _cancelled,
    events.Archived: _archived,
}
