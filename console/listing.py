"""Which runs a list shows, and in which order: the same filter for the page and for the API.

A filter lives in the address of the page, so that a reload, a bookmark or a colleague sees the same list.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, Self
from urllib.parse import urlencode

from console.board import Board
from console.documents import ACTIVE, ENDED, RunDocument
from console.numbers import duration
from console.wording import REASON_LABELS, nearness

StateName = Literal[
    "", "active", "ended", "defined", "cancelled", "running", "paused", "held", "decided", "archived", "attention"
]  # fmt: skip
#: What `state` may be: groups that people ask for, and the exact states.
STATES: Final = {
    "active": set(ACTIVE),
    "ended": set(ENDED),
    "defined": {"DEFINED"},
    "cancelled": {"CANCELLED"},
    "running": {"RUNNING"},
    "paused": {"PAUSED"},
    "held": {"HELD"},
    "decided": {"DECIDED"},
    "archived": {"ARCHIVED"},
    "attention": set(ACTIVE) | set(ENDED),
}
OUTCOMES: Final = ("accept_h1", "accept_h0", "inconclusive")
REASONS: Final = tuple(REASON_LABELS)
#: A run this long without an observation is stuck; an end this long ago needs nobody any more.
_SILENT: Final = timedelta(minutes=5)
_RECENT: Final = timedelta(days=1)
SORTS: Final = ("newest", "oldest", "title", "n", "nearest")


@dataclass(frozen=True, slots=True)
class Filter:
    """What a list is narrowed to; empty fields do not narrow."""

    q: str = ""
    state: str = ""
    outcome: str = ""
    reason: str = ""
    owner: str = ""
    tag: str = ""
    sort: str = "newest"

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Self:
        """Return the filter in a page's address; what is not allowed there is left out."""
        given = {field.name: query.get(field.name, "")[:200] for field in fields(cls)}
        allowed: dict[str, Iterable[str]] = {"state": STATES, "outcome": OUTCOMES, "reason": REASONS, "sort": SORTS}
        kept = {name: text for name, text in given.items() if text and (name not in allowed or text in allowed[name])}
        return cls(**kept)

    def with_(self, **changes: str) -> Self:
        """Return the filter with some fields changed."""
        return replace(self, **changes)

    def query(self) -> str:
        """Return the filter as the query part of an address."""
        shown = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.sort == "newest":
            del shown["sort"]
        return urlencode({name: text for name, text in shown.items() if text})

    @property
    def is_narrow(self) -> bool:
        """Whether anything is left out."""
        return replace(self, sort="newest") != Filter()

    def admits(self, run: RunDocument) -> bool:
        """Return whether the run is in the list."""
        return (
            (not self.state or run.state in STATES[self.state])
            and (not self.outcome or run.outcome == self.outcome)
            and (not self.reason or run.reason == self.reason)
            and (not self.owner or run.owner == self.owner)
            and (not self.tag or self.tag in run.tags)
            and all(word in _searched(run) for word in self.q.lower().split())
        )


def selected(board: Board, asked: Filter) -> list[RunDocument]:
    """Return the board's runs that the filter admits, in its order."""
    found = [run for run in board.runs.values() if asked.admits(run)]
    if asked.state == "attention":
        now = datetime.now(UTC)
        found = [run for run in found if attention(board, run, now)]

    def reached(run: RunDocument) -> float:
        point = board.points.get((run.experiment_id, run.run))
        is_shown = point is not None and run.is_active and not run.is_blinded
        near = nearness(run, point.llr) if point is not None and is_shown else None
        return near[0] if near is not None else -1.0

    def observed(run: RunDocument) -> int:
        point = board.points.get((run.experiment_id, run.run))
        return run.n if run.n is not None else (point.n if point is not None else 0)

    orders: dict[str, tuple[Any, bool]] = {
        "newest": (_changed, True),
        "oldest": (_changed, False),
        "title": (lambda run: (run.name.lower(), run.experiment_id, -run.run), False),
        "n": (observed, True),
        "nearest": (reached, True),
    }
    key, is_descending = orders[asked.sort]
    return sorted(found, key=key, reverse=is_descending)


def attention(board: Board, run: RunDocument, now: datetime) -> str:
    """Return why somebody should look at a run, empty if nobody has to."""
    if run.disputed:
        return "the replay of its archive disagrees"
    if run.state == "HELD":
        return "its verdict is withheld"
    if run.reason in ("failed", "stalled") and run.decided_at is not None and now - run.decided_at < _RECENT:
        return "it failed" if run.reason == "failed" else "its observations stopped coming"
    if run.state != "RUNNING":
        return ""
    point = board.points.get((run.experiment_id, run.run))
    silent = now - (run.since if point is None else datetime.fromtimestamp(point.at / 1e6, UTC))
    return f"no observation for {duration(silent)}" if silent > _SILENT else ""


def _changed(run: RunDocument) -> datetime:
    return run.since


def _searched(run: RunDocument) -> str:
    return " ".join((run.title, run.experiment_id, run.owner, *run.tags)).lower()
