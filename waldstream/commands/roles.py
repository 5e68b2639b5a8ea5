"""The roles: each a process that runs until SIGTERM or Ctrl-C and talks to the others through Kafka alone."""

import typer

from waldstream import logs, settings
from waldstream.terminal import RefusedError
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


def _serve_process_metrics(host: str, port: int | None) -> None:
    """Serve `/metrics` of a role that counts nothing of its own: memory, CPU, and that it is up."""
    if port is None:
        return
    from prometheus_client import start_http_server

    try:
        start_http_server(port, host)
    except OSError as error:
        raise RefusedError(f"metrics port {port} on {host}: {error.strerror}; allowed: a free port") from error


@app.command(rich_help_panel=_PANEL)
def worker() -> None:
    """Fold observations into tests and publish decisions; start as many as there are partitions."""
    from processors import worker as role

    role.run(_wiring().worker())


@app.command(rich_help_panel=_PANEL)
def runner() -> None:
    """Start a run's own source with the run, and end it with the decision."""
    from producers import runner as role

    wiring = _wiring()
    _serve_process_metrics(wiring.settings.metrics_host, wiring.settings.runner_metrics_port)
    role.run(wiring.runner())


@app.command(rich_help_panel=_PANEL)
def projector() -> None:
    """Keep the read model in Redis up to date."""
    from console import projector as role

    wiring = _wiring()
    _serve_process_metrics(wiring.settings.metrics_host, wiring.settings.projector_metrics_port)
    role.run(wiring.projector())


@app.command(rich_help_panel=_PANEL)
def exporter() -> None:
    """Write the archive of every decided run."""
    from exporter import service as role

    role.run(_wiring().exporter())


@app.command(rich_help_panel=_PANEL)
def console() -> None:
    """Serve the web console and the REST API."""
    from console import app as role

    wiring = _wiring(asks_kafka=False)  # it shows what Redis holds, with Kafka away too
    _serve_process_metrics(wiring.settings.metrics_host, wiring.settings.console_metrics_port)
    role.run(wiring.console())
