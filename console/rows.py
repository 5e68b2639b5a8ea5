"""A run as a row of a list: everything is text and numbers by the time it leaves here."""

from typing import Any

from console import numbers, wording
from console.board import Board, Name
from console.documents import LivePoint, RunDocument


class Rows:
    """The rows of the board's runs, each made once for all the pages that show it."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._made: dict[Name, tuple[RunDocument, LivePoint | None, dict[str, Any]]] = {}

    def of(self, run: RunDocument) -> dict[str, Any]:
        """Return the run's row, the very same one until its document or its newest point is another."""
        name = (run.experiment_id, run.run)
        point, made = self._board.points.get(name), self._made.get(name)
        if made is None or made[0] is not run or made[1] is not point:
            made = self._made[name] = (run, point, row(self._board, run))
        return made[2]


def row(board: Board, run: RunDocument) -> dict[str, Any]:
    """Return what the browser's list shows of a run."""
    name = (run.experiment_id, run.run)
    point, sign = board.points.get(name), wording.state(run)
    n = run.n if run.n is not None else (point.n if point is not None else 0)
    llr = run.llr if run.llr is not None else (point.llr if point is not None else None)
    p_value = run.p_value if run.p_value is not None else (point.p_value if point is not None else None)
    if run.is_blinded:
        llr = p_value = None
    limit = run.stop.get("max_samples")
    about = [run.experiment_id, *([f"run {run.run}"] if run.run > 1 else []), *([run.owner] if run.owner else [])]
    shown: dict[str, Any] = {
        "key": f"{run.experiment_id}/{run.run}",
        "href": address(run),
        "title": run.name,
        "sub": " · ".join(about),
        "state": sign.text,
        "glyph": sign.glyph,
        "tone": sign.tone,
        "since": run.since.isoformat(),
        "lower": run.lower,
        "upper": run.upper,
        "llr": llr,
        "n": numbers.count(n),
        "limit": numbers.count(limit) if limit else "",
        "share": n / limit if limit else None,
        "p": numbers.probability(p_value) if p_value is not None else "–",
        "spark": [] if run.is_blinded else [list(pair) for pair in board.sparks.get(name, ())],
        "blind": run.is_blinded,
        "why": wording.REASON_LABELS.get(run.reason or "", ""),
        "detail": _detail(run),
        "design": f"{wording.hypothesis(run, 'h0')} against {wording.hypothesis(run, 'h1')}",
    }
    if run.state in ("DEFINED", "CANCELLED"):
        shown["why"] = wording.rates(run)
    if llr is not None:
        shown |= _position(run, llr)
    return shown


def address(run: RunDocument) -> str:
    """Return the address of the run's page."""
    return f"/experiments/{run.experiment_id}" + (f"/runs/{run.run}" if run.run else "")


def _detail(run: RunDocument) -> str:
    if run.comment:
        return run.comment
    if run.failure:
        return run.failure
    return f"{wording.hypothesis(run, 'h0')} against {wording.hypothesis(run, 'h1')}" if run.model else ""


def _position(run: RunDocument, llr: float) -> dict[str, str]:
    to_h0 = f"{numbers.signed(llr - run.lower).lstrip('+')} to H0" if run.lower is not None else "no H0 line"
    to_h1 = f"{numbers.signed(run.upper - llr).lstrip('+')} to H1" if run.upper is not None else "no H1 line"
    ends = [
        f"{numbers.signed(line)} ({name})" for line, name in ((run.lower, "H0"), (run.upper, "H1")) if line is not None
    ]
    label = f"log-likelihood ratio {numbers.signed(llr)} nats, boundaries {' and '.join(ends)}"
    return {"to_h0": to_h0, "to_h1": to_h1, "gauge_label": label, "walk_label": f"walk, now at {label}"}
