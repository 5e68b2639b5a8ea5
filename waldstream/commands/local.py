"""The whole system on this machine, with or without the demonstration."""

import threading
import time
from typing import Annotated

import typer

from waldstream import settings
from waldstream.terminal import out

app = typer.Typer()
_PANEL = "This machine"


WithPrometheus = Annotated[
    bool, typer.Option("--prometheus", help="Start the installed `prometheus`, too; it scrapes every role.")
]


@app.command(rich_help_panel=_PANEL)
def up(prometheus: WithPrometheus = False) -> None:
    """Start real Kafka and Redis and every role on this machine, until Ctrl-C."""
    from stack.process import sigterm_unwinds
    from waldstream.up import installation, wait_for_console

    with sigterm_unwinds(), installation(settings.load(), with_prometheus=prometheus) as running:
        wait_for_console(running)
        given = running.settings
        out.print(f"console   {running.console_url}")
        if running.prometheus_url is not None:
            out.print(f"metrics   {running.prometheus_url} (Prometheus)")
        out.print(f"Kafka     {given.kafka_bootstrap_servers}")
        out.print(f"archives  {given.archives.resolve()}")
        out.print(f"logs      {running.logs.resolve()}")
        out.print("Ctrl-C ends everything; other commands find this installation from this folder")
        threading.Event().wait()


@app.command(rich_help_panel=_PANEL)
def demo(
    ends: Annotated[bool, typer.Option("--exit", help="End when the archives are verified.")] = False,
    prometheus: WithPrometheus = False,
) -> None:
    """Run four experiments on real parts: H0, H1, p-value, time limit; each is archived and verified."""
    from stack.process import sigterm_unwinds
    from waldstream.up import installation, wait_for_console

    begun = time.monotonic()
    with sigterm_unwinds(), installation(settings.load(), with_prometheus=prometheus) as running:
        from waldstream.demo import demonstrate  # while the roles come up

        demonstrate(running, begun)
        wait_for_console(running)
        out.print(f"console   {running.console_url}")
        if running.prometheus_url is not None:
            out.print(f"metrics   {running.prometheus_url} (Prometheus)")
        if not ends:
            out.print("Ctrl-C ends everything")
            threading.Event().wait()


@app.command(rich_help_panel=_PANEL)
def bench(
    soak: Annotated[float, typer.Option(help="Seconds for which a worker's memory is watched.")] = 30.0,
    scale: Annotated[float, typer.Option(help="Shortens every backlog, for a quick look.")] = 1.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print only; leave the committed results.")] = False,
) -> None:
    """Measure the worker beside plain clients, stock Faust and Kafka Streams, on a broker of its own."""
    import tempfile
    from pathlib import Path

    from bench.side_by_side import run
    from stack.kafka import KafkaNode
    from stack.process import sigterm_unwinds

    with sigterm_unwinds(), tempfile.TemporaryDirectory() as folder:
        node = KafkaNode(Path(folder), heap="1g", jvm_options=("-XX:+UseG1GC",))
        with node:
            run({"bootstrap.servers": node.bootstrap_servers}, soak_seconds=soak, scale=scale, write=not dry_run)
