"""The bodies of the API's requests and answers: documents of the read model, put together."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from console.documents import LivePoint, RunDocument, TimelineEntry
from schemas import events

#: What an experiment's id looks like.
EXPERIMENT: Final = r"^[a-z0-9][a-z0-9._-]{0,62}$"


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


def command_schema(kinds: Sequence[str]) -> dict[str, Any]:
    """Return the JSON Schema of a command: `define` and `run` carry a definition, the others do not."""

    def optional(**more: Any) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", **more}, {"type": "null"}]}

    shared = {
        "experiment_id": {"type": "string", "pattern": EXPERIMENT},
        "id": optional(minLength=1, maxLength=200) | {"description": "Idempotency key; made up if it is left out."},
        "actor": optional(maxLength=200),
        "reason": optional(maxLength=2000),
        "expected_version": {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 2**53}, {"type": "null"}]},
        "expires_at": optional(format="date-time"),
    }
    defining = [kind for kind in kinds if kind in ("define", "run")]
    definition = {"type": "object", "description": "As in a definition's file; refused ones are 409, with each field."}
    forms = [
        (defining, {**shared, "experiment": definition}, ["type", "experiment_id", "experiment"]),
        ([kind for kind in kinds if kind not in defining], shared, ["type", "experiment_id"]),
    ]
    return {
        "description": "A command.",
        "oneOf": [
            {
                "type": "object",
                "properties": {"type": {"enum": names}, **properties},
                "required": required,
                "additionalProperties": False,
            }
            for names, properties, required in forms
        ],
    }
