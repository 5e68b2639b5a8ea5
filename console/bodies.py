"""The bodies of the API's requests and answers: documents of the read model, put together."""

from typing import Any, Literal

import msgspec

from console.documents import LivePoint, RunDocument, TimelineEntry
from schemas import events


class RunPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the runs, and how many there are."""

    items: list[RunDocument]
    total: int
    limit: int
    offset: int


class ExperimentBody(msgspec.Struct, frozen=True, kw_only=True):
    """An experiment: its newest definition, its runs from the newest on, and what happened to it."""

    experiment_id: str
    definition: events.Defined | None
    runs: list[RunDocument]
    timeline: list[TimelineEntry]


class FileBody(msgspec.Struct, frozen=True, kw_only=True):
    """A file of an archive."""

    name: str
    size: int
    sha256: str | None


class RunBody(msgspec.Struct, frozen=True, kw_only=True):
    """A run: its document, the newest point of its walk, its decision, its archive."""

    run: RunDocument
    point: LivePoint | None
    decision: dict[str, Any] | None
    archive: list[FileBody] | None


class PathPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A point of the walk and the lines around it at that n, all in nats; null where there is no such line."""

    n: int
    llr: float
    p_value: float
    lower: float | None
    upper: float | None
    e_h0: float | None
    e_h1: float | None


class PathBody(msgspec.Struct, frozen=True, kw_only=True):
    """The walk of a run, thinned."""

    experiment_id: str
    run: int
    points: list[PathPoint]


class CommandBody(msgspec.Struct, frozen=True, kw_only=True):
    """A command; `id` is its idempotency key, made up if it is left out."""

    type: Literal["define", "run", "start", "pause", "resume", "stop", "cancel", "retry", "hold", "release"]
    experiment_id: str
    id: str | None = None
    actor: str | None = None
    reason: str | None = None
    expected_version: int | None = None
    expires_at: str | None = None
    experiment: dict[str, Any] | None = None
