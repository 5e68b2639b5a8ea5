"""Several runs selected on a list: compared, exported, or commanded together, with one confirmation and one reason."""

import asyncio
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from nicegui import ui

from console.board import Name
from console.comparison import MOST_RUNS
from console.components import Ask, RunTable
from console.desk import Desk
from console.keys import parted
from console.orders import KafkaAwayError, NoReplyError, new_id
from console.pages.commands import ALLOWED, COMMANDS, KINDS
from console.pages.shell import set_text, tag
from console.security import Visitor

#: Commands that are offered for several runs at once.
_TOGETHER: Final = ("start", "pause", "resume", "stop", "cancel", "archive")
_MOST: Final = 500
_LISTED: Final = 6


class Selection:
    """The runs that are selected on one page, and the bar that says what can be done with them."""

    def __init__(self, desk: Desk, who: Visitor) -> None:
        self._desk = desk
        self._who = who
        self._picked: dict[str, list[str]] = {}
        self._tables: list[RunTable] = []

    def build(self, tables: list[RunTable]) -> None:
        """Build the bar and the dialog."""
        self._tables = tables
        self._ask = Ask(self._confirmed)
        with tag("div", "card selection", role="region", aria_label="Selection") as self._bar:
            self._words = tag("span", "words", role="status")
            self._compare = tag("button", "button small", "Compare", type="button").on("click", self._go)
            self._export = tag("a", "button small", "Export (ZIP)", href="", download="")
            self._buttons = {}
            for kind in _TOGETHER if self._who.may_command else ():
                button = tag("button", "button small", COMMANDS[kind]["verb"].removesuffix(" the run"), type="button")
                button.on("click", lambda _, kind=kind: self._confirm(kind))
                self._buttons[kind] = button
            tag("button", "button small", "Clear", type="button").on("click", self._clear)
        self._show()

    def pick(self, table: str, keys: list[str]) -> None:
        """Take what is selected in one of the tables."""
        self._picked[table] = keys[:_MOST]
        self._show()

    def _names(self) -> list[Name]:
        return [parted(key) for keys in self._picked.values() for key in keys]

    def _allowed(self, kind: str) -> list[Name]:
        runs = self._desk.board.runs
        return [
            name
            for name in self._names()
            if name in runs and kind in ALLOWED.get(runs[name].state, ()) and not runs[name].is_cancelled
        ]

    def _show(self) -> None:
        names = self._names()
        self._bar.set_visibility(bool(names))
        set_text(self._words, f"{len(names)} selected")
        with_runs = [name for name in names if name[1]]
        self._compare.set_visibility(2 <= len(with_runs) <= MOST_RUNS)
        known = self._desk.board.runs
        archived = [name for name in with_runs if name in known and known[name].state == "ARCHIVED"]
        self._export.set_visibility(bool(archived))
        listed = ",".join(f"{experiment_id}/{run}" for experiment_id, run in archived)
        self._export.props["href"] = f"/api/v1/archives?{urlencode({'runs': listed}, safe='/,')}"
        self._export.update()
        for kind, button in self._buttons.items():
            button.set_visibility(bool(self._allowed(kind)))

    def _go(self) -> None:
        runs = ",".join(f"{experiment_id}/{run}" for experiment_id, run in self._names() if run)
        ui.navigate.to(f"/compare?{urlencode({'runs': runs}, safe='/,')}")

    def _clear(self) -> None:
        for table in self._tables:
            table.unpick()

    def _confirm(self, kind: str) -> None:
        names = self._allowed(kind)
        if len(names) == 1:
            what = COMMANDS[kind]
        else:
            verb = COMMANDS[kind]["verb"].removesuffix(" the run")
            what = {**COMMANDS[kind], "title": f"{verb} {len(names)} runs?", "verb": f"{verb} {len(names)} runs"}
        runs = self._desk.board.runs
        listed = [f"{runs[name].name} ({name[0]})" for name in names[:_LISTED]]
        if len(names) > _LISTED:
            listed.append(f"and {len(names) - _LISTED} more")
        self._ask.open({"type": kind, **what, "names": listed})

    async def _confirmed(self, given: dict[str, str]) -> None:
        """Send the command to each run that it is allowed for, and say which were not accepted."""
        kind = KINDS.get(str(given.get("type")))
        if kind is None or not self._who.may_command:
            return
        actor = self._who.actor(str(given.get("actor") or "")[:100] or "console")
        why = {"actor": actor, "reason": str(given.get("reason") or "")[:500] or None}
        names = self._allowed(str(given["type"]))
        answers = await asyncio.gather(*(self._send(kind, name, why) for name in names))
        refused = [f"{name[0]}: {answer}" for name, answer in zip(names, answers, strict=True) if answer]
        if refused:
            self._ask.fail(f"{len(names) - len(refused)} of {len(names)} accepted. {'; '.join(refused[:_LISTED])}")
            return
        self._ask.close()
        self._clear()

    async def _send(self, kind: type[Any], name: Name, why: dict[str, Any]) -> str:
        """Return why the command was not accepted, empty if it was."""
        command = msgspec.convert({"id": new_id(), "experiment_id": name[0], **why}, kind)
        try:
            reply = await self._desk.orders.send(command)
        except (KafkaAwayError, NoReplyError) as error:
            return str(error)
        return reply.message if reply.status == "rejected" else ""
