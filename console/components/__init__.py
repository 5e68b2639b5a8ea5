"""The parts of pages that run in the browser: a Vue component each, and the class that feeds it.

They take plain values as props and later only what changed, by a method; text stays text.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import nicegui.elements.echart  # noqa: F401  registers the ECharts module that the chart imports
from nicegui.element import Element
from nicegui.events import GenericEventArguments

__all__ = ["Ask", "DataTable", "FilterBar", "FormField", "Plot", "RunTable", "ThemeToggle", "WalkChart"]

Pairs = list[tuple[str, str]]


class ThemeToggle(Element, component="theme_toggle.js"):
    """A button that goes round light, dark and the system's choice."""


class DataTable(Element, component="data_table.js"):
    """A table of plain cells; `show` sends the rows again if any differs.

    Parameters
    ----------
    columns
        Name and, where wanted, `align` (`right`) and `title` of each.
    label
        What the table is, for those who do not see it.
    """

    def __init__(self, columns: list[dict[str, str]], label: str) -> None:
        super().__init__()
        self._props["columns"] = columns
        self._props["rows"] = []
        self._props["label"] = label
        self._shown: list[dict[str, Any]] = []

    def show(self, rows: list[dict[str, Any]]) -> None:
        """Bring the rows up to date: each has a `key` and `cells` of `text`, `href`, `sub`, `glyph`, `tone`."""
        if rows != self._shown:
            self._shown = rows
            self.run_method("replace", rows)


class RunTable(Element, component="run_table.js"):
    """A list of runs, kept up to date row by row.

    Parameters
    ----------
    kind
        `active`, `ended` or `waiting`: which columns it has.
    rows
        What `console.rows` makes of runs.
    label
        What the list is, for those who do not see it.
    on_pick
        Called with the keys of the rows that are selected, whenever they change.
    """

    def __init__(
        self, kind: str, rows: list[dict[str, Any]], label: str, *, on_pick: Callable[[list[str]], None]
    ) -> None:
        super().__init__()
        self._props["kind"] = kind
        self._props["rows"] = rows
        self._props["label"] = label
        self._shown = {row["key"]: row for row in rows}
        self.on("pick", lambda event: on_pick([str(key) for key in event.args]))

    def unpick(self) -> None:
        """Select no row."""
        self.run_method("unpick")

    def show(self, rows: list[dict[str, Any]]) -> None:
        """Send what differs from what the browser has."""
        fresh = {row["key"]: row for row in rows}
        if list(fresh) != list(self._shown):
            self.run_method("replace", rows)
        elif changed := [row for key, row in fresh.items() if row != self._shown[key]]:
            self.run_method("patch", changed)
        self._shown = fresh


class FilterBar(Element, component="filter_bar.js"):
    """Search, state, outcome and order; calls back with the whole filter at every change."""

    def __init__(
        self,
        filter_: dict[str, str],
        *,
        states: Pairs,
        outcomes: Pairs,
        sorts: Pairs,
        on_change: Callable[[dict[str, str]], Awaitable[None]],
    ) -> None:
        super().__init__()
        self._props["filter"] = filter_
        self._props["states"] = states
        self._props["outcomes"] = outcomes
        self._props["sorts"] = sorts

        async def narrowed(event: GenericEventArguments) -> None:
            await on_change(event.args)

        self.on("narrow", narrowed)


class Plot(Element, component="plot.js", esm={"waldstream-charts": "charts"}):
    """A chart of lines, bands, bars and walls.

    Parameters
    ----------
    spec
        What is drawn, in data units: axes `x` and `y`, lists of `lines`, `bands`, `bars`, `walls`, `levels`, `points`.
    label
        The picture in words.
    """

    def __init__(self, spec: dict[str, Any], label: str) -> None:
        super().__init__()
        self._props["spec"] = spec
        self._props["label"] = label
        self._shown = (spec, label)

    def show(self, spec: dict[str, Any], label: str) -> None:
        """Draw something else, if it is something else."""
        if (spec, label) != self._shown:
            self._shown = (spec, label)
            self.run_method("show", spec, label)

    def save(self, name: str) -> None:
        """Let the browser save the picture; the name's ending says whether as SVG or PNG."""
        self.run_method("save", name)


class WalkChart(Element, component="walk_chart.js"):
    """A walk between its boundaries.

    Parameters
    ----------
    points
        Rows of n, LLR in nats, p value, time in microseconds.
    frame
        What is drawn around the walk, as `console.picture.frame` returns it.
    label
        The picture in words.
    """

    def __init__(self, points: list[list[float]], frame: dict[str, Any], label: str) -> None:
        super().__init__()
        self._props["points"] = points
        self._props["frame"] = frame
        self._props["label"] = label
        self._frame = frame

    def append(self, points: list[list[float]], label: str) -> None:
        """Add points at the end."""
        self.run_method("append", points)
        self.run_method("describe", label)

    def replace(self, points: list[list[float]], frame: dict[str, Any], label: str) -> None:
        """Draw another walk."""
        self._frame = frame
        self.run_method("replace", points, frame, label)

    def reframe(self, frame: dict[str, Any], label: str) -> None:
        """Draw other lines around the same walk, if they are others."""
        if frame != self._frame:
            self._frame = frame
            self.run_method("reframe", frame, label)

    def look(self, **view: Any) -> None:
        """Change how it is looked at: `whole` plan, `axis` `n` or `time`, `envelope` `h0`, `h1` or empty."""
        self.run_method("look", view)

    def magnify(self, *, closer: bool) -> None:
        """Come closer to the newest part, or show all again."""
        self.run_method("magnify", closer)

    def save(self, name: str) -> None:
        """Let the browser save the picture; the name's ending says whether as SVG or PNG."""
        self.run_method("save", name)


class Ask(Element, component="ask.js"):
    """The dialog before a command; `on_confirm` gets type, reason and actor."""

    def __init__(self, on_confirm: Callable[[dict[str, str]], Awaitable[None]]) -> None:
        super().__init__()

        async def confirmed(event: GenericEventArguments) -> None:
            await on_confirm(event.args)

        self.on("confirm", confirmed)

    def open(self, what: dict[str, Any]) -> None:
        """Ask about one command."""
        self.run_method("open", what)

    def close(self) -> None:
        """Close the dialog: the command was accepted."""
        self.run_method("close")

    def fail(self, message: str) -> None:
        """Say why the command was not accepted; the dialog stays."""
        self.run_method("fail", message)


class FormField(Element, component="form_field.js"):
    """One field of a form; `value` is what was last given."""

    def __init__(
        self,
        name: str,
        label: str,
        *,
        value: str = "",
        help_: str = "",
        kind: str = "line",
        options: Pairs | None = None,
        placeholder: str = "",
        on_change: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__()
        self.name = name
        self.value = value
        self.error = ""
        self._props["name"] = name
        self._props["label"] = label
        self._props["help"] = help_
        self._props["kind"] = kind
        self._props["options"] = options or []
        self._props["value"] = value
        self._props["placeholder"] = placeholder

        async def given(event: GenericEventArguments) -> None:
            if self.value != str(event.args):
                self.value = str(event.args)
                await on_change()

        self.on("given", given)

    def put(self, value: str) -> None:
        """Replace what is in the field."""
        self.value = value
        self.run_method("put", value)

    def complain(self, error: str) -> None:
        """Show what is wrong with the field, or that nothing is."""
        if error != self.error:
            self.error = error
            self.run_method("complain", error)

    def focus(self) -> None:
        """Take the reader there."""
        self.run_method("focus")
