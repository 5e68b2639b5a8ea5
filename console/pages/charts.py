"""The charts of a run's page: the walk, kept up to date point by point, and three beside it, drawn now and then."""

import asyncio
import time
from typing import Any, Final

from nicegui import Client, background_tasks, ui
from nicegui.element import Element

from console import inspection, numbers, wording
from console.components import Plot, WalkChart
from console.documents import LivePoint, RunDocument
from console.model import live_point
from console.pages import parts
from console.pages.shell import set_text, tag
from console.picture import frame
from console.walk import Points, thinned

_SHOWN_POINTS: Final = 1000
_SENT_AT_MOST: Final = 3000
#: The charts beside the walk are drawn again at most this often.
_PAUSE_SECONDS: Final = 1.5
_EMPTY: Final[dict[str, Any]] = {"x": {"name": ""}, "y": {"name": ""}}

Envelope = dict[str, list[list[float]]] | None


class WalkCard:
    """The card with the walk; only points that are new are sent."""

    def __init__(self, run: RunDocument, walk: Points, envelope: Envelope) -> None:
        points = thinned(walk, _SHOWN_POINTS)
        self._envelope = envelope
        self._name = f"{run.experiment_id}-{run.run}-walk"
        self._sent = len(points)
        self._sent_n = int(points["n"][-1]) if len(points) else 0
        with tag("section", "card grows", aria_label="The walk") as self.card:
            with tag("div", "head"):
                tag("h2", text="The walk")
                tag("span", "note", "only the last point decides; the way there is for diagnosis")
            with tag("div", "tools"):
                self._segments("Against", {"n": "n", "time": "time"}, "n", "axis")
                if envelope is not None:
                    self._segments("Planned walks", {"h0": "plan if H0", "h1": "if H1", "": "off"}, "h1", "envelope")
                self._whole = self._button("Whole plan", "", self._toggle_plan)
                self._whole.props["aria-pressed"] = "false"
                tag("div", "grow")
                self._button("+", "Zoom in", lambda: self._magnify(closer=True))
                self._button("All", "Show all", lambda: self._magnify(closer=False))
                for kind in ("SVG", "PNG"):
                    self._button(kind, f"Save the walk as {kind}", lambda kind=kind: self._save(kind))
            with tag("div", "body"):
                self._chart = WalkChart(_rows(points), frame(run, walk, envelope), description(run, walk))
            parts.legend(run, has_envelope=envelope is not None)

    def _button(self, text: str, label: str, action: Any) -> Element:
        button = tag("button", "button small", text, type="button")
        if label:
            button.props["aria-label"] = label
            button.props["title"] = label
        return button.on("click", lambda _: action())

    def _segments(self, label: str, options: dict[str, str], chosen: str, what: str) -> None:
        buttons: dict[str, Element] = {}

        def choose(value: str) -> None:
            self._chart.look(**{what: value})
            for each, button in buttons.items():
                button.props["aria-pressed"] = "true" if each == value else "false"
                button.update()

        with tag("div", "segments small", role="group", aria_label=label):
            for value, text in options.items():
                button = tag("button", text=text, type="button")
                button.props["aria-pressed"] = "true" if value == chosen else "false"
                buttons[value] = button.on("click", lambda _, value=value: choose(value))

    def _magnify(self, *, closer: bool) -> None:
        self._chart.magnify(closer=closer)

    def _save(self, kind: str) -> None:
        self._chart.save(f"{self._name}.{kind.lower()}")

    def _toggle_plan(self) -> None:
        pressed = self._whole.props["aria-pressed"] == "false"
        self._whole.props["aria-pressed"] = "true" if pressed else "false"
        set_text(self._whole, "Fit the walk" if pressed else "Whole plan")
        self._whole.update()
        self._chart.look(whole=pressed)

    def show(self, run: RunDocument, walk: Points) -> None:
        """Send what is new."""
        around, label = frame(run, walk, self._envelope), description(run, walk)
        fresh = walk[walk["n"] > self._sent_n]
        if len(fresh):
            self._sent_n = int(fresh["n"][-1])
            if self._sent + len(fresh) > _SENT_AT_MOST or len(fresh) > _SHOWN_POINTS:
                few = thinned(walk, _SHOWN_POINTS)
                self._sent = len(few)
                self._chart.replace(_rows(few), around, label)
                return
            self._sent += len(fresh)
            self._chart.append(_rows(fresh), label)
        self._chart.reframe(around, label)


class SideCharts:
    """The counts between slanted lines, the estimate in its confidence sequence, the planned law of n."""

    def __init__(self, run: RunDocument) -> None:
        self._name = f"{run.experiment_id}-{run.run}"
        self._shown_at = 0.0
        self._wanted: tuple[RunDocument, Points, dict[str, Any]] | None = None
        self._task: asyncio.Task[None] | None = None
        self._shown: tuple[int, str] | None = None
        self._plots: dict[str, tuple[Element, Plot, Element]] = {}
        with tag("div", "thirds"):
            for key, title, note in (
                ("counts", "Counts", "the same test, as acceptance sampling draws it"),
                ("estimate", "Estimate", "95 % confidence sequence: it holds at every n at once"),
                ("length", "How long", "planned chance of having ended by n"),
            ):
                with tag("section", "card", aria_label=title) as card:
                    with tag("div", "head"):
                        tag("h2", text=title)
                        tag("span", "note", note)
                        tag("div", "grow")
                        tag("button", "button small", "SVG", type="button", aria_label=f"Save {title} as SVG").on(
                            "click", lambda _, key=key: self._save(key)
                        )
                    with tag("div", "body"):
                        self._plots[key] = (card, Plot(_EMPTY, title), tag("p", "note"))
                card.set_visibility(False)

    def _save(self, key: str) -> None:
        self._plots[key][1].save(f"{self._name}-{key}.svg")

    def show(self, run: RunDocument, walk: Points, certificate: dict[str, Any]) -> None:
        """Have drawn again what changed, behind the rest of the page: intervals take a moment to compute."""
        self._wanted = (run, walk, certificate)
        if self._task is None or self._task.done():
            self._task = background_tasks.create(self._follow(ui.context.client), name="side charts")

    async def _follow(self, client: Client) -> None:
        """Draw what is wanted until nothing newer is."""
        while self._wanted is not None and not client.is_deleted:
            wanted, self._wanted = self._wanted, None
            with client:
                await self._draw(*wanted)

    async def _draw(self, run: RunDocument, walk: Points, certificate: dict[str, Any]) -> None:
        """Draw, unless it was done a moment ago."""
        n = run.n if run.n is not None else (int(walk["n"][-1]) if len(walk) else 0)
        now = time.monotonic()
        is_over = run.outcome is not None
        if (n, run.state) == self._shown or (not is_over and now - self._shown_at < _PAUSE_SECONDS):
            return
        self._shown, self._shown_at = (n, run.state), now
        drawn = {
            "counts": inspection.counts(run, walk),
            "estimate": await asyncio.to_thread(inspection.estimate, run, walk),
            "length": inspection.law(run, certificate, n),
        }
        for key, chart in drawn.items():
            card, plot, words = self._plots[key]
            card.set_visibility(chart is not None)
            if chart is not None:
                plot.show(*chart)
                set_text(words, chart[1])


def description(run: RunDocument, walk: Points) -> str:
    """Return the picture of the walk in words."""
    point = newest(run, walk)
    ends = [f"{numbers.signed(run.upper)} (accept H1)" if run.upper is not None else "no H1 line"]
    ends.append(f"{numbers.signed(run.lower)} (accept H0)" if run.lower is not None else "no H0 line")
    llr = run.llr if run.llr is not None else (point.llr if point is not None else 0.0)
    n = run.n if run.n is not None else (point.n if point is not None else 0)
    return (
        f"Walk of the log-likelihood ratio against n: {numbers.signed(llr)} nats after {numbers.count(n)} "
        f"observations, between {' and '.join(ends)}. {wording.state(run).text}."
    )


def newest(run: RunDocument, walk: Points) -> LivePoint | None:
    """Return the last point of the walk, None before the first."""
    return live_point(run.experiment_id, run.run, walk) if len(walk) else None


def _rows(points: Points) -> list[list[float]]:
    return [[n, llr, p_value, at] for n, llr, p_value, _, _, at in points.tolist()]
