"""The forecast of a live run: how it will end and when, worked out anew as the walk goes on."""

import asyncio
import math
import time
from datetime import UTC, datetime, timedelta
from typing import Final

from nicegui import background_tasks, ui

from console import numbers
from console.desk import Desk
from console.documents import LivePoint, RunDocument
from console.outlook import Outlook, forecast
from console.pages.shell import set_text, tag
from experiments.planning import Refusal

_EVERY_SECONDS: Final = 3.0


class OutlookCard:
    """The card of the forecast."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._asked_at = 0.0
        self._asked_n = -1
        self._task: asyncio.Task[None] | None = None
        with tag("section", "card", aria_label="Forecast") as self._card:
            with tag("div", "head"):
                tag("h2", text="How it may end")
                self._note = tag("span", "note", "from where the walk stands")
            self._body = tag("div", "figures")
        self._card.set_visibility(False)
        ui.context.client.on_delete(self._stop)

    def show(self, run: RunDocument, point: LivePoint | None, rate: float | None) -> None:
        """Ask for a new forecast if the walk has moved and the last answer is old enough."""
        if point is None or run.state not in ("RUNNING", "PAUSED"):
            self._card.set_visibility(False)
            return
        now = time.monotonic()
        is_busy = self._task is not None and not self._task.done()
        if is_busy or point.n == self._asked_n or now - self._asked_at < _EVERY_SECONDS:
            return
        self._asked_at, self._asked_n = now, point.n
        client = ui.context.client

        async def ask() -> None:
            found = await self._desk.solver.work(forecast, run, point)
            if not client.is_deleted:
                with client:
                    self._fill(found, point.n, rate)

        self._task = background_tasks.create(ask(), name="forecast")

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _fill(self, found: list[Outlook] | Refusal, n: int, rate: float | None) -> None:
        self._card.set_visibility(not isinstance(found, Refusal))
        if isinstance(found, Refusal):
            return
        set_text(self._note, f"from where the walk stands at n = {numbers.count(n)}")
        self._body.clear()
        with self._body:
            for each in found:
                with tag("div", "figure"):
                    with tag("div", "row"):
                        tag("span", "label", f"{each.name} ({numbers.plain(each.theta)})")
                        tag("span", "value", f"{numbers.count(each.more[1])} more")
                    ends = [("H1", each.accept_h1), ("H0", each.accept_h0), ("inconclusive", each.undecided)]
                    shares = " · ".join(f"{name} {_share(share)}" for name, share in ends if share >= 0.0005)
                    low, high = (numbers.count(each.more[place]) for place in (0, 2))
                    tag("div", "note", f"{shares}; 5 to 95 %: {low} to {high} more{_when(each.more[1], rate)}")


def _share(share: float) -> str:
    return f"{100 * share:.3g}\u202f%" if share < 0.9995 else "almost surely"


def _when(more: float, rate: float | None) -> str:
    """Return when half of such runs would have ended, at the rate of late."""
    if not rate or not math.isfinite(more / rate) or more / rate > 366 * 86_400:
        return ""
    left = timedelta(seconds=more / rate)
    at = datetime.now(UTC) + left
    return f"; about {at:%H:%M:%S} UTC" if left < timedelta(hours=12) else f"; about {at:%d %b %H:%M} UTC"
