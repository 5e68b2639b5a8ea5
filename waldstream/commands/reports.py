"""Reports over all runs of a period."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from waldstream import settings
from waldstream.commands.archives import Where, chosen_runs, reachable
from waldstream.terminal import Json, RefusedError, out, print_json
from waldstream.wiring import Wiring

if TYPE_CHECKING:
    from exporter.periods import Period

app = typer.Typer()
_ALLOWED = "allowed: a date or time such as 2026-11-01 or 2026-11-01T09:30"


@app.command(rich_help_panel="Archives")
def report(  # noqa: PLR0917 typer passes all by name
    period: Annotated[
        str | None, typer.Option("--period", help="The last whole day, week or month; of the settings if left out.")
    ] = None,
    begin: Annotated[str | None, typer.Option("--from", help="First moment of the period, UTC, with --to.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="First moment after it, UTC; now if left out.")] = None,
    where: Where = None,
    into: Annotated[Path | None, typer.Option("--into", help="Folder; that of the settings if left out.")] = None,
    json: Json = False,
) -> None:
    """Write the report over all runs of a period as PDF, XLSX and JSON; once written, it stands."""
    from exporter.catalog import recorded
    from exporter.programme import disputed_runs
    from exporter.programme import report as reported

    given = settings.load()
    chosen = _period(period or given.report_period, begin, end, given.report_timezone)
    kafka, topics = given.kafka(), given.topics()
    reachable(kafka, topics.control)
    runs = recorded(kafka, topics, Wiring(given).registry())
    reports = into or given.reports
    if where is not None:
        runs = chosen_runs(runs, [], where)
        reports /= _name_of(where)
    try:
        made = reported(reports, chosen, runs, disputed_runs(kafka, topics), given.paper)
    except OSError as error:
        raise RefusedError(f"{reports}: {error.strerror or error}") from error
    if json:
        print_json({"folder": str(made.folder), "period": chosen.name, "written": made.is_new})
    else:
        out.print(f"{made.folder}: {'written' if made.is_new else 'stands already, not written again'}")


def _period(length: str, begin: str | None, end: str | None, timezone: str) -> "Period":
    from exporter.periods import LENGTHS, period_before, span

    if length not in LENGTHS:
        raise typer.BadParameter(f"{length!r}; allowed: {', '.join(LENGTHS)}", param_hint="--period")
    now = datetime.now(UTC)
    if begin is None and end is None:
        return period_before(now, length, timezone)  # type: ignore[arg-type]  # checked above
    if begin is None:
        raise typer.BadParameter("--to without --from; allowed: both, or --from alone", param_hint="--to")
    try:
        return span(_moment(begin, "--from"), now if end is None else _moment(end, "--to"))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--from") from error


def _moment(text: str, option: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r}; {_ALLOWED}", param_hint=option) from error
    return found.replace(tzinfo=found.tzinfo or UTC)


def _name_of(where: str) -> str:
    """Return a folder's name for a filter: reports of different filters never stand for one another."""
    from exporter.manifest import digest_of

    return f"where-{digest_of(' '.join(where.split()).encode())[:12]}"
