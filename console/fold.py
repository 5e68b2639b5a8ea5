"""How a record of `sprt.control` changes the documents of its experiment; pure, so that a replay gives the same.

An experiment that has not run yet is shown as run 0; its first `started` takes that place.
"""

import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from console.documents import Pause, RunDocument, TimelineEntry
from schemas import events
from schemas.avro import event_name

#: Fields with a place of their own in a timeline entry, and definitions, which are kept by revision.
_BESIDE = {
    "type", "id", "experiment_id", "run", "version", "at", "actor", "reason", "cause",
    "experiment", "definition", "certificate",
}  # fmt: skip


@dataclass(slots=True)
class Shelf:
    """The documents of one experiment, as far as a batch may touch them, and what the batch added.

    `latest` is None while nothing was defined; `runs` holds the documents by run number, None for one to be removed.
    """

    latest: int | None = None
    definitions: dict[int, events.Defined] = field(default_factory=dict)
    runs: dict[int, RunDocument | None] = field(default_factory=dict)
    entries: list[TimelineEntry] = field(default_factory=list)
    replies: list[events.Reply] = field(default_factory=list)


def put(shelf: Shelf, event: events.ControlEvent, at: datetime) -> None:
    """Put what the event says onto the shelf; `at` is the Kafka time of its record."""
    shelf.entries.append(_entry(event, at))
    if isinstance(event, events.Reply):
        shelf.replies.append(event)
    if isinstance(event, events.Defined):
        _defined(shelf, event)
    elif isinstance(event, events.Started):
        _started(shelf, event)
    elif isinstance(event, events.Queued):
        _opened(shelf, event, state="QUEUED", queue=event.queue, priority=event.priority)
    elif isinstance(event, events.Lifecycle) and (document := shelf.runs.get(event.run)) is not None:
        shelf.runs[event.run] = replace(_changed(document, event), version=event.version)


def _defined(shelf: Shelf, event: events.Defined) -> None:
    shelf.definitions[event.definition_revision] = event
    if shelf.latest in (None, 0):
        shelf.latest = 0
        shelf.runs[0] = RunDocument(
            experiment_id=event.experiment_id,
            run=0,
            state="DEFINED",
            since=event.at,
            created_at=event.at,
            version=event.version,
            **_design(event),
        )
        return
    for run, document in shelf.runs.items():
        if document is not None:  # titles may change at any time, the design of a run never
            shelf.runs[run] = replace(document, version=event.version, **_names(event.definition))


def _started(shelf: Shelf, event: events.Started) -> None:
    queued = shelf.runs.get(event.run)
    waited = {} if queued is None else {"queue": queued.queue, "priority": queued.priority}
    _opened(shelf, event, state="RUNNING", started_at=event.at, deadline=event.deadline, **waited)


def _opened(shelf: Shelf, event: events.Queued | events.Started, **more: Any) -> None:
    """Put a new run's document onto the shelf, in the place of run 0 if it is the first."""
    revision = event.definition_revision if isinstance(event, events.Started) else max(shelf.definitions, default=1)
    definition = shelf.definitions.get(revision)
    before = shelf.runs.get(shelf.latest) if shelf.latest is not None else None
    if shelf.latest == 0:
        shelf.runs[0] = None
    shelf.latest = event.run
    shelf.runs[event.run] = RunDocument(
        experiment_id=event.experiment_id,
        run=event.run,
        since=event.at,
        created_at=event.at,
        version=event.version,
        attempt=event.attempt,
        retry_of=event.retry_of,
        next_due=before.next_due if before is not None else None,
        **(_design(definition) if definition is not None else {"definition_revision": revision}),
        **more,
    )


def _changed(document: RunDocument, event: events.Lifecycle) -> RunDocument:
    """Return the run's document after an event other than `defined`, `queued` and `started`."""
    if isinstance(event, events.Paused):
        pause = Pause(paused_at=event.at, paused_from=event.offset)
        return replace(document, state="PAUSED", since=event.at, pauses=[*document.pauses, pause])
    if isinstance(event, events.Resumed):
        *earlier, last = document.pauses or [Pause(paused_at=event.at, paused_from=event.offset)]
        ended = replace(last, resumed_at=event.at, resumed_from=event.offset)
        return replace(document, state="RUNNING", since=event.at, deadline=event.deadline, pauses=[*earlier, ended])
    if isinstance(event, events.Scheduled):
        return replace(document, next_due=event.due)
    if isinstance(event, events.Held):
        held = replace(document, is_held=True)
        return replace(held, state="HELD", since=event.at) if event.withheld else held
    if isinstance(event, events.Unblinded):
        return replace(document, is_blinded=False)
    if isinstance(event, events.Released):
        return replace(document, is_held=False)
    if isinstance(event, events.Unblinded):
        return replace(document, is_blinded=False)
    if isinstance(event, events.Retrying):
        return replace(document, retry_due=event.due)
    if isinstance(event, events.Failed):
        return replace(document, failure=event.message)
    if isinstance(event, events.Decision):
        return replace(
            document,
            state="DECIDED",
            since=event.at,
            decided_at=event.at,
            outcome=event.outcome,
            direction=event.direction,
            reason=event.reason,
            comment=event.comment,
            n=event.n,
            llr=event.llr,
            p_value=event.p_value,
            is_blinded=False,
        )
    if isinstance(event, events.Archived):
        return replace(document, state="ARCHIVED", since=event.at, disputed=event.disputed)
    if isinstance(event, events.Cancelled):
        cancelled = replace(document, is_cancelled=True, next_due=None)
        never_ran = document.state in ("DEFINED", "QUEUED")
        return replace(cancelled, state="CANCELLED", since=event.at) if never_ran else cancelled
    return document


def _design(event: events.Defined) -> dict[str, Any]:
    definition = event.definition
    stop = definition.get("stop") or {}
    p_value = stop.get("p_value")
    lines = [line for line in (event.upper, -math.log(p_value) if p_value else None) if line is not None]
    return {
        **_names(definition),
        "source": (definition.get("source") or {}).get("kind", "external"),
        "schedule": _schedule(definition.get("schedule") or {}),
        "truth": _truth(definition),
        "is_blinded": bool(definition.get("blinded")),
        "definition_revision": event.definition_revision,
        "design_digest": event.design_digest,
        "model": definition.get("model") or {},
        "errors": definition.get("errors") or {},
        "stop": stop,
        "lower": event.lower,
        "upper": min(lines, default=None),
        "mean_n_h0": event.certificate.get("mean_n_h0"),
        "mean_n_h1": event.certificate.get("mean_n_h1"),
    }


def _schedule(given: dict[str, Any]) -> dict[str, Any]:
    """Return what the schedule says, empty if runs start by command only and wait for nobody."""
    is_set = any(given.get(name) is not None for name in ("start_at", "cron", "every", "queue"))
    return {name: value for name, value in given.items() if value is not None} if is_set else {}


def _truth(definition: dict[str, Any]) -> str | None:
    """Return which hypothesis the run's own source makes true, None where nobody knows."""
    source, model = definition.get("source") or {}, definition.get("model") or {}
    made = source.get({"entropy": "p", "simulate": "theta"}.get(source.get("kind", ""), ""))
    if made is None:
        return None
    return next((which for which in ("h0", "h1") if list((model.get(which) or {}).values()) == [made]), None)


def _names(definition: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": definition.get("title") or "",
        "owner": definition.get("owner") or "",
        "tags": definition.get("tags") or [],
    }


def _entry(event: events.ControlEvent, at: datetime) -> TimelineEntry:
    body: dict[str, Any] = msgspec.to_builtins(event)
    kept = {name: value for name, value in body.items() if name not in _BESIDE and value is not None}
    if isinstance(event, events.Reply):
        return TimelineEntry(
            kind="reply",
            type="reply",
            experiment_id=event.experiment_id,
            at=event.at,
            id=event.command_id,
            cause=event.command_id,
            version=event.version,
            body={part: kept[part] for part in ("status", "code", "message")},
        )
    if isinstance(event, events.SlotGranted):
        return TimelineEntry(
            kind="event",
            type="slot_granted",
            experiment_id=event.experiment_id,
            at=event.at,
            id=event.id,
            run=event.run,
            body={"queue": event.queue},
        )
    if isinstance(event, events.Held):
        kept = {name: kept[name] for name in kept if name != "withheld"}  # a verdict that is withheld is shown nowhere
    if isinstance(event, events.Lifecycle):
        return TimelineEntry(
            kind="event",
            type=event_name(type(event)),
            experiment_id=event.experiment_id,
            at=event.at,
            id=event.id,
            run=event.run,
            version=event.version,
            actor=event.actor,
            reason=event.reason,
            cause=event.cause,
            body=kept,
        )
    return TimelineEntry(
        kind="command",
        type=event_name(type(event)),
        experiment_id=event.experiment_id,
        at=at,
        id=event.id,
        actor=event.actor,
        reason=event.reason,
        body=kept,
    )
