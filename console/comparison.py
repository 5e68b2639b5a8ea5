"""Several runs side by side on one chart: against n or against the share of what was planned, in nats or of the way.

Pure: documents and walks in, what a chart and a table show out.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from console import numbers, wording
from console.documents import RunDocument
from console.walk import Points, thinned

#: More lines than this cannot be told apart.
MOST_RUNS: Final = 8
AXES: Final = {"n": "observations n", "share": "n / planned mean"}
HEIGHTS: Final = {"way": "share of the way to the boundary", "llr": "log-likelihood ratio (nats)"}
_TONES: Final = ("ink", "h1", "h0", "live", "bad", "warn", "accent", "idle")
_DASHES: Final = ("solid", "dashed", "dotted")
_POINTS: Final = 300

Name = tuple[str, int]


def named(text: str) -> list[Name]:
    """Return the runs that `id/run,id/run` names, at most as many as can be shown; what is no name is left out."""
    found: dict[Name, None] = {}
    for part in text[:2000].split(","):
        experiment_id, _, run = part.strip().rpartition("/")
        if experiment_id and run.isdecimal() and len(run) < 10 and int(run) > 0:
            found[experiment_id, int(run)] = None
    return list(found)[:MOST_RUNS]


def planned(run: RunDocument) -> float | None:
    """Return the larger of the two planned means: the n that a run may be expected to need."""
    return max((mean for mean in (run.mean_n_h0, run.mean_n_h1) if mean is not None), default=None)


def chart(runs: Sequence[RunDocument], walks: Mapping[Name, Points], axis: str, height: str) -> dict[str, Any]:
    """Return the chart: a line per run, the first one heavier, each with its own colour, dash and mark."""
    lines = []
    for place, run in enumerate(runs):
        points = _line(run, walks.get((run.experiment_id, run.run)), axis, height)
        lines.append(
            {
                "name": _label(run),
                "tone": _TONES[place % len(_TONES)],
                "dash": _DASHES[place % len(_DASHES)],
                "width": 1.6 if place else 2.6,
                "points": points,
                "mark": True,
            }
        )
    levels = [{"y": 0, "text": "", "tone": "line-strong", "dash": "solid"}]
    if height == "way":
        levels += [{"y": 1, "text": "accept H1", "tone": "h1"}, {"y": -1, "text": "accept H0", "tone": "h0"}]
    walls = [{"x": 1, "text": "planned"}] if axis == "share" else []
    extent = {"min": -1.25, "max": 1.25} if height == "way" else {}
    return {
        "x": {"name": AXES[axis], "min": 0, "format": "whole" if axis == "n" else "plain", "zoom": True, "short": axis},
        "y": {"name": HEIGHTS[height], **extent},
        "lines": lines,
        "levels": levels,
        "walls": walls,
    }


def common_n(walks: Mapping[Name, Points]) -> int:
    """Return the largest n that every walk has reached: only there may their evidence be compared."""
    return min((int(walk["n"][-1]) for walk in walks.values() if len(walk)), default=0)


def rows(runs: Sequence[RunDocument], walks: Mapping[Name, Points]) -> list[dict[str, Any]]:
    """Return a row per run for the table below the chart."""
    n = common_n(walks)
    found = []
    for place, run in enumerate(runs):
        walk, sign = walks.get((run.experiment_id, run.run)), wording.state(run)
        at_n = _llr_at(walk, n)
        reached = run.n if run.n is not None else (int(walk["n"][-1]) if walk is not None and len(walk) else 0)
        llr = run.llr if run.llr is not None else (float(walk["llr"][-1]) if walk is not None and len(walk) else None)
        mean = planned(run)
        found.append(
            {
                "key": f"{run.experiment_id}/{run.run}",
                "cells": [
                    {
                        "text": _label(run),
                        "href": f"/experiments/{run.experiment_id}/runs/{run.run}",
                        "sub": "baseline" if not place else run.experiment_id,
                    },
                    {"text": sign.text, "glyph": sign.glyph, "tone": sign.tone},
                    {"text": f"{wording.hypothesis(run, 'h0')} against {wording.hypothesis(run, 'h1')}"},
                    {"text": numbers.count(reached), "sub": numbers.percent(reached / mean) if mean else ""},
                    {"text": "–" if llr is None else numbers.signed(llr)},
                    {"text": "–" if at_n is None else numbers.signed(at_n)},
                    {"text": ", ".join(run.tags) or "–", "sub": run.owner},
                ],
            }
        )
    return found


def _label(run: RunDocument) -> str:
    return run.name if run.run == 1 else f"{run.name}, run {run.run}"


def _line(run: RunDocument, walk: Points | None, axis: str, height: str) -> list[list[float]]:
    if walk is None or not len(walk):
        return []
    few = thinned(walk, _POINTS)
    n, llr = few["n"].astype(float), few["llr"].astype(float)
    if axis == "share":
        mean = planned(run)
        if not mean:
            return []
        n = n / mean
    if height == "way":
        up, down = run.upper or np.inf, -(run.lower or -np.inf)
        llr = np.where(llr >= 0, llr / up, llr / down)
    return [[0.0, 0.0], *np.column_stack((n, llr)).tolist()]


def _llr_at(walk: Points | None, n: int) -> float | None:
    """Return the walk's height at the last stored point up to n."""
    if walk is None or not len(walk) or not n:
        return None
    place = int(np.searchsorted(walk["n"], n, side="right")) - 1
    return float(walk["llr"][place]) if place >= 0 else None
