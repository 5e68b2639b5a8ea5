"""Which command is allowed in which state, and what follows: one table, from which the documentation is drawn.

An illegal pair is a missing key and becomes a rejection that names the command, the state and what is allowed there.
Handlers are pure: each returns the experiment afterwards and the lifecycle events that led there.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

from experiments import endings, facts, health
from experiments.evolve import evolve
from experiments.experiment import Experiment, State
from experiments.facts import Moment
from experiments.planning import Solution
from experiments.schedule import first_firing, schedule_of
from schemas import events


@dataclass(frozen=True, slots=True)
class Order:
    """A command as a handler sees it: when it takes effect, who asks and why, and the solution of a definition.

    `horizon` is the first observation that the log took after the command, None where that was not asked for.
    """

    command: events.Command
    now: Moment
    solution: Solution | None = None
    horizon: int | None = None

    def in_the_log(self, earliest: int = 0) -> Moment:
        """Return when the command takes effect among the observations: by the log's clock, however far they were read.

        What was read already keeps what became of it.
        """
        return replace(self.now, offset=max(self.now.offset, self.horizon or 0, earliest))

    @property
    def why(self) -> dict[str, Any]:
        """Return the fields that every event caused by the command repeats."""
        return {"cause": self.command.id, "actor": self.command.actor, "reason": self.command.reason}


Outcome = tuple[Experiment, list[events.Lifecycle]]
Handler = Callable[[Experiment | None, Order], Outcome]
_OnKnown = Callable[[Experiment, Order], Outcome]


def _define(experiment: Experiment | None, order: Order) -> Outcome:
    event = facts.defined(
        experiment, order.command.experiment_id, cast("Solution", order.solution), order.now, **order.why
    )
    after = evolve(experiment, event)
    first = first_firing(schedule_of(after.cold.definition), order.now.at)
    makers = [] if first is None else [facts.scheduled(first, order.now, cause=order.command.id)]
    after, scheduled = facts.follow(after, *makers)
    return after, [event, *scheduled]


def _run(experiment: Experiment | None, order: Order) -> Outcome:
    before: list[events.Lifecycle] = []
    digest = cast("Solution", order.solution).definition_digest
    if experiment is None or experiment.cold.definition_digest != digest:
        experiment, before = _define(experiment, order)
    experiment, after = _start(experiment, order)
    return experiment, before + after


def _start(experiment: Experiment, order: Order) -> Outcome:
    return facts.follow(experiment, facts.opened(order.now, **order.why))


def _retry(experiment: Experiment, order: Order) -> Outcome:
    return facts.follow(experiment, facts.opened(order.now, retry_of=experiment.cold.run, **order.why))


def _pause(experiment: Experiment, order: Order) -> Outcome:
    ahead = tuple(it for it in experiment.cold.pauses if it.end is None or it.end > order.now.offset)
    experiment = replace(experiment, cold=replace(experiment.cold, pauses=ahead))
    return facts.follow(experiment, facts.paused(order.in_the_log(), **order.why))


def _resume(experiment: Experiment, order: Order) -> Outcome:
    begun = max((it.first for it in experiment.cold.pauses), default=0)
    experiment, resumed = facts.follow(experiment, facts.resumed(order.in_the_log(begun), **order.why))
    end = experiment.cold.source_end
    if end is None or not experiment.hot.has_seen(*end):
        return experiment, resumed
    experiment, ended = endings.conclude(experiment, _decided(order, "source_exhausted"), order.now)  # in the pause
    return experiment, resumed + ended


def _hold(experiment: Experiment, order: Order) -> Outcome:
    return facts.follow(experiment, facts.held(order.now, health.checks(experiment), **order.why))


def _release(experiment: Experiment, order: Order) -> Outcome:
    makers = [facts.released(order.now, **order.why)]
    if experiment.cold.state is State.HELD:
        makers.append(facts.published(order.now))
    return facts.follow(experiment, *makers)


def _archive(experiment: Experiment, _: Order) -> Outcome:
    return experiment, []  # the exporter follows accepted commands; `archived` tells when the archive stands


def _unblind(experiment: Experiment, order: Order) -> Outcome:
    return facts.follow(experiment, facts.unblinded(order.now, **order.why))


def _stop(experiment: Experiment, order: Order) -> Outcome:
    return facts.follow(experiment, _decided(order, "manual"))


def _cancel(experiment: Experiment, order: Order) -> Outcome:
    return facts.follow(experiment, facts.cancelled(order.now, **order.why))


def _stop_and_cancel(experiment: Experiment, order: Order) -> Outcome:
    return facts.follow(experiment, _decided(order, "manual"), facts.cancelled(order.now, **order.why))


def _source_done(experiment: Experiment, order: Order) -> Outcome:
    done = cast("events.SourceDone", order.command)
    if experiment.hot.has_seen(done.source, done.last_sequence):
        return endings.conclude(experiment, _decided(order, "source_exhausted"), order.now)
    cold = replace(experiment.cold, source_end=(done.source, done.last_sequence))
    return replace(experiment, cold=cold), []  # the record with that sequence decides when it is applied


def _source_failed(experiment: Experiment, order: Order) -> Outcome:
    message = cast("events.SourceFailed", order.command).message
    return endings.fail(experiment, message, "failed", order.now, cause=order.command.id, actor=order.command.actor)


def _decided(order: Order, reason: str) -> facts.Maker:
    command = order.command
    return facts.decided(order.now, reason, comment=command.reason, cause=command.id, actor=command.actor)


def _known(handler: _OnKnown) -> Handler:
    return lambda experiment, order: handler(cast("Experiment", experiment), order)


_IDLE: tuple[State | None, ...] = (State.DEFINED, State.DECIDED, State.ARCHIVED)
_OVER: tuple[State | None, ...] = (State.DECIDED, State.ARCHIVED)
_LIVE: tuple[State | None, ...] = (State.RUNNING, State.PAUSED)

#: The table; the state `None` is that of an id nobody has defined.
TRANSITIONS: dict[tuple[State | None, type[events.Command]], Handler] = {
    **{(state, events.Define): _define for state in (None, *_IDLE)},
    **{(state, events.Run): _run for state in (None, *_IDLE)},
    **{(state, events.Start): _known(_start) for state in _IDLE},
    **{(state, events.Retry): _known(_retry) for state in _OVER},
    (State.RUNNING, events.Pause): _known(_pause),
    (State.PAUSED, events.Resume): _known(_resume),
    **{(state, events.Stop): _known(_stop) for state in (*_LIVE, State.HELD)},
    **{(state, events.Cancel): _known(_cancel) for state in (*_IDLE, State.QUEUED)},
    **{(state, events.Cancel): _known(_stop_and_cancel) for state in (*_LIVE, State.HELD)},
    **{(state, events.Hold): _known(_hold) for state in _LIVE},
    **{(state, events.Release): _known(_release) for state in (*_LIVE, State.HELD)},
    **{(state, events.Archive): _known(_archive) for state in _OVER},
    **{(state, events.Unblind): _known(_unblind) for state in (*_LIVE, State.HELD)},
    **{(state, events.SourceDone): _known(_source_done) for state in _LIVE},
    **{(state, events.SourceFailed): _known(_source_failed) for state in _LIVE},
}


def objection(experiment: Experiment | None, command: events.Command) -> str | None:
    """Return in words why a command that its state allows is refused all the same, None if it is not."""
    if not isinstance(command, events.Unblind) or experiment is None:
        return None
    if not experiment.cold.definition["blinded"]:
        return "unblind: the definition has blinded = false; allowed: for blinded experiments"
    if experiment.cold.is_unblinded:
        return f"unblind: run {experiment.cold.run} is unblinded already; allowed: once for each run"
    return None if command.reason else "reason: given nothing; allowed: why the run is unblinded before its decision"


def allowed(state: State | None) -> tuple[str, ...]:
    """Return the names of the commands that are allowed in a state, in the table's order."""
    return tuple(str(command.__struct_config__.tag) for at, command in TRANSITIONS if at == state)
