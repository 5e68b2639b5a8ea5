"""Confluent frames: the schemas that a batch needs are there before it is computed, so that computing never waits.

A registry that does not answer holds the input back and raises an alarm; the partition goes on with whatever needs no
registry. Only an id that a registry which answers does not know becomes a rejection, in the pure step.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from processors.inputs import Fetched
from schemas.codecs import registry_id
from schemas.registry import Registry, RegistryUnavailableError

_AGAIN_SECONDS = 1.0


class Known(dict[int, dict[str, Any] | None]):
    """Schemas by id as a registry gave them; None where it knows none."""

    def schema(self, schema_id: int) -> dict[str, Any] | None:
        """Return the schema of an id that was asked for before."""
        return self[schema_id]


class Schemas:
    """The schemas of a registry, asked for in a thread of their own; one for all partitions of a worker."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._known = Known()
        self._asking = ThreadPoolExecutor(1, thread_name_prefix="registry")

    def known(self, ids: set[int]) -> Known | None:
        """Return the schemas if all were given before, None if the registry has to be asked."""
        return Known({it: self._known[it] for it in ids}) if ids <= self._known.keys() else None

    def ask(self, ids: set[int]) -> Future[Known]:
        """Return the future schemas; its exception is a `RegistryUnavailableError`."""
        return self._asking.submit(self._ask, ids)

    def _ask(self, ids: set[int]) -> Known:
        found = Known({it: self._registry.schema(it) for it in ids})
        self._known.update({it: schema for it, schema in found.items() if schema is not None})
        return found


class Frames:
    """The batches of one input, each handed over with the schemas it needs; the next one waits until that is so."""

    def __init__(self, schemas: Schemas | None, tell: Callable[[str, str | None], None]) -> None:
        self._schemas = schemas
        self._tell = tell
        self._waiting: tuple[Fetched, set[int]] | None = None
        self._asked: Future[Known] | None = None
        self._ask_at = 0.0
        self._is_alarmed = False

    @property
    def is_waiting(self) -> bool:
        """Return whether a batch is held back."""
        return self._waiting is not None

    @property
    def first(self) -> int | None:
        """Return the position before the batch that is held back, None if there is none."""
        return None if self._waiting is None else self._waiting[0].first

    def take(self, fetch: Callable[[], Fetched | None]) -> tuple[Fetched, Known | None] | None:
        """Return the next batch with its schemas, None if there is none or the registry has not answered."""
        if self._waiting is None:
            fetched = fetch()
            if fetched is None or self._schemas is None:
                return None if fetched is None else (fetched, None)
            ids = {it for it in map(registry_id, fetched.values()) if it is not None}
            if (known := self._schemas.known(ids)) is not None:
                return fetched, known
            self._waiting = (fetched, ids)
        return self._answered(self._schemas, *self._waiting) if self._schemas is not None else None

    def _answered(self, schemas: Schemas, fetched: Fetched, ids: set[int]) -> tuple[Fetched, Known] | None:
        if self._asked is None:
            if time.monotonic() >= self._ask_at:
                self._asked = schemas.ask(ids)
            return None
        if not self._asked.done():
            return None
        asked, self._asked = self._asked, None
        try:
            known = asked.result()
        except RegistryUnavailableError as error:
            self._ask_at = time.monotonic() + _AGAIN_SECONDS
            self._alarm(fetched.input, str(error))
            return None
        self._waiting = None
        self._alarm(fetched.input, None)
        return fetched, known

    def _alarm(self, name: str, problem: str | None) -> None:
        """Raise the alarm once, and end it once."""
        if self._is_alarmed != (problem is not None):
            self._is_alarmed = problem is not None
            self._tell(name, problem)
