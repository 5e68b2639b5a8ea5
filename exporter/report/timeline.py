"""The timeline of a run as people read it: when, what, who, why; replies are folded into the commands they answer."""

from datetime import UTC, datetime
from typing import NamedTuple

from exporter.archive import Archive, Entry
from exporter.numbers import shown
from exporter.words import OUTCOMES, REASONS
from schemas import events


class Row(NamedTuple):
    """One line of the timeline; `offset` is the observation record at which it takes effect, if any."""

    at: str
    what: str
    who: str
    why: str
    offset: int | None


def utc(moment: datetime) -> str:
    """Return a moment in ISO 8601, UTC, to the millisecond."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def rows(archive: Archive) -> tuple[Row, ...]:
    """Return the lines of the timeline in log order."""
    answers = {e.event.command_id: e.event for e in archive.timeline if isinstance(e.event, events.Reply)}
    return tuple(_row(entry, answers) for entry in archive.timeline if not isinstance(entry.event, events.Reply))


def _row(entry: Entry, answers: dict[str, events.Reply]) -> Row:
    event = entry.event
    if isinstance(event, events.Command):
        answer = answers.get(event.id)
        said = f": {answer.message}" if answer is not None and answer.status == "rejected" else ""
        status = f" ({answer.status}{said})" if answer is not None and answer.status != "accepted" else ""
        what = f"command {event.__struct_config__.tag}{status}"
        return Row(utc(entry.at), what, event.actor or "", event.reason or "", None)
    assert isinstance(event, events.Lifecycle)  # noqa: S101 replies were left out, nothing else is a control event
    return Row(utc(event.at), _what(event), event.actor or "", _why(event), event.offset)


def _what(event: events.Lifecycle) -> str:
    match event:
        case events.Defined():
            return f"defined, revision {event.definition_revision}"
        case events.Started():
            until = "" if event.deadline is None else f", until {utc(event.deadline)}"
            return f"run {event.run} started{until}"
        case events.Resumed():
            until = "" if event.deadline is None else f", until {utc(event.deadline)}"
            return f"resumed{until}"
        case events.Decision():
            return f"decision: {OUTCOMES[event.outcome]} at n = {event.n}, LLR = {shown(event.llr)}"
        case _:
            return str(event.__struct_config__.tag)


def _why(event: events.Lifecycle) -> str:
    if isinstance(event, events.Decision):
        words = REASONS.get(str(event.reason), str(event.reason))
        return f"{words}: {event.comment}" if event.comment else words
    if isinstance(event, events.Failed):
        return event.message
    return event.reason or ""
