"""Queues and schedules as their pages show them: who holds a slot, who waits and why, what is due next. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from console.documents import RunDocument
from experiments.schedule import Schedule, next_firing

#: A queue whose limit nobody has set lets this many runs live at once.
DEFAULT_LIMIT: Final = 1
_FIRINGS: Final = 5


@dataclass(frozen=True, slots=True)
class Waiting:
    """A run that waits: its place (1 is next) and why it waits, in words."""

    run: RunDocument
    position: int
    why: str


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue: its limit, the live runs in it, and those that wait, in the order in which they will start."""

    name: str
    limit: int
    holding: list[RunDocument]
    waiting: list[Waiting]


@dataclass(frozen=True, slots=True)
class Due:
    """What will start by the clock: when, why, and the times after that, as far as they are known now."""

    run: RunDocument
    at: datetime
    why: str
    then: list[datetime]


def queues(runs: Iterable[RunDocument], limits: Mapping[str, int]) -> list[Queue]:
    """Return every queue that has a limit or a run, by name."""
    live = [run for run in runs if run.is_active and run.queue]
    names = sorted({run.queue or "" for run in live} | set(limits))
    return [_queue(name, [run for run in live if run.queue == name], limits.get(name, DEFAULT_LIMIT)) for name in names]


def _queue(name: str, live: list[RunDocument], limit: int) -> Queue:
    holding = [run for run in live if run.state != "QUEUED"]
    queued = sorted((run for run in live if run.state == "QUEUED"), key=lambda run: (-(run.priority or 0), run.since))
    waiting = []
    for position, run in enumerate(queued, 1):
        if limit == 0:
            why = "the queue is closed: its limit is 0"
        elif position == 1:
            why = f"{len(holding)} of {limit} slots taken" if limit > 1 else "the only slot is taken"
        else:
            why = f"{position - 1} before it"
        waiting.append(Waiting(run, position, why))
    return Queue(name, limit, holding, waiting)


def due(runs: Iterable[RunDocument]) -> list[Due]:
    """Return what starts by the clock, soonest first: firings of schedules, and runs that are tried again."""
    newest: dict[str, RunDocument] = {}
    for run in runs:
        if run.run >= newest.get(run.experiment_id, run).run:
            newest[run.experiment_id] = run
    found = []
    for run in newest.values():
        if run.is_cancelled:
            continue
        if run.retry_due is not None and not run.is_active:
            found.append(Due(run, run.retry_due, f"tried again after attempt {run.attempt}", []))
        if run.next_due is not None:
            found.append(Due(run, run.next_due, in_words(run.schedule), _then(run.schedule, run.next_due)))
    return sorted(found, key=lambda each: (each.at, each.run.experiment_id))


def in_words(schedule: Mapping[str, Any]) -> str:
    """Return when runs start, as the definition says it."""
    parts = []
    if schedule.get("cron"):
        parts.append(f"cron {schedule['cron']} ({schedule.get('timezone', 'UTC')})")
    if schedule.get("every"):
        parts.append(f"every {schedule['every']}")
    if not parts:
        parts.append("once")
    if schedule.get("max_runs"):
        parts.append(f"at most {schedule['max_runs']} runs")
    if schedule.get("until"):
        parts.append(f"until {schedule['until']}")
    return ", ".join(parts)


def _then(given: Mapping[str, Any], first: datetime) -> list[datetime]:
    """Return the firings after the first; `max_runs` is left out, since how many there were is not known here."""
    schedule = Schedule.model_validate({**given, "max_runs": None})
    found = [first]
    while len(found) <= _FIRINGS and (at := next_firing(schedule, first, found[-1], 0)) is not None:
        found.append(at)
    return found[1:]
