"""One experiment: verdict in words, the walk between its boundaries, numbers with their meaning, history, commands."""

import asyncio

import msgspec
from fastapi import Request
from nicegui import ui

from console import wording
from console.board import News
from console.components import Ask
from console.desk import Desk
from console.documents import LivePoint, RunDocument
from console.downloads import folder
from console.envelope import envelope
from console.model import ReadModelAwayError
from console.orders import KafkaAwayError, NoReplyError, new_id
from console.pages import parts
from console.pages.charts import SideCharts, WalkCard, newest
from console.pages.commands import ALLOWED, COMMANDS, KINDS, SAID
from console.pages.figures import Figures, rate
from console.pages.health import HealthCard
from console.pages.outlook import OutlookCard
from console.pages.shell import follow, set_classes, set_text, shell, tag
from console.rows import address
from console.security import Visitor, visitor
from console.walk import Points
from schemas import events


class ExperimentPage:
    """One open page of one run."""

    def __init__(self, desk: Desk, who: Visitor, run: RunDocument, runs: list[RunDocument], walk: Points) -> None:
        self._desk = desk
        self._who = who
        self._run = run
        self._runs = runs
        self._walk = walk
        self._defined: events.Defined | None = None
        self._buttons: tuple[str, ...] | None = None

    async def build(self) -> None:
        """Build the page."""
        run = self._run
        ui.page_title(f"{run.name} · waldstream")
        self._defined = await self._desk.model.definition(run.experiment_id, run.definition_revision)
        self._ask = Ask(self._confirmed)
        self._header()
        with tag("section", "card verdict", aria_label="Verdict") as self._verdict:
            self._verdict_glyph = tag("div", "glyph", aria_hidden="true")
            with tag("div"):
                self._verdict_words = tag("p", "words")
                self._verdict_note = tag("p", "note")
        with tag("div", "columns fill"):
            with tag("div", "stack"):
                self._waiting = tag("section", "card", aria_label="First observation")
                with self._waiting:
                    parts.waiting_for_observations(run, self._desk.config)
                self._blind = tag("section", "card empty", aria_label="Blinded")
                with self._blind:
                    tag("h2", text="Blinded until the decision")
                    tag(
                        "p",
                        text="Progress and health are shown, but neither the sign nor the size of the evidence. "
                        "Unblinding is a command with a reason, and stays in the history.",
                    )
                self._walk_card = WalkCard(run, self._seen(), await asyncio.to_thread(envelope, run))
            with tag("div", "stack top"):
                with tag("section", "card", aria_label="Numbers"):
                    with tag("div", "head"):
                        tag("h2", text="Numbers")
                    with tag("div", "figures"):
                        self._figures = Figures(run)
                self._outlook = OutlookCard(self._desk)
        self._charts = SideCharts(run)
        with tag("div", "thirds"):
            with tag("section", "card", aria_label="History"):
                with tag("div", "head"):
                    tag("h2", text="History")
                    tag("span", "note", "what happened, by whom and why")
                self._history = tag("div", "body")
            with tag("section", "card", aria_label="Design"):
                with tag("div", "head"):
                    tag("h2", text="Design")
                    tag("span", "note", "fixed before the first observation")
                with tag("div", "body"):
                    parts.design(run, self._defined)
            self._health = HealthCard()
            with tag("section", "card", aria_label="Archive") as self._archive_card:
                with tag("div", "head"):
                    tag("h2", text="Archive")
                self._archive = tag("div", "body")
        await self._show(News(all=True))
        follow(self._desk.board, run.experiment_id, self._changed)

    def _header(self) -> None:
        run = self._run
        with tag("div", "title-row"):
            with tag("div", "text"):
                with tag("nav", "crumbs", aria_label="Where you are"):
                    tag("a", text="Overview", href="/")
                    tag("span", text=" / ")
                    tag("span", "mono", run.experiment_id)
                tag("h1", "title", run.name)
                with tag("div", "state-line", role="status"):
                    with tag("span", "chip") as self._chip:
                        self._chip_glyph = tag("span", "glyph", aria_hidden="true")
                        self._chip_text = tag("span")
                    self._headline = tag("span", "words")
                with tag("div", "meta"):
                    if run.owner:
                        tag("span", text=f"Owner {run.owner}")
                    for name in run.tags:
                        tag("span", "tag", name)
                    if run.run:
                        parts.run_choice(run, self._runs)
            with tag("div", "actions"):
                tag("a", "button", "Clone", href=f"/new?clone={run.experiment_id}")
                self._actions = tag("div", "actions")

    async def _changed(self, news: News) -> None:
        """Fetch what changed, if it concerns this run, and show it."""
        name = (self._run.experiment_id, self._run.run)
        model = self._desk.model
        try:
            if news.all or name in news.names or news.timelines:
                if self._run.run == 0 and self._desk.board.latest(self._run.experiment_id) not in (None, self._run):
                    latest = self._desk.board.latest(self._run.experiment_id)
                    if latest is not None and latest.run:
                        ui.navigate.to(address(latest))
                        return
                self._run = await model.run(*name) or self._run
            if news.all or name in news.names:
                walk = await model.seen_walk(self._run)
                if len(walk) or not len(self._walk):
                    self._walk = walk
            await self._show(news)
        except ReadModelAwayError:
            return  # the banner says so; what is shown stays, and the board wakes this page when Redis is back

    async def _show(self, news: News) -> None:
        run, point = self._run, self._point()
        sign = wording.state(run)
        set_classes(self._chip, f"chip {sign.tone}")
        set_text(self._chip_glyph, sign.glyph)
        set_text(self._chip_text, sign.text)
        set_text(self._headline, wording.headline(run, point))
        self._show_verdict(sign)
        self._show_buttons()
        self._waiting.set_visibility(not len(self._walk) and run.outcome is None)
        is_blind = run.is_blinded
        self._blind.set_visibility(is_blind)
        self._walk_card.card.set_visibility(not is_blind)
        if not is_blind:
            self._walk_card.show(run, self._walk)
            certificate = self._defined.certificate if self._defined is not None else {}
            self._charts.show(run, self._walk, certificate)
            self._outlook.show(run, point, rate(self._walk))
        decision = None
        if run.outcome is not None:
            decision = await self._desk.model.decision(run.experiment_id, run.run)
        self._figures.show(run, point, self._walk, decision)
        self._health.show(run, decision)
        if news.all or news.timelines:
            await self._show_history()
        self._show_archive()

    def _show_verdict(self, sign: wording.Sign) -> None:
        run = self._run
        self._verdict.set_visibility(run.outcome is not None or run.state in SAID)
        if run.outcome is not None:
            words, note = wording.verdict(run)
            if run.comment:
                note = f"Reason given: {run.comment}. {note}"
            elif run.failure:
                note = f"{run.failure}. {note}"
            if run.disputed:
                note = f"Disputed: the archive's replay reached another decision. {note}"
        else:
            words, note = SAID.get(run.state, ("", ""))
        set_classes(self._verdict, f"card verdict {'bad' if run.disputed else sign.tone}")
        set_text(self._verdict_glyph, sign.glyph)
        set_text(self._verdict_words, words)
        set_text(self._verdict_note, note)

    def _show_buttons(self) -> None:
        latest = self._desk.board.latest(self._run.experiment_id)
        is_newest = latest is None or latest.run <= self._run.run
        allowed = ALLOWED.get(self._run.state, ()) if is_newest and not self._run.is_cancelled else ()
        if self._run.is_blinded and self._run.state in ("RUNNING", "PAUSED", "HELD"):
            allowed = (*allowed, "unblind")
        if not self._who.may_command:
            allowed = ()
        if allowed == self._buttons:
            return
        self._buttons = allowed
        self._actions.clear()
        with self._actions:
            for kind in allowed:
                again = kind == "start" and self._run.run
                text = "Run again" if again else COMMANDS[kind]["verb"].removesuffix(" the run")
                style = "button primary" if kind in ("start", "resume", "release") else "button"
                button = tag("button", f"{style} danger" if kind in ("stop", "cancel") else style, text, type="button")
                button.on("click", lambda _, kind=kind: self._ask.open({"type": kind, **COMMANDS[kind]}))

    async def _show_history(self) -> None:
        entries = await self._desk.model.timeline(self._run.experiment_id)
        self._history.clear()
        with self._history:
            parts.history(entries, self._run)

    def _show_archive(self) -> None:
        run = self._run
        found = folder(self._desk.config.archives, run.experiment_id, run.run)
        self._archive_card.set_visibility(run.outcome is not None)
        shown = run.state == "ARCHIVED" and found is not None
        if run.outcome is None or getattr(self, "_archive_shown", None) == (shown, run.state):
            return
        self._archive_shown = (shown, run.state)
        self._archive.clear()
        with self._archive:
            parts.archive(run, found if shown else None)

    async def _confirmed(self, given: dict[str, str]) -> None:
        """Send the command that was confirmed, and show the worker's answer."""
        kind = KINDS.get(str(given.get("type")))
        if kind is None or not self._who.may_command:
            return
        command = msgspec.convert(
            {
                "id": new_id(),
                "experiment_id": self._run.experiment_id,
                "actor": self._who.actor(str(given.get("actor") or "")[:100] or "console"),
                "reason": str(given.get("reason") or "")[:500] or None,
            },
            kind,
        )
        try:
            reply = await self._desk.orders.send(command)
        except (KafkaAwayError, NoReplyError) as error:
            self._ask.fail(str(error))
            return
        if reply.status == "rejected":
            self._ask.fail(reply.message)
            return
        self._ask.close()

    def _point(self) -> LivePoint | None:
        return newest(self._run, self._walk)

    def _seen(self) -> Points:
        """Return the walk as far as it may leave the server."""
        return self._walk[:0] if self._run.is_blinded else self._walk


async def build(desk: Desk, request: Request, experiment_id: str, number: int | None) -> None:
    """Build the page of a run, of the newest one if `number` is None."""
    with shell(desk, "") as _:
        try:
            runs = await desk.model.runs_of(experiment_id)
            run = next((it for it in runs if number in (None, it.run)), None)
            walk = await desk.model.seen_walk(run) if run is not None else None
        except ReadModelAwayError:
            parts.unavailable()
            _reload_when_back(desk)
            return
        if run is None or walk is None:
            parts.not_found(experiment_id, number)
            _reload_when_known(desk, experiment_id, number)
            return
        await ExperimentPage(desk, visitor(request), run, runs, walk).build()


def _reload_when_back(desk: Desk) -> None:
    def reload(_: News) -> None:
        if desk.board.health.is_redis_up:
            ui.navigate.reload()

    follow(desk.board, None, reload)


def _reload_when_known(desk: Desk, experiment_id: str, number: int | None) -> None:
    def reload(_: News) -> None:
        latest = desk.board.latest(experiment_id)
        if latest is not None and (number is None or latest.run >= number):
            ui.navigate.reload()

    follow(desk.board, experiment_id, reload)
