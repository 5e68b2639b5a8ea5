"""Archives: whether a folder is what it claims to be, its walk told again, and many of them in one folder."""

import threading
from pathlib import Path
from typing import Annotated, Any

import typer

from waldstream import settings
from waldstream.terminal import Json, RefusedError, err, fail, out, print_json

app = typer.Typer()
_PANEL = "Archives"
_FORMATS = ("csv", "xlsx", "json", "parquet", "pdf")

Archive = Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder of the archive of one run.")]
Where = Annotated[
    str | None, typer.Option("--where", help="Only runs for which this holds: 'tag=rng and decided>2026-11-01'.")
]


@app.command(rich_help_panel=_PANEL)
def verify(
    path: Archive,
    digest: Annotated[
        str | None, typer.Option("--digest", help="The manifest digest that was published, in hexadecimal.")
    ] = None,
    json: Json = False,
) -> None:
    """Recompute the hashes and the decision of an archive from the archive alone."""
    from exporter.verify import verify as verified

    found = verified(path, digest)
    if json:
        print_json({"ok": found.ok, "reasons": list(found.reasons), "summary": found.summary})
        if not found.ok:
            raise typer.Exit(1)
    elif found.ok:
        out.print(f"{path}: verified: {found.summary}")
    else:
        fail("\n".join((f"{path}: not verified", *(f"  {reason}" for reason in found.reasons))))


@app.command(rich_help_panel=_PANEL)
def replay(
    path: Archive,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0, max=600, help="How long the walk takes to be drawn in a terminal.")
    ] = 4.0,
    json: Json = False,
) -> None:
    """Fold the observations of an archive again, drawing the walk, and compare the decision with the archived one."""
    from waldstream.retelling import retell

    told = retell(path, 0.0 if json else seconds, show=not json)
    if json:
        print_json(told)
    elif told.ok:
        out.print(f"replayed: {told.summary}")
    if not told.ok:
        fail("\n".join((f"{path}: the replay comes to another result", *(f"  {it}" for it in told.differences))))


@app.command(rich_help_panel=_PANEL)
def export(  # noqa: PLR0917 typer passes all by name
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID…]", help="Experiments, or single runs as `id/run`; none: all.")
    ] = None,
    where: Where = None,
    formats: Annotated[
        str | None, typer.Option("--formats", help="Which formats, as csv,pdf; those of each definition if left out.")
    ] = None,
    to: Annotated[Path, typer.Option("--to", help="Folder for the archives, the index and the workbook.")] = Path(
        "export"
    ),
    again: Annotated[
        bool, typer.Option("--again", help="Fold every run again from Kafka, though its archive stands.")
    ] = False,
    paper: Annotated[str | None, typer.Option("--paper", help="Paper of the reports: a4 or us-letter.")] = None,
    json: Json = False,
) -> None:
    """Write the archives of past runs into one folder, with an index and one workbook over all of them."""
    from exporter.batch import export_all
    from exporter.catalog import recorded
    from exporter.export import Exporter
    from waldstream.progress import counted
    from waldstream.wiring import Wiring

    given = settings.load()
    chosen = _formats(formats)
    if paper not in (None, "a4", "us-letter"):
        raise typer.BadParameter(f"{paper!r}; allowed: a4, us-letter", param_hint="--paper")
    kafka, topics, registry = given.kafka(), given.topics(), Wiring(given).registry()
    reachable(kafka, topics.control)
    runs = chosen_runs(recorded(kafka, topics, registry), ids or [], where)
    to.mkdir(parents=True, exist_ok=True)
    exporter = Exporter(
        kafka, topics, to, f"{given.app_id}-export", threading.Event(), paper=paper or given.paper  # type: ignore[arg-type]  # checked above
    )  # fmt: skip
    try:
        with counted("exporting", len(runs), quiet=json) as progress:
            made = export_all(
                runs, exporter, to, standing=None if again else given.archives, chosen=chosen, progress=progress
            )
    except OSError as error:
        raise RefusedError(
            f"{to}: {error.strerror or error}; what was finished is whole, run it again to go on"
        ) from error
    finally:
        exporter.close()
    if json:
        print_json({"folder": str(to), "runs": made.lines})
    else:
        out.print(f"{to}: {len(made.lines)} runs, index.csv, index.json, workbook.xlsx")
    if not made.is_whole:
        for line in made.lines:
            if line.problem is not None:
                err.print(f"{line.experiment_id}/{line.run}: {line.problem}")
        raise typer.Exit(1)


def _formats(given: str | None) -> tuple[str, ...] | None:
    if given is None:
        return None
    names = tuple(dict.fromkeys(name.strip() for name in given.split(",") if name.strip()))
    if not names or (unknown := [name for name in names if name not in _FORMATS]):
        raise typer.BadParameter(
            f"{(unknown if names else [given])[0]!r}; allowed: {', '.join(_FORMATS)}", param_hint="--formats"
        )
    return names


def reachable(kafka: dict[str, str], topic: str) -> None:
    """Raise unless Kafka answers and has the topic."""
    from producers.connection import partitions_of

    partitions_of(kafka, topic)


def chosen_runs(runs: list[Any], ids: list[str], where: str | None) -> list[Any]:
    """Return the runs that are meant; an id without one is refused."""
    from exporter.selection import SelectionError, selection

    try:
        test = (lambda _: True) if where is None else selection(where)
    except SelectionError as error:
        raise typer.BadParameter(str(error), param_hint="--where") from error
    known = {name for run in runs for name in (run.name, run.decision.experiment_id)}
    if missing := [name for name in ids if name not in known]:
        raise RefusedError(
            f"no decided run of {', '.join(missing)}; `waldstream list --state decided` shows those there are"
        )
    wanted = [run for run in runs if not ids or run.name in ids or run.decision.experiment_id in ids]
    found = [run for run in wanted if test(run)]
    if not found:
        raise RefusedError(
            f"none of {len(wanted)} decided runs is meant by the filter" if where else "no run is decided yet"
        )
    return found
