"""Grafana's dashboards: written as files, checked against the code, published over the API."""

import time
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.table import Table

from waldstream import settings
from waldstream.terminal import Json, RefusedError, fail, out, print_json

app = typer.Typer()
dashboards = typer.Typer(help="Grafana's dashboards and alert rules.", no_args_is_help=True)
app.add_typer(dashboards, name="dashboards", rich_help_panel="Administration")

_PROMETHEUS: Final = "http://127.0.0.1:9090"

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
Decisions = Annotated[bool, typer.Option("--decisions", help="Mark every decision on the dashboard, too.")]


@dashboards.command("build")
def build_files(json: Json = False) -> None:
    """Write the generated files again where the code has changed."""
    from grafana.build import build

    touched = [str(path) for path in build()]
    if json:
        print_json(touched)
    else:
        out.print("\n".join(touched) or "nothing has changed")


@dashboards.command("check")
def check_files(json: Json = False) -> None:
    """Check that the generated files are what the code makes."""
    from grafana.build import check

    stale = check()
    if json:
        print_json({"ok": not stale, "differ": stale})
        if stale:
            raise typer.Exit(1)
    elif stale:
        fail("\n".join((*stale, "differ from the code; `waldstream dashboards build` writes them")))
    else:
        out.print("the generated files are up to date")


@dashboards.command("pictures")
def draw_pictures(
    folder: Annotated[Path, typer.Argument(help="Where the pictures go.")] = Path("docs/images"),
    prometheus: Annotated[str, typer.Option(help="Address of a Prometheus that scrapes the roles.")] = _PROMETHEUS,
    minutes: Annotated[int, typer.Option(min=1, help="How far back they look.")] = 5,
    json: Json = False,
) -> None:
    """Draw what every panel shows at this moment, one picture of each dashboard."""
    given = settings.load()
    try:
        from grafana.pictures import draw
    except ImportError as error:
        raise RefusedError(f"{error.name} is not installed; `pip install 'waldstream[dev]'` brings it") from error
    from grafana.asked import Sources

    token = None if given.console_token is None else given.console_token.get_secret_value()
    end = time.time()
    console = f"http://{given.console_host}:{given.console_port}"
    try:
        drawn = draw(Sources(prometheus.rstrip("/"), console, token, end - 60 * minutes, end), folder)
    except OSError as error:
        raise RefusedError(f"Prometheus at {prometheus} or the console at {console}: {error}") from error
    written = [str(path) for path in drawn]
    if json:
        print_json(written)
    else:
        out.print("\n".join(written))


@dashboards.command("publish")
def publish_all(dry_run: DryRun = False, decisions: Decisions = False, json: Json = False) -> None:
    """Bring a running Grafana's folders, dashboards and alert rules to what is built here."""
    given = settings.load()
    if given.grafana_url is None or given.grafana_token is None:
        raise RefusedError("grafana_url and grafana_token: not given; allowed: the settings of a running Grafana")
    try:
        from grafana.publish import annotate, publish
    except ImportError as error:
        raise RefusedError(f"{error.name} is not installed; `pip install 'waldstream[grafana]'` brings it") from error

    token = given.grafana_token.get_secret_value()
    done = publish(given.grafana_url, token, dry_run)
    if decisions:
        from waldstream.lookup import decisions as all_decisions

        done += annotate(given.grafana_url, token, all_decisions(given.kafka(), given.topics()), dry_run)
    if json:
        print_json(done)
        return
    table = Table("what", "uid", "would be" if dry_run else "was")
    for each in done:
        table.add_row(each.kind, each.uid, each.change)
    out.print(table)
