"""Sending observations by hand or from a file, and looking at what was turned down."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table

from waldstream import settings
from waldstream.commands.orders import Id
from waldstream.terminal import Json, err, out, print_json

app = typer.Typer()
rejected = typer.Typer(help="Records that could not be applied.", no_args_is_help=True)
app.add_typer(rejected, name="rejected", rich_help_panel="Observations")


@app.command(rich_help_panel="Observations")
def observe(  # noqa: PLR0917  typer reads them by name
    experiment_id: Id,
    values: Annotated[list[str] | None, typer.Argument(help="Numbers; read from standard input if none.")] = None,
    source: Annotated[
        str | None, typer.Option("--source", help="Name of the source; goes on with its numbers.")
    ] = None,
    arm: Annotated[Literal["a", "b"] | None, typer.Option("--arm", help="For tests of two arms.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="A CSV file to read from.", exists=True)] = None,
    column: Annotated[str, typer.Option("--column", help="The column of the CSV file.")] = "value",
    batch: Annotated[int, typer.Option("--batch", help="Observations per record.", min=1, max=10_000)] = 1,
    json: Json = False,
) -> None:
    """Send observations of an experiment: from the arguments, standard input (one per line) or a CSV file."""
    from producers.client import Client
    from producers.columns import CsvColumn
    from producers.errors import SourceError
    from producers.lines import chunks, numbers

    if csv is not None and values:
        raise typer.BadParameter("values and --csv; allowed: one of them")
    given = settings.load()
    if csv is not None:
        records: Iterator[list[float]] = (
            drawn.values.tolist() for drawn in CsvColumn(csv.name, column, batch, csv.parent).records(0)
        )
    else:
        try:
            given_values = list(numbers(values or ()))
        except SourceError as error:
            words = str(error).split(": ", 1)[1]  # arguments have no lines
            raise typer.BadParameter(words, param_hint="VALUES") from error
        records = chunks(iter(given_values) if values else numbers(sys.stdin), batch)
    if csv is None and not values and sys.stdin.isatty():
        err.print("one number per line, Ctrl-D to end")
    sent = 0
    with Client(given.kafka(), given.topics(), source=source) as client:
        for record in records:
            client.observe(experiment_id, record, arm=arm)
            sent += len(record)
        client.flush()
        name, following = client.source, client.next_sequence(experiment_id)
    if json:
        print_json({"experiment_id": experiment_id, "source": name, "sent": sent, "next_sequence": following})
    else:
        out.print(f"{experiment_id}: {sent} observations sent as {name}")


@rejected.command("list")
def list_rejected(
    experiment: Annotated[str | None, typer.Option("--experiment", help="Only records of this experiment.")] = None,
    limit: Annotated[int, typer.Option("--limit", help="At most so many of the newest.", min=1)] = 50,
    json: Json = False,
) -> None:
    """List the newest rejected records with the reason of each."""
    from waldstream.rejections import newest

    given = settings.load()
    found = newest(given.kafka(), given.topics(), limit, experiment)
    if json:
        print_json(found)
        return
    table = Table("at", "topic", "partition", "offset", "experiment", "reason", "message")
    for entry in found:
        table.add_row(
            entry.at.strftime("%Y-%m-%d %H:%M:%S"),
            entry.topic,
            str(entry.partition),
            str(entry.offset),
            entry.experiment_id or "",
            entry.reason,
            entry.message,
        )
    out.print(table if found else "no rejected records")
