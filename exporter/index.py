"""The index of an export: one line per run, as CSV and JSON."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from exporter.delimited import quoted
from exporter.numbers import Value
from exporter.text import guarded

INDEX: Final = "index"


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the index: where its archive is in the folder, its digest, its numbers; `problem` if it has none."""

    experiment_id: str
    run: int
    title: str
    owner: str
    tags: tuple[str, ...]
    outcome: str
    reason: str
    started: str
    decided: str
    location: str | None
    manifest_digest: str | None
    how: str
    problem: str | None
    numbers: dict[str, Value]


def index_csv(lines: Iterable[Line]) -> Iterable[bytes]:
    """Return the index as CSV: a row per run, a column per number that any of them has."""
    lines = tuple(lines)
    keys = list(dict.fromkeys(key for line in lines for key in line.numbers))
    fields = [name for name in Line.__struct_fields__ if name != "numbers"]
    yield (",".join((*fields, *keys)) + "\r\n").encode()
    for line in lines:
        cells = [_cell(getattr(line, name)) for name in fields] + [_cell(line.numbers.get(key)) for key in keys]
        yield (",".join(cells) + "\r\n").encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        value = ", ".join(value)
    return quoted(guarded(value)) if isinstance(value, str) else repr(value)
