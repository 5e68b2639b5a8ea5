"""Programme: all runs together. How often tests err, what an online procedure lets stand, how long they took."""

import asyncio
from typing import Any

from fastapi import Request
from nicegui import ui

from console import numbers, programme, wording
from console.board import News
from console.components import DataTable, FilterBar, Plot
from console.desk import Desk
from console.documents import RunDocument
from console.listing import Filter
from console.pages.shell import follow, set_text, shell, tag
from console.rows import address

_SHOWN = 25
_LEDGER = [
    {"name": "Experiment"},
    {"name": "Decided", "title": "in this order the runs came"},
    {"name": "Outcome"},
    {"name": "n", "align": "right"},
    {
        "name": "n / planned",
        "align": "right",
        "title": "n over the mean planned under the hypothesis that was accepted",
    },
    {"name": "p", "align": "right", "title": "always-valid p"},
    {"name": "Level", "align": "right", "title": "level at which LORD++ tests this run"},
    {"name": "Stands", "title": "p is at or below its level"},
]
_TRIED = [
    {"name": "Experiment"},
    {"name": "Runs", "align": "right"},
    {"name": "Retries", "align": "right"},
    {"name": "H1 / H0 / open", "align": "right"},
    {"name": "Smallest p", "align": "right"},
    {"name": "α, summed", "align": "right", "title": "an upper bound on the chance of any false H1 in these runs"},
]


class ProgrammePage:
    """One open programme page."""

    def __init__(self, desk: Desk, request: Request) -> None:
        self._desk = desk
        self._filter = Filter.from_query({"q": request.query_params.get("q", "")})
        self._last: list[RunDocument] | None = None

    async def build(self) -> None:
        """Build the page."""
        ui.page_title("Programme · waldstream")
        with tag("div", "title-row"), tag("div", "text"):
            tag("h1", "title", "Programme")
            tag("p", "subtitle", "Every run counts: each one, each retry and each recurrence is another test.")
        self._tiles()
        FilterBar({"q": self._filter.q}, states=[], outcomes=[], sorts=[], on_change=self._narrowed)
        with tag("div", "halves section"):
            with tag("section", "card", aria_label="Length"):
                with tag("div", "head"):
                    tag("h2", text="How long against the plan")
                    tag("span", "note", "n over its planned mean; about 1 on average if a hypothesis was true")
                with tag("div", "body"):
                    self._plot = Plot(_bars([0] * (programme.BARS + 1)), "No run has been decided yet")
            with tag("section", "card", aria_label="Calibration"):
                with tag("div", "head"):
                    tag("h2", text="Errors where the truth is known")
                    tag("span", "note", "runs whose own source makes a hypothesis true")
                self._calibration = tag("div", "figures")
        with tag("section", "section", aria_label="Ledger"):
            with tag("div", "head"):
                tag("h2", text="Error ledger")
                level = numbers.percent(programme.LEDGER_LEVEL)
                tag(
                    "span",
                    "note",
                    f"LORD++ at a false discovery rate of {level}: what stands although so many tests were made",
                )
            with tag("div", "card"):
                self._ledger = DataTable(_LEDGER, "Error ledger")
                self._more = tag("p", "note pad")
        with tag("section", "section", aria_label="Tried"):
            with tag("div", "head"):
                tag("h2", text="How often each was tried")
            with tag("div", "card"):
                self._tried = DataTable(_TRIED, "Runs by experiment")
                self._more_tried = tag("p", "note pad")
        await self._show(News(all=True))
        follow(self._desk.board, None, self._show, interval=2.0)

    def _tiles(self) -> None:
        self._tile = {}
        with tag("section", "tiles", aria_label="In figures"):
            for key, label in (
                ("ended", "Decided runs"),
                ("stands", "H1 that stands in the ledger"),
                ("length", "Mean of n / planned"),
                ("saved", "Saved against the limit"),
            ):
                with tag("div", "card tile"):
                    tag("div", "label", label)
                    self._tile[key] = (tag("div", "value"), tag("div", "note"))

    async def _narrowed(self, given: dict[str, str]) -> None:
        self._filter = Filter.from_query({"q": given.get("q", "")})
        await self._show(News(all=True))

    async def _show(self, news: News) -> None:
        if not (news.all or news.documents):
            return
        runs = [run for run in self._desk.board.runs.values() if self._filter.admits(run)]
        ended = programme.decided(runs)
        if ended == self._last and runs:
            return
        self._last = ended
        entries = await asyncio.to_thread(programme.ledger, ended)  # quadratic in the discoveries
        tally, mean = programme.histogram(ended)
        self._fill_tiles(ended, entries, mean)
        label = (
            "No run has been decided yet" if mean is None else f"Histogram of n over its planned mean; mean {mean:.2f}"
        )
        self._plot.show(_bars(tally), label)
        self._ledger.show([_entry(entry) for entry in reversed(entries[-_SHOWN:])])
        left = len(entries) - _SHOWN
        set_text(self._more, f"and {numbers.count(left)} earlier ones" if left > 0 else "")
        self._more.set_visibility(left > 0 or not entries)
        if not entries:
            set_text(self._more, "No run has been decided yet.")
        lines = programme.tried(runs)
        self._tried.show([_line(line) for line in lines[:_SHOWN]])
        set_text(self._more_tried, f"and {numbers.count(len(lines) - _SHOWN)} others, tried less often or as often")
        self._more_tried.set_visibility(len(lines) > _SHOWN)
        self._show_calibration(programme.calibration(ended))

    def _fill_tiles(self, ended: list[RunDocument], entries: list[programme.Entry], mean: float | None) -> None:
        ends = [sum(run.outcome == name for run in ended) for name in ("accept_h1", "accept_h0", "inconclusive")]
        stands = sum(entry.stands and entry.run.outcome == "accept_h1" for entry in entries)
        share = programme.saved(ended)
        shown = {
            "ended": (numbers.count(len(ended)), f"{ends[0]} H1 · {ends[1]} H0 · {ends[2]} inconclusive"),
            "stands": (
                f"{numbers.count(stands)} of {numbers.count(ends[0])}",
                "accepted H1 with p at or below its level",
            ),
            "length": ("–" if mean is None else numbers.plain(mean, 3), "1 is what was planned"),
            "saved": ("–" if share is None else numbers.percent(share), "observations, median of runs with a verdict"),
        }
        for key, (value, note) in shown.items():
            set_text(self._tile[key][0], value)
            set_text(self._tile[key][1], note)

    def _show_calibration(self, found: list[programme.Calibration]) -> None:
        self._calibration.clear()
        with self._calibration:
            for each in found:
                which, other, rate = ("H0", "H1", "α") if each.truth == "h0" else ("H1", "H0", "β")
                low, high = each.interval
                with tag("div", "figure"):
                    with tag("div", "row"):
                        tag("span", "label", f"{other} accepted although {which} is true")
                        tag("span", "value", f"{each.wrong} of {numbers.count(each.runs)}")
                    tag(
                        "div",
                        "note",
                        f"nominal {rate} {numbers.percent(each.nominal)}; observed "
                        f"{numbers.percent(each.wrong / each.runs)} "
                        f"(95 % interval {numbers.percent(low)} to {numbers.percent(high)})",
                    )
            if not found:
                tag(
                    "p",
                    "note pad",
                    "None yet. A run of the source entropy or simulate whose parameter is H0 or H1 tests the whole "
                    "way from source to verdict.",
                )


def _bars(tally: list[int]) -> dict[str, Any]:
    points = [[(place + 0.5) * programme.BAR, count] for place, count in enumerate(tally)]
    end = (programme.BARS + 1) * programme.BAR
    return {
        "x": {
            "name": f"n / planned mean (the last bar holds all from {programme.BARS * programme.BAR:g} on)",
            "min": 0,
            "max": end,
            "short": "about",
        },
        "y": {"name": "runs", "min": 0, "format": "whole"},
        "bars": [{"name": "runs", "tone": "accent", "points": points, "width": "70%"}],
        "walls": [{"x": 1, "text": "planned", "tone": "ink-3"}],
    }


def _entry(entry: programme.Entry) -> dict[str, Any]:
    run, sign = entry.run, wording.state(entry.run)
    ratio = programme.relative_length(run)
    return {
        "key": f"{run.experiment_id}/{run.run}",
        "cells": [
            {"text": run.name, "href": address(run), "sub": f"{run.experiment_id} · run {run.run}"},
            {"text": numbers.moment(run.decided_at).removesuffix(" UTC") if run.decided_at else ""},
            {"text": sign.text, "glyph": sign.glyph, "tone": sign.tone},
            {"text": numbers.count(run.n or 0)},
            {"text": "–" if ratio is None else numbers.plain(ratio, 3)},
            {"text": "–" if run.p_value is None else numbers.probability(run.p_value)},
            {"text": numbers.probability(entry.level)},
            {"text": "stands", "glyph": "✓", "tone": "live"} if entry.stands else {"text": "no"},
        ],
    }


def _line(line: programme.Tried) -> dict[str, Any]:
    run = line.newest
    return {
        "key": run.experiment_id,
        "cells": [
            {"text": run.name, "href": f"/experiments/{run.experiment_id}", "sub": run.experiment_id},
            {"text": numbers.count(line.runs)},
            {"text": numbers.count(line.retries)},
            {"text": " / ".join(str(number) for number in line.ends.values())},
            {"text": "–" if line.smallest_p is None else numbers.probability(line.smallest_p)},
            {"text": numbers.plain(line.spent, 3) if line.spent < 1 else "1 or more"},
        ],
    }


async def build(desk: Desk, request: Request) -> None:
    """Build the programme page."""
    with shell(desk, "/programme"):
        await ProgrammePage(desk, request).build()
