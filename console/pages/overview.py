"""Overview: what runs and how close it is to a decision, what ended and why; filters live in the address."""

import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import Request
from nicegui import ui
from nicegui.element import Element

from console import numbers, wording
from console.board import Board, News
from console.components import FilterBar, RunTable
from console.desk import Desk
from console.documents import ACTIVE, ENDED, RunDocument
from console.listing import SORTS, Filter, attention, selected
from console.pages.selection import Selection
from console.pages.shell import follow, set_text, shell, tag
from console.security import visitor
from console.templates import TEMPLATES
from console.walk import thinned

_PER_PAGE = 25
_STALE_SECONDS = 5.0  # a run that falls silent tells nobody
_SECTIONS = (
    ("active", "Active", ACTIVE),
    ("ended", "Ended", ENDED),
    ("waiting", "Not started", ("DEFINED", "CANCELLED")),
)
_STATES = [
    ("", "All"),
    ("active", "Active"),
    ("attention", "Attention"),
    ("ended", "Ended"),
    ("defined", "Not started"),
]
_OUTCOMES = [
    ("", "Any outcome"),
    ("accept_h1", "H1 accepted"),
    ("accept_h0", "H0 accepted"),
    ("inconclusive", "Inconclusive"),
]
_SORT_WORDS = {
    "newest": "Latest change",
    "oldest": "Oldest change",
    "title": "Title",
    "n": "Most observations",
    "nearest": "Nearest to a decision",
}


class Overview:
    """One open overview page."""

    def __init__(self, desk: Desk, request: Request) -> None:
        self._desk = desk
        self._board: Board = desk.board
        self._filter = Filter.from_query(request.query_params)
        self._page = _whole(request.query_params.get("page", "1"))
        self._sparks: dict[tuple[str, int], list[list[float]]] = {}
        self._parts: dict[str, dict[str, Any]] = {}
        self._listed: dict[str, list[RunDocument]] = {}
        self._active: list[RunDocument] = []
        self._stale = 0.0
        self._selection = Selection(desk, visitor(request))

    async def build(self) -> None:
        """Build the page."""
        ui.page_title("Overview · waldstream")
        with tag("div", "title-row"):
            with tag("div", "text"):
                tag("h1", "title", "Overview")
                self._subtitle = tag("p", "subtitle")
            with tag("div", "actions"):
                tag("a", "button primary", "New experiment", href="/new")
        self._empty = tag("section", "card empty")
        with self._empty:
            _invitation()
        self._full = tag("div")
        with self._full:
            self._tiles()
            FilterBar(
                asdict(self._filter),
                states=_STATES,
                outcomes=_OUTCOMES,
                sorts=[(name, _SORT_WORDS[name]) for name in SORTS],
                on_change=self._narrowed,
            )
            for kind, title, _ in _SECTIONS:
                self._section(kind, title)
            self._none = tag("div", "card nothing section", "No experiment matches these filters.")
            self._selection.build([part["table"] for part in self._parts.values()])
        await self._show(News(all=True))
        follow(self._board, None, self._show)

    def _tiles(self) -> None:
        self._tile: dict[str, tuple[Element, Element]] = {}
        with tag("section", "tiles", aria_label="In figures"):
            for key, label in (
                ("active", "Active runs"),
                ("nearest", "Nearest to a decision"),
                ("decided", "Ended in the last 24 hours"),
                ("attention", "Needs attention"),
            ):
                with tag("div", "card tile"):
                    tag("div", "label", label)
                    self._tile[key] = (tag("div", "value"), tag("div", "note"))

    def _section(self, kind: str, title: str) -> None:
        with tag("section", "section", aria_label=title) as whole:
            with tag("div", "head"):
                tag("h2", text=title)
                count = tag("span", "count")
            with tag("div", "card"):
                table = RunTable(kind, [], title, on_pick=lambda keys: self._selection.pick(kind, keys))
                with tag("div", "pager") as pager:
                    where = tag("span")
                    back = tag("button", "button small", "Newer", type="button").on("click", lambda: self._turn(-1))
                    on = tag("button", "button small", "Older", type="button").on("click", lambda: self._turn(1))
        self._parts[kind] = {"whole": whole, "count": count, "table": table, "pager": pager, "where": where}
        self._parts[kind] |= {"back": back, "on": on}

    async def _narrowed(self, given: dict[str, str]) -> None:
        self._filter = Filter.from_query(given)
        self._page = 1
        await self._show(News(all=True))

    async def _turn(self, by: int) -> None:
        self._page = max(self._page + by, 1)
        query = "&".join(
            part for part in (self._filter.query(), f"page={self._page}" if self._page > 1 else "") if part
        )
        ui.navigate.history.replace(f"/?{query}" if query else "/")
        await self._show(News(all=True))

    async def _show(self, news: News) -> None:
        """Send what differs from what the page shows; points alone move no run to another place, but in some orders."""
        board = self._board
        moves = self._filter.state == "attention" or self._filter.sort in ("n", "nearest")
        if news.all or news.documents or moves or time.monotonic() > self._stale:
            self._select()
        for kind, runs in self._listed.items():
            await self._show_section(kind, runs)
        self._fill("nearest", *_nearest(board, self._active))

    def _select(self) -> None:
        """Choose the runs of each section anew, and count."""
        self._stale = time.monotonic() + _STALE_SECONDS
        board = self._board
        has_any = bool(board.runs)
        is_new = not has_any and board.health.is_loaded
        self._empty.set_visibility(is_new)
        self._full.set_visibility(not is_new)
        set_text(self._subtitle, _summary(board))
        found = selected(board, self._filter)
        self._listed = {kind: [run for run in found if run.state in states] for kind, _, states in _SECTIONS}
        self._none.set_visibility(has_any and not any(self._listed.values()))
        self._count()

    async def _show_section(self, kind: str, runs: list[RunDocument]) -> None:
        part = self._parts[kind]
        part["whole"].set_visibility(bool(runs))
        set_text(part["count"], numbers.count(len(runs)))
        if kind == "active":
            part["pager"].set_visibility(False)
            part["table"].show([self._desk.rows.of(run) for run in runs[:500]])
            return
        pages = max((len(runs) - 1) // _PER_PAGE + 1, 1)
        page = min(self._page, pages)
        shown = runs[(page - 1) * _PER_PAGE : page * _PER_PAGE]
        part["pager"].set_visibility(pages > 1)
        set_text(part["where"], f"Page {page} of {pages}")
        part["back"].set_visibility(page > 1)
        part["on"].set_visibility(page < pages)
        if kind == "ended":
            await self._fetch_sparks(shown)
        part["table"].show([self._desk.rows.of(run) | {"spark": self._spark(run)} for run in shown])

    async def _fetch_sparks(self, runs: list[RunDocument]) -> None:
        """Read the walks of ended runs, which no longer move, once."""
        missing = [name for run in runs if (name := (run.experiment_id, run.run)) not in self._sparks]
        if not missing or not self._board.health.is_redis_up:
            return
        for name, walk in (await self._desk.model.walks(missing)).items():
            few = thinned(walk, 48)
            self._sparks[name] = [[n, llr] for n, llr in zip(few["n"].tolist(), few["llr"].tolist(), strict=True)]

    def _spark(self, run: RunDocument) -> list[list[float]]:
        points = self._sparks.get((run.experiment_id, run.run), [])
        if points and run.n is not None and run.llr is not None and points[-1][0] < run.n:
            return [*points, [run.n, run.llr]]
        return points

    def _count(self) -> None:
        board, since = self._board, datetime.now(UTC) - timedelta(days=1)
        runs = list(board.runs.values())
        self._active = active = [run for run in runs if run.is_active]
        paused = sum(run.state == "PAUSED" for run in active)
        recent = [run for run in runs if run.decided_at is not None and run.decided_at > since]
        ends = {
            name: sum(run.outcome == outcome for run in recent)
            for name, outcome in (("H1", "accept_h1"), ("H0", "accept_h0"), ("inconclusive", "inconclusive"))
        }
        now = datetime.now(UTC)
        stuck = [(run, why) for run in runs if (why := attention(board, run, now))]
        self._fill("active", numbers.count(len(active)), f"{paused} paused" if paused else "none paused")
        self._fill(
            "decided", numbers.count(len(recent)), " · ".join(f"{n} {name}" for name, n in ends.items() if n) or "–"
        )
        first = f"{stuck[0][0].name}: {stuck[0][1]}" if stuck else "nothing is stuck, held or failed"
        self._fill("attention", numbers.count(len(stuck)), first)

    def _fill(self, key: str, value: str, note: str) -> None:
        shown, explained = self._tile[key]
        set_text(shown, value)
        set_text(explained, note)


def _nearest(board: Board, active: list[RunDocument]) -> tuple[str, str]:
    """Return how far the run nearest to a boundary has come, and which it is."""
    best: tuple[float, str, RunDocument] | None = None
    for run in active:
        point = board.points.get((run.experiment_id, run.run))
        near = (
            wording.nearness(run, point.llr)
            if point is not None and run.state != "HELD" and not run.is_blinded
            else None
        )
        if near is not None and (best is None or near[0] > best[0]):
            best = (*near, run)
    if best is None:
        return "–", "nothing is under way"
    return f"{numbers.percent(round(best[0], 2))} to {best[1]}", best[2].name


def _summary(board: Board) -> str:
    active = sum(run.is_active for run in board.runs.values())
    if not board.runs:
        return "Sequential tests that stop at the exact observation where the evidence is enough."
    if not active:
        return "Nothing is running."
    return f"{numbers.count(active)} {'run is' if active == 1 else 'runs are'} under way."


def _invitation() -> None:
    tag("h2", text="No experiments yet")
    tag(
        "p",
        text="An experiment weighs two hypotheses against one another, observation by observation, and stops by itself "
        "as soon as the evidence is enough. Begin with one of these; the first needs nothing but this machine.",
    )
    with tag("div", "templates"):
        for template in TEMPLATES.values():
            with tag("a", "card template", href=f"/new?template={template.name}"):
                tag("span", "what", template.title)
                tag("span", "note", template.about)


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 6 else 1


async def build(desk: Desk, request: Request) -> None:
    """Build the overview page."""
    with shell(desk, "/"):
        await Overview(desk, request).build()
