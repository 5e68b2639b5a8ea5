"""Live progress bars of runs in the terminal: how near each is to its nearest rule, with n and the walk in its lines.

A sequential test has no known end, so a bar may go back: the walk does.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from console.documents import RunDocument
from schemas import events
from waldstream.following import Follower, nearness
from waldstream.terminal import err


def show_until(
    follower: Follower, ids: Iterable[str], ended: Callable[[], bool], after: Mapping[str, int] | None = None
) -> None:
    """Draw one bar for each experiment until `ended` says so; without a terminal, nothing is drawn.

    Parameters
    ----------
    after
        Run numbers by experiment; only later runs are shown.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[words]}"))
    with Progress(*columns, console=err, disable=not err.is_terminal) as progress:
        tasks: dict[str, TaskID] = {key: progress.add_task(key, total=1.0, words="waiting for a worker") for key in ids}
        while True:
            for key, task in tasks.items():
                run = follower.run(key)
                if run is not None and run.run > (after or {}).get(key, 0):
                    point = follower.points.get((key, run.run))
                    progress.update(task, completed=nearness(run, point), words=_words(run, point))
            if ended():
                return
            follower.poll(0.1)


@contextmanager
def counted(what: str, total: int, *, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """Give a function that is called with the name of each piece of work done; a bar shows how much is left."""
    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[words]}"),
    )
    with Progress(*columns, console=err, disable=quiet or not err.is_terminal) as progress:
        task = progress.add_task(what, total=total, words="")
        yield lambda name: progress.update(task, advance=1, words=name)


def _words(run: RunDocument, point: events.WalkPoint | None) -> str:
    if run.outcome is not None:
        return f"{run.outcome} ({run.reason}), n = {run.n}"
    n, llr = (point.n, point.llr) if point is not None else (0, 0.0)
    if run.is_blinded:
        return f"{run.state.lower()} n = {n:<6} blinded until the decision"
    lower = "-inf" if run.lower is None else f"{run.lower:.2f}"
    upper = "inf" if run.upper is None else f"{run.upper:.2f}"
    return f"{run.state.lower()} n = {n:<6} llr {llr:+7.2f} in ({lower}, {upper})"
