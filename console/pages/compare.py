"""Compare: the walks of several runs on one chart, by n or by share of the plan; the first is the baseline."""

from typing import Any, Final
from urllib.parse import urlencode

from fastapi import Request
from nicegui import ui

from console import comparison, numbers
from console.board import News
from console.components import DataTable, Plot
from console.desk import Desk
from console.model import ReadModelAwayError
from console.pages.shell import follow, set_text, shell, tag

_COLUMNS: Final = [
    {"name": "Run"},
    {"name": "State"},
    {"name": "Hypotheses"},
    {"name": "n", "align": "right", "title": "observations, and their share of the planned mean"},
    {"name": "LLR", "align": "right"},
    {"name": "LLR at the same n", "align": "right", "title": "at the largest n that all of them have reached"},
    {"name": "Tags", "align": "right"},
]
_CHOICES: Final = {
    "x": ("Against", {"n": "n", "share": "share of the plan"}),
    "y": ("Height", {"way": "share of the way", "llr": "LLR in nats"}),
}


class ComparePage:
    """One open comparison."""

    def __init__(self, desk: Desk, request: Request) -> None:
        self._desk = desk
        query = request.query_params
        self._names = comparison.named(query.get("runs", ""))
        self._chosen = {
            key: query.get(key, "") if query.get(key, "") in options else next(iter(options))
            for key, (_, options) in _CHOICES.items()
        }

    async def build(self) -> None:
        """Build the page."""
        ui.page_title("Compare · waldstream")
        with tag("div", "title-row"), tag("div", "text"):
            with tag("nav", "crumbs", aria_label="Where you are"):
                tag("a", text="Overview", href="/")
                tag("span", text=" / compare")
            tag("h1", "title", "Compare runs")
            self._subtitle = tag("p", "subtitle")
        if not self._names:
            with tag("div", "card empty"):
                tag("h2", text="Nothing to compare")
                tag("p", text="Select two or more runs on the overview and press Compare.")
                tag("a", "button", "To the overview", href="/")
            return
        with tag("section", "card", aria_label="Walks"):
            with tag("div", "head"):
                tag("h2", text="Walks")
                tag("div", "grow")
                self._choices()
                for kind in ("SVG", "PNG"):
                    tag("button", "button small", kind, type="button", aria_label=f"Save as {kind}").on(
                        "click", lambda _, kind=kind: self._save(kind)
                    )
            with tag("div", "body"):
                self._plot = Plot(self._spec({}), "Walks of the runs").classes("tall")
            self._legend = tag("div", "legend")
        with tag("section", "card section", aria_label="Figures"):
            self._table = DataTable(_COLUMNS, "Compared runs")
        await self._show(News(all=True))
        follow(self._desk.board, None, self._show, interval=0.5)

    def _choices(self) -> None:
        self._buttons: dict[tuple[str, str], Any] = {}
        for key, (label, options) in _CHOICES.items():
            with tag("div", "segments", role="group", aria_label=label):
                for value, text in options.items():
                    button = tag("button", text=text, type="button")
                    button.on("click", lambda _, key=key, value=value: self._choose(key, value))
                    self._buttons[key, value] = button
        self._press()

    def _save(self, kind: str) -> None:
        self._plot.save(f"comparison.{kind.lower()}")

    def _press(self) -> None:
        for (key, value), button in self._buttons.items():
            button.props["aria-pressed"] = "true" if self._chosen[key] == value else "false"
            button.update()

    async def _choose(self, key: str, value: str) -> None:
        self._chosen[key] = value
        self._press()
        runs = ",".join(f"{experiment_id}/{run}" for experiment_id, run in self._names)
        ui.navigate.history.replace(f"/compare?{urlencode({'runs': runs, **self._chosen}, safe='/,')}")
        await self._show(News(all=True))

    async def _show(self, news: News) -> None:
        if not news.all and not news.names & set(self._names):
            return
        known = self._desk.board.runs
        runs = [known[name] for name in self._names if name in known and not known[name].is_blinded]
        try:
            walks = await self._desk.model.walks([(run.experiment_id, run.run) for run in runs])
        except ReadModelAwayError:
            return  # the banner says so; what is shown stays
        spec = self._spec(walks)
        self._plot.show(spec, f"Walks of {len(runs)} runs against {comparison.AXES[self._chosen['x']]}")
        self._table.show(comparison.rows(runs, walks))
        missing = len(self._names) - len(runs)
        at = numbers.count(comparison.common_n(walks))
        text = f"{len(runs)} runs; all of them have reached n = {at}. Only there may their evidence be compared."
        set_text(
            self._subtitle, text + (f" {missing} of those asked for are not known, or blinded." if missing else "")
        )
        self._show_legend(spec["lines"])

    def _spec(self, walks: Any) -> dict[str, Any]:
        known = self._desk.board.runs
        runs = [known[name] for name in self._names if name in known and not known[name].is_blinded]
        return comparison.chart(runs, walks, self._chosen["x"], self._chosen["y"])

    def _show_legend(self, lines: list[dict[str, Any]]) -> None:
        shown = [(line["name"], line["tone"], line["dash"]) for line in lines]
        if shown == getattr(self, "_legend_shown", None):
            return
        self._legend_shown = shown
        self._legend.clear()
        with self._legend:
            for name, tone, dash in shown:
                with tag("span"):
                    style = f"border-top-color: var(--{tone}); border-top-style: {dash}"
                    tag("i", style=style, aria_hidden="true")
                    tag("span", text=name)


async def build(desk: Desk, request: Request) -> None:
    """Build the comparison page."""
    with shell(desk, ""):
        await ComparePage(desk, request).build()
