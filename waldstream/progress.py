"""Live progress bars of runs in the terminal: how near each is to its nearest rule, with n and the walk in its lines.

A sequential test has no known end, so a bar may go back: the walk does.
"""

from collections.abc import Callable, Iterable

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from waldstream.following import Follower, nearness
from waldstream.terminal import err


def show_until(follower: Follower, ids: Iterable[str], ended: Callable[[], bool]) -> None:
    """Draw one bar for each experiment until `ended` says so; without a terminal, nothing is drawn."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[words]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, disable=not err.is_terminal) as progress:
        tasks: dict[str, TaskID] = {key: progress.add_task(key, total=1.0, words="") for key in ids}
        while True:
            for key, task in tasks.items():
                run = follower.run(key)
                if run is None:
                    continue
                point = follower.points.get((key, run.run))
                progress.update(task, completed=nearness(run, point), words=_words(follower, key))
                if not run.is_active:
                    progress.stop_task(task)
            if ended():
                return
            follower.poll(0.1)


def _words(follower: Follower, key: str) -> str:
    run = follower.run(key)
    if run is None:
        return ""
    if run.outcome is not None:
        return f"{run.outcome} ({run.reason}), n = {run.n}"
    point = follower.points.get((key, run.run))
    n, llr = (point.n, point.llr) if point is not None else (0, 0.0)
    lower = "-inf" if run.lower is None else f"{run.lower:.2f}"
    upper = "inf" if run.upper is None else f"{run.upper:.2f}"
    return f"{run.state.lower()} n = {n:<6} llr {llr:+7.2f} in ({lower}, {upper})"
