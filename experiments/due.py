"""What the clock brings about: the end of a run's time, and a run that has stalled.

Both count only once the observations were read to where they ended at that moment; the shell sees to it (see `Tick`).
"""

from collections.abc import Iterator

from experiments import durations, facts
from experiments.facts import Maker, Moment
from experiments.memory import Experiment, Memory, State
from experiments.times import micros


def next_due(memory: Memory) -> int | None:
    """Return the earliest moment (microseconds) at which the clock ends a run, None if it never will.

    Looks at every experiment; it changes only when a cold row or a `last_applied` does, so the shell may keep it.
    """
    return min((at for e in memory.experiments.values() for at, _ in _deadlines(e)), default=None)


def what_is_due(memory: Memory, at: int, now: Moment) -> Iterator[tuple[str, tuple[Maker, ...]]]:
    """Yield the experiments whose run ends by the clock at or before `at`, with the facts that follow, by id."""
    for experiment_id, experiment in sorted(memory.experiments.items()):
        passed = sorted(deadline for deadline in _deadlines(experiment) if deadline[0] <= at)
        if not passed:
            continue
        if passed[0][1] == "timeout":
            yield experiment_id, (facts.decided(now, "timeout"),)
        else:
            length = durations.text(experiment.limit("stall_timeout") or 0)
            message = f"no observation was applied for {length}"
            yield experiment_id, (facts.failed(now, message), facts.decided(now, "stalled"))


def _deadlines(experiment: Experiment) -> Iterator[tuple[int, str]]:
    if experiment.cold.state is not State.RUNNING:
        return
    if experiment.cold.deadline is not None:
        yield micros(experiment.cold.deadline), "timeout"
    stall = experiment.limit("stall_timeout")
    if stall is not None:
        yield experiment.hot.last_applied + stall, "stalled"
