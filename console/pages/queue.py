"""Queue and schedule: which runs hold a slot, which wait and why, and what starts by itself when."""

from datetime import UTC, datetime, timedelta
from typing import Any

from nicegui import ui

from console import numbers, waiting, wording
from console.board import News
from console.components import DataTable
from console.desk import Desk
from console.documents import RunDocument
from console.pages.shell import follow, set_text, shell, tag
from console.rows import address

_WAITS = [
    {"name": "Experiment"},
    {"name": "Place", "align": "right"},
    {"name": "State"},
    {"name": "Priority", "align": "right"},
    {"name": "Since"},
    {"name": "Why it waits"},
]
_DUE = [{"name": "Experiment"}, {"name": "Next"}, {"name": "In", "align": "right"}, {"name": "Why"}, {"name": "Then"}]
_TICK_SECONDS = 5.0


class QueuePage:
    """One open page of queues and schedules."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._queues: dict[str, tuple[Any, DataTable]] = {}

    async def build(self) -> None:
        """Build the page."""
        ui.page_title("Queue and schedule · waldstream")
        with tag("div", "title-row"), tag("div", "text"):
            tag("h1", "title", "Queue and schedule")
            self._subtitle = tag("p", "subtitle")
        with tag("section", "section", aria_label="Queues"):
            with tag("div", "head"):
                tag("h2", text="Queues")
                tag("span", "note", "a higher priority goes first, then who came first")
            self._none = tag("div", "card nothing")
            with self._none:
                tag(
                    "p",
                    text="No queue yet. A definition names one; a limit says how many of its runs are live at once:",
                )
                tag("code", "code left", '[schedule]\nqueue = "lab"\npriority = 5\n\n$ waldstream queue limit lab 2')
            self._stack = tag("div", "stack")
        with tag("section", "section", aria_label="Schedule"):
            with tag("div", "head"):
                tag("h2", text="What starts by itself")
                tag("span", "note", "times in UTC")
            with tag("div", "card") as self._table_card:
                self._table = DataTable(_DUE, "Schedule")
            self._nothing = tag("div", "card nothing")
            with self._nothing:
                tag("p", text="Nothing is scheduled. A definition says when runs start:")
                tag("code", "code left", '[schedule]\ncron = "0 9 * * mon"\ntimezone = "Europe/Vienna"\nmax_runs = 10')
        self._show(News(all=True))
        follow(self._desk.board, None, self._show)
        ui.timer(_TICK_SECONDS, lambda: self._show(News(all=True)))

    def _show(self, news: News) -> None:
        if not (news.all or news.documents or news.queues):
            return
        board, now = self._desk.board, datetime.now(UTC)
        found = waiting.queues(board.runs.values(), board.limits)
        if list(self._queues) != [queue.name for queue in found]:
            self._lay_out([queue.name for queue in found])
        for queue in found:
            words, table = self._queues[queue.name]
            slots = f"{len(queue.holding)} of {queue.limit} slots taken" if queue.limit else "closed: its limit is 0"
            set_text(words, f"{slots}, {len(queue.waiting)} waiting")
            table.show([_holds(run, now) for run in queue.holding] + [_waits(each, now) for each in queue.waiting])
        due = waiting.due(board.runs.values())
        self._none.set_visibility(not found)
        self._nothing.set_visibility(not due)
        self._table_card.set_visibility(bool(due))
        self._table.show([_comes(each, now) for each in due])
        queued = sum(len(queue.waiting) for queue in found)
        set_text(
            self._subtitle,
            f"{numbers.count(queued)} waiting in {len(found)} queue{'s' if len(found) != 1 else ''}, "
            f"{numbers.count(len(due))} scheduled.",
        )

    def _lay_out(self, names: list[str]) -> None:
        self._stack.clear()
        self._queues = {}
        with self._stack:
            for name in names:
                with tag("section", "card", aria_label=f"Queue {name}"):
                    with tag("div", "head"):
                        tag("h3", "h2", name)
                        words = tag("span", "note")
                    self._queues[name] = (words, DataTable(_WAITS, f"Queue {name}"))


def _holds(run: RunDocument, now: datetime) -> dict[str, Any]:
    return _line(run, "–", now, "holds a slot")


def _waits(each: waiting.Waiting, now: datetime) -> dict[str, Any]:
    return _line(each.run, str(each.position), now, each.why)


def _line(run: RunDocument, place: str, now: datetime, why: str) -> dict[str, Any]:
    sign = wording.state(run)
    return {
        "key": f"{run.experiment_id}/{run.run}",
        "cells": [
            _named(run),
            {"text": place},
            {"text": sign.text, "glyph": sign.glyph, "tone": sign.tone},
            {"text": str(run.priority or 0)},
            {"text": _ago(now - run.since), "sub": numbers.moment(run.since)},
            {"text": why},
        ],
    }


def _comes(each: waiting.Due, now: datetime) -> dict[str, Any]:
    then = [
        f"{at:%a %d %b %H:%M:%S}" if each.run.schedule.get("every") else f"{at:%a %d %b %H:%M}" for at in each.then[:3]
    ]
    return {
        "key": f"{each.run.experiment_id}/{each.why}",
        "cells": [
            _named(each.run),
            {"text": f"{each.at:%a %d %b %Y %H:%M:%S}"},
            {"text": numbers.duration(each.at - now) if each.at > now else "now"},
            {"text": each.why},
            {"text": " · ".join(then) or "–"},
        ],
    }


def _named(run: RunDocument) -> dict[str, Any]:
    return {
        "text": run.name,
        "href": address(run),
        "sub": f"{run.experiment_id}{f' · run {run.run}' if run.run else ''}",
    }


def _ago(length: timedelta) -> str:
    return f"{numbers.duration(timedelta(seconds=max(round(length.total_seconds()), 0)))} ago"


async def build(desk: Desk) -> None:
    """Build the page of queues and schedules."""
    with shell(desk, "/queue"):
        await QueuePage(desk).build()
