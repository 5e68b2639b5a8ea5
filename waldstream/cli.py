"""The command line: what there is, in the order in which `waldstream --help` shows it."""

import typer

from waldstream.commands import (
    administration,
    archives,
    dashboards,
    definitions,
    history,
    local,
    observing,
    orders,
    queues,
    replaying,
    reports,
    roles,
    templates,
)
from waldstream.terminal import Group

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Sequential tests on Kafka: stopped at the exact observation, archived with proof.",
)
observing.rejected.command("replay")(replaying.replay_rejected)
for group in (
    local,
    definitions,
    templates,
    orders,
    queues,
    history,
    observing,
    archives,
    reports,
    roles,
    administration,
    dashboards,
):
    app.add_typer(group.app)
