"""What the control topic has said of each experiment since its last decision: the timeline of the run to come.

One per partition, filled from the partition's beginning. What a decided run no longer needs is forgotten.
"""

from dataclasses import dataclass, field
from datetime import datetime

from exporter.archive import Entry
from schemas import codecs, events
from schemas.partitions import partition_of
from schemas.registry import RegistryUnavailableError


@dataclass(slots=True)
class _Record:
    offset: int
    at: datetime
    event: events.ControlEvent


@dataclass(slots=True)
class _Window:
    """Records of one experiment: those of its definitions, and those since its last decision."""

    defining: list[_Record] = field(default_factory=list)
    since: list[_Record] = field(default_factory=list)


class History:
    """The control records of one partition, by experiment; `wanted` is one whose archive the last record asks for."""

    def __init__(self, partition: int, partitions: int, registry: codecs.Resolver | None = None) -> None:
        self._partition = partition
        self._partitions = partitions
        self._registry = registry
        self._windows: dict[str, _Window] = {}
        self._asked: set[str] = set()
        self.wanted: str | None = None
        self.next = 0

    def add(self, offset: int, at: datetime, value: bytes | None) -> tuple[Entry, ...] | None:
        """Take the next record; return the timeline of the run that it decides, None if it decides none.

        A record that was taken before is passed over.
        """
        if offset < self.next:
            return None
        self.next = offset + 1
        self.wanted = None
        try:
            event = codecs.decode(value, *events.CONTROL, registry=self._registry)
        except (codecs.MalformedError, RegistryUnavailableError):
            return None  # the worker has answered it or put it aside; what a command led to is told by its events
        if not isinstance(event, events.Command | events.Reply | events.Lifecycle):
            return None
        if partition_of(event.experiment_id, self._partitions) != self._partition:
            return None  # forwarded: it comes again on its own partition
        self._note_what_is_wanted(event)
        window = self._windows.setdefault(event.experiment_id, _Window())
        window.since.append(_Record(offset, at, event))
        if not isinstance(event, events.Decision):
            return None
        timeline = self._timeline(window, event)
        window.defining = _still_needed([*window.defining, *window.since])
        window.since = []
        return timeline

    def _note_what_is_wanted(self, event: events.ControlEvent) -> None:
        """Take note of `archive` commands, and of the reply that lets one be carried out."""
        if isinstance(event, events.Archive):
            self._asked.add(event.id)
        elif isinstance(event, events.Reply) and event.command_id in self._asked:
            self._asked.discard(event.command_id)
            self.wanted = event.experiment_id if event.status == "accepted" else None

    def _timeline(self, window: _Window, decision: events.Decision) -> tuple[Entry, ...]:
        asked = {record.event.id for record in window.since if isinstance(record.event, events.Command)}
        chosen = [*window.defining, *(record for record in window.since if _is_of(record.event, decision, asked))]
        return tuple(
            Entry(partition=self._partition, offset=record.offset, at=record.at, event=record.event)
            for record in chosen
        )


def _is_of(event: events.ControlEvent, decision: events.Decision, asked: set[str]) -> bool:
    """Return whether a record since the last decision belongs to the run."""
    if isinstance(event, events.Reply):
        return event.command_id in asked
    if isinstance(event, events.Lifecycle) and not isinstance(event, events.Defined):
        return event.run == decision.run and event.version <= decision.version
    return True


def _still_needed(records: list[_Record]) -> list[_Record]:
    """Return the newest definition and the command that gave it."""
    kept: list[_Record] = []
    commands: dict[str | None, _Record] = {}
    for record in records:
        if isinstance(record.event, events.Define | events.Run):
            commands[record.event.id] = record
        elif isinstance(record.event, events.Defined):
            kept = [commands[record.event.cause]] if record.event.cause in commands else []
            kept.append(record)
    return kept
