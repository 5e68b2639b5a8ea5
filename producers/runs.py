"""Which runs need a source of their own right now, folded from control events: pure, so that a restart sees the same.

A run needs its source from `started` until it has crossed; while paused the source waits.
"""

from dataclasses import dataclass, replace
from typing import Any

from schemas import events

#: The events that `Runs` reads.
KINDS: tuple[type[events.Lifecycle], ...] = (
    events.Defined,
    events.Started,
    events.Paused,
    events.Resumed,
    events.Held,
    events.Decision,
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A live run with a source of its own; `offset` is where its observations begin in the log."""

    experiment_id: str
    run: int
    definition: dict[str, Any]
    offset: int | None
    is_paused: bool = False

    @property
    def source(self) -> str:
        """Name under which the observations are sent, the same after every restart."""
        return f"runner-{self.run}"

    @property
    def section(self) -> dict[str, Any]:
        """The `[source]` section of the definition."""
        found: dict[str, Any] = self.definition["source"]
        return found

    @property
    def command_id(self) -> str:
        """Idempotency key of the one message that ends the source."""
        return f"{self.experiment_id}/{self.run}/{self.source}"


class Runs:
    """The live runs of one partition that have a source of their own, by experiment."""

    def __init__(self) -> None:
        self.wanted: dict[str, Wanted] = {}
        self._definitions: dict[tuple[str, int], dict[str, Any]] = {}

    def see(self, event: events.ControlEvent) -> None:
        """Take in one event, in log order."""
        match event:
            case events.Defined(experiment_id=key, definition_revision=revision, definition=definition):
                self._definitions[key, revision] = definition
            case events.Started(experiment_id=key, definition_revision=revision):
                stored = self._definitions.get((key, revision), {})
                if (stored.get("source") or {}).get("kind", "external") != "external":
                    self.wanted[key] = Wanted(key, event.run, stored, event.offset)
            case events.Paused(experiment_id=key) if key in self.wanted:
                self.wanted[key] = replace(self.wanted[key], is_paused=True)
            case events.Resumed(experiment_id=key) if key in self.wanted:
                self.wanted[key] = replace(self.wanted[key], is_paused=False)
            case events.Held(experiment_id=key, withheld=decision) if key in self.wanted and decision:
                del self.wanted[key]  # it has crossed: what comes now would not be applied
            case events.Decision(experiment_id=key) if key in self.wanted and self.wanted[key].run == event.run:
                del self.wanted[key]
            case _:
                pass
