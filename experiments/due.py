"""What the clock brings about: the end of a run's time, a stall, another try, a firing of the schedule.

All count only once the observations were read to where they ended at that moment; the shell sees to it (see `Tick`).
"""

from collections.abc import Callable, Collection, Iterable, Iterator

from experiments import durations, endings, facts
from experiments.evolve import firing_id
from experiments.experiment import Cold, Experiment, State
from experiments.facts import Moment
from experiments.memory import Memory
from experiments.schedule import GRACE, next_firing, schedule_of
from experiments.times import micros
from schemas import events

Happening = tuple[Experiment, list[events.Lifecycle]]
_BUSY = (State.QUEUED, State.RUNNING, State.PAUSED, State.HELD)


def next_due(memory: Memory) -> int | None:
    """Return the earliest moment (microseconds) at which the clock does something, None if it never will.

    Looks at every experiment. What is applied only puts a moment off, so it stays a lower bound until a cold part
    changes; `next_due_among` those that changed says how much sooner it may be then.
    """
    return _earliest((cold, applied) for _, cold, applied in memory.experiments.clocks())


def next_due_among(memory: Memory, ids: Collection[str]) -> int | None:
    """Return the same of a few experiments."""
    found = (memory.experiments[experiment_id] for experiment_id in ids)
    return _earliest((it.cold, it.hot.last_applied) for it in found)


def _earliest(clocks: Iterable[tuple[Cold, int]]) -> int | None:
    return min((at for cold, applied in clocks for at, _ in _alarms(cold, applied)), default=None)


def what_is_due(memory: Memory, at: int, now: Moment) -> Iterator[tuple[str, Happening]]:
    """Yield the experiments to which something happens by the clock at or before `at`, and what, in order of ids."""
    for experiment_id, cold, applied in sorted(memory.experiments.clocks(), key=lambda clock: clock[0]):
        passed = sorted((alarm for alarm in _alarms(cold, applied) if alarm[0] <= at), key=lambda alarm: alarm[0])
        if passed:
            yield experiment_id, passed[0][1](memory.experiments[experiment_id], now)


def _alarms(cold: Cold, last_applied: int) -> Iterator[tuple[int, Callable[[Experiment, Moment], Happening]]]:
    if cold.state is State.RUNNING:
        if cold.deadline is not None:
            yield micros(cold.deadline), _time_out
        stall = cold.limit("stall_timeout")
        if stall is not None:
            yield last_applied + stall, _stall
    if cold.state is State.CANCELLED:
        return
    if cold.retry_at is not None and cold.state not in _BUSY:
        yield micros(cold.retry_at), _try_again
    waits = cold.state in _BUSY and cold.definition["schedule"]["overlap"] == "queue"
    if cold.due is not None and not waits:
        yield micros(cold.due), _fire


def _time_out(experiment: Experiment, now: Moment) -> Happening:
    return endings.conclude(experiment, facts.decided(now, "timeout"), now)


def _stall(experiment: Experiment, now: Moment) -> Happening:
    length = durations.text(experiment.cold.limit("stall_timeout") or 0)
    return endings.fail(experiment, f"no observation was applied for {length}", "stalled", now)


def _try_again(experiment: Experiment, now: Moment) -> Happening:
    cold = experiment.cold
    cause = f"{cold.experiment_id}/{cold.run}/retry"
    opened = facts.opened(now, attempt=cold.attempt + 1, retry_of=cold.run, cause=cause)
    return facts.follow(experiment, opened)


def _fire(experiment: Experiment, now: Moment) -> Happening:
    """Start the run that is due, or say why not; then the next one is due."""
    cold = experiment.cold
    schedule, due = schedule_of(cold.definition), cold.due or now.at
    is_late = now.at - due > GRACE
    note = None
    emitted: list[events.Lifecycle] = []
    if is_late and schedule.misfire == "skip" and schedule.overlap == "skip":
        note = f"the run due at {due.isoformat()} was missed by {now.at - due} and skipped"
    elif cold.state in _BUSY:
        note = f"the run due at {due.isoformat()} was skipped: run {cold.run} is {cold.state}"
    else:
        experiment, emitted = facts.follow(experiment, facts.opened(now, cause=firing_id(cold)))
    after = max(due, now.at) if is_late else due
    following = next_firing(schedule, cold.schedule_anchor or due, after, experiment.cold.scheduled_runs)
    experiment, scheduled = facts.follow(experiment, facts.scheduled(following, now, note))
    return experiment, [*emitted, *scheduled]
