"""Tells an archived run again in the terminal: the walk grows between its lines until it decides."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from rich.live import Live

from exporter.numbers import effective_upper, shown
from exporter.replay import Replay, Stretch
from waldstream.drawing import Canvas
from waldstream.terminal import out

_FRAMES_PER_SECOND: Final = 20
_HEIGHT: Final = 20
_WIDTH: Final = 100


class Told(msgspec.Struct, frozen=True):
    """Whether the replay came to the archived decision, and where it did not."""

    ok: bool
    n: int
    llr: float | None
    outcome: str | None
    reason: str | None
    differences: tuple[str, ...]
    summary: str


def retell(folder: Path, seconds: float, *, show: bool) -> Told:
    """Return what the replay of an archive comes to; `show` draws the walk, in about `seconds` in a terminal.

    Raises
    ------
    ReplayError
        If the archive cannot be read.
    """
    replay = Replay(folder)
    if show:
        _draw(replay, seconds if out.is_terminal else 0.0)
    else:
        for _ in replay.stretches():
            pass
    decision, differences = replay.decision(), replay.differences()
    archived = replay.archive
    return Told(
        not differences,
        0 if decision is None else decision.n,
        None if decision is None else decision.llr,
        None if decision is None else decision.outcome,
        None if decision is None else str(decision.reason),
        differences,
        f"{archived.experiment_id} run {archived.run}: {replay.verdict} The same decision at the same observation.",
    )


def _draw(replay: Replay, seconds: float) -> None:
    canvas = _canvas(replay)
    total = max(1, replay.archive.decision.n)
    step = max(1, int(total / max(1.0, seconds * _FRAMES_PER_SECOND)))
    words = f"{replay.archive.experiment_id}, run {replay.archive.run}"
    with Live(canvas.picture(words), console=out, auto_refresh=False, transient=False) as live:
        for piece in _pieces(replay, step):
            canvas.add(piece.n, piece.llr)
            if seconds:
                at = f"n = {int(piece.n[-1])}, log-likelihood ratio {shown(float(piece.llr[-1]))} nats"
                live.update(canvas.picture(f"{words}: {at}"), refresh=True)
                time.sleep(1 / _FRAMES_PER_SECOND)
        live.update(canvas.picture(words), refresh=True)


def _pieces(replay: Replay, step: int) -> Iterator[Stretch]:
    """Yield the walk in pieces of at most `step` points: one for each frame."""
    for stretch in replay.stretches():
        for begin in range(0, len(stretch.n), step):
            yield Stretch(stretch.n[begin : begin + step], stretch.llr[begin : begin + step])


def _canvas(replay: Replay) -> Canvas:
    """Return the plot's frame: both lines in sight, and what the archived walk reaches."""
    decision = replay.archive.decision
    lower, upper = decision.lower, effective_upper(replay.archive)
    known = [0.0, decision.llr, *(line for line in (lower, upper) if line is not None)]
    for chunk in replay.archive.observations.chunks(("llr",)):
        llr = chunk["llr"].drop_null().to_numpy()
        known += [float(llr.min()), float(llr.max())] if len(llr) else []
    low, high = min(known), max(known)
    pad = 0.05 * (high - low or 1.0)
    lines = [(0.0, "0")]
    lines += [(lower, f"{lower:.2f}")] if lower is not None else []
    lines += [(upper, f"{upper:.2f}")] if upper is not None else []
    width = min(_WIDTH, out.width)
    return Canvas((width, _HEIGHT), decision.n, (low - pad, high + pad), lines)
