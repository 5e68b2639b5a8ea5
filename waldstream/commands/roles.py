"""The roles: each a process that runs until SIGTERM or Ctrl-C and talks to the others through Kafka alone."""

import typer

from waldstream import logs, settings
from waldstream.wiring import Wiring

app = typer.Typer()
_PANEL = "Roles"


def _wiring(*, asks_kafka: bool = True) -> Wiring:
    """Return the configurations, after Kafka has answered: a role that cannot begin says so in one line."""
    from producers.connection import partitions_of

    given = settings.load()
    logs.configure(given.log_format)
    if asks_kafka:
        partitions_of(given.kafka(), given.topics().control)
    return Wiring(given)


@app.command(rich_help_panel=_PANEL)
def worker() -> None:
    """Fold observations into tests and publish decisions; start as many as there are partitions."""
    from processors import worker as role

    role.run(_wiring().worker())


@app.command(rich_help_panel=_PANEL)
def runner() -> None:
    """Start a run's own source with the run, and end it with the decision."""
    from producers import runner as role

    role.run(_wiring().runner())


@app.command(rich_help_panel=_PANEL)
def projector() -> None:
    """Keep the read model in Redis up to date."""
    from console import projector as role

    role.run(_wiring().projector())


@app.command(rich_help_panel=_PANEL)
def exporter() -> None:
    """Write the archive of every decided run."""
    from exporter import service as role

    role.run(_wiring().exporter())


@app.command(rich_help_panel=_PANEL)
def console() -> None:
    """Serve the web console and the REST API."""
    from console import app as role

    role.run(_wiring(asks_kafka=False).console())  # it shows what Redis holds, with Kafka away too
