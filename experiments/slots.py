"""Queues: which runs may be live at once. The queue's owner grants slots; each run ends by giving its slot back.

A request and a release follow from lifecycle events, in their transaction, so a run that ended holds no slot whatever
crashes. Within a priority who came first goes first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from experiments.experiment import Experiment
from experiments.memory import Queue
from schemas import events


def follow_up(before: Experiment | None, emitted: Sequence[events.Lifecycle]) -> Iterator[events.QueueEvent]:
    """Yield what a queue has to be told of an experiment's events; `before` is the experiment before them."""
    slot = None if before is None else before.cold.slot
    for event in emitted:
        identity = f"{event.experiment_id}/{event.run}"
        if isinstance(event, events.Queued):
            slot = event.queue
            yield events.SlotRequest(
                id=identity,
                queue=event.queue,
                experiment_id=event.experiment_id,
                run=event.run,
                priority=event.priority,
                at=event.at,
            )
        elif isinstance(event, events.Decision | events.Cancelled) and slot is not None:
            yield events.SlotRelease(id=identity, queue=slot, at=event.at)
            slot = None


def settle(queue: Queue, event: events.QueueEvent) -> Queue:
    """Return the queue after what it was told; a request that is known already changes nothing."""
    if isinstance(event, events.SlotLimit):
        return replace(queue, limit=max(0, event.limit))
    if isinstance(event, events.SlotRelease):
        waiting = tuple(request for request in queue.waiting if request.id != event.id)
        return replace(queue, holding=queue.holding - {event.id}, waiting=waiting)
    known = event.id in queue.holding or any(request.id == event.id for request in queue.waiting)
    return queue if known else replace(queue, waiting=(*queue.waiting, event))


def in_order(queue: Queue) -> list[events.SlotRequest]:
    """Return who waits, in the order in which slots will be granted."""
    return sorted(queue.waiting, key=lambda request: -request.priority)  # stable: arrival decides


def reason(queue: Queue, position: int) -> str:
    """Return why a run waits at this position, counted from 1."""
    taken = f"{len(queue.holding)} of {queue.limit} slots are taken"
    return taken if position == 1 else f"{taken}, and {position - 1} before it"


def grant(queue: Queue, at: datetime) -> tuple[Queue, list[events.SlotGranted]]:
    """Return the queue with its free slots given away, and the grants."""
    free = max(0, queue.limit - len(queue.holding))
    chosen = in_order(queue)[:free]
    taken = {request.id for request in chosen}
    queue = replace(
        queue,
        holding=queue.holding | taken,
        waiting=tuple(request for request in queue.waiting if request.id not in taken),
    )
    grants = [
        events.SlotGranted(id=r.id, experiment_id=r.experiment_id, run=r.run, queue=r.queue, at=at) for r in chosen
    ]
    return queue, grants
