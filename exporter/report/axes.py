"""Axes of a figure: ranges, round tick marks, labels beside lines that do not overlap."""

import math
from collections.abc import Iterable
from typing import Any

from exporter.numbers import shown

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


def axis(label: str, low: float, high: float, *, about: int = 6, whole: bool = False) -> dict[str, Any]:
    """Return an axis from `low` to `high` with about so many ticks at round values; `whole` keeps them integers."""
    return {"label": label, "low": low, "high": high, "ticks": ticks(low, high, about=about, whole=whole)}


def ticks(low: float, high: float, *, about: int = 6, whole: bool = False) -> list[dict[str, Any]]:
    """Return tick marks at round values within the range."""
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = min(s for s in (step * power for step in _STEPS) if s >= raw * 0.999)
    if whole:
        step = max(1.0, round(step))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [{"at": k * step, "text": shown(float(f"{k * step:.10g}"))} for k in range(first, last + 1)]


def apart(labels: Iterable[tuple[float, str]], low: float, high: float, gap: float) -> list[dict[str, Any]]:
    """Return labels beside the values they name, moved so that they stand at least `gap` of the axis apart."""
    span, placed = high - low, list[dict[str, Any]]()
    for at, text in sorted(labels):
        place = (at - low) / span
        if placed:
            place = max(place, placed[-1]["place"] + gap)
        placed.append({"at": at, "place": place, "text": text})
    for index in range(len(placed) - 1, -1, -1):
        above = 1.0 if index == len(placed) - 1 else placed[index + 1]["place"] - gap
        placed[index]["place"] = min(placed[index]["place"], above)
    return placed
