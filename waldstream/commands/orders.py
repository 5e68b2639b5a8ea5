"""Orders to an experiment: each is one command on the control topic, and its reply is what is printed."""

from typing import TYPE_CHECKING, Annotated

import typer

from schemas import events
from waldstream import settings
from waldstream.terminal import Json, Reason, fail, out, print_json

if TYPE_CHECKING:
    from producers.client import Client

app = typer.Typer()

Id = Annotated[str, typer.Argument(help="Id of the experiment.")]


def client() -> "Client":
    """Return a client of the installation that the settings name."""
    from producers.client import Client

    given = settings.load()
    return Client(given.kafka(), given.topics(), actor=given.actor)


def answer(reply: events.Reply, json: bool) -> None:
    """Print a reply; a rejection ends the command with exit code 1."""
    if json:
        print_json(reply)
        if reply.status == "rejected":
            raise typer.Exit(1)
    elif reply.status == "rejected":
        fail(f"{reply.experiment_id}: rejected ({reply.code}): {reply.message}")
    else:
        out.print(f"{reply.experiment_id}: {reply.status}: {reply.message}")


@app.command(rich_help_panel="Experiments")
def start(experiment_id: Id, reason: Reason = None, json: Json = False) -> None:
    """Start a new run of a defined experiment."""
    with client() as connection:
        answer(connection.start(experiment_id, reason=reason), json)


@app.command(rich_help_panel="Experiments")
def pause(experiment_id: Id, reason: Reason = None, json: Json = False) -> None:
    """Leave out the observations from now on, until `resume`."""
    with client() as connection:
        answer(connection.pause(experiment_id, reason=reason), json)


@app.command(rich_help_panel="Experiments")
def resume(experiment_id: Id, reason: Reason = None, json: Json = False) -> None:
    """Apply observations again."""
    with client() as connection:
        answer(connection.resume(experiment_id, reason=reason), json)


@app.command(rich_help_panel="Experiments")
def stop(experiment_id: Id, reason: Reason = None, json: Json = False) -> None:
    """End the live run by hand: inconclusive."""
    with client() as connection:
        answer(connection.stop(experiment_id, reason=reason), json)


@app.command(rich_help_panel="Experiments")
def retry(experiment_id: Id, reason: Reason = None, json: Json = False) -> None:
    """Try a run that ended once more: a new run, linked to it."""
    with client() as connection:
        answer(connection.retry(experiment_id, reason=reason), json)


@app.command(rich_help_panel="Experiments")
def hold(experiment_id: Id, reason: Reason = None, json: Json = False) -> None:
    """Withhold the decision of the live run, when it comes, until `release`."""
    with client() as connection:
        answer(connection.hold(experiment_id, reason=reason), json)


@app.command(rich_help_panel="Experiments")
def release(experiment_id: Id, reason: Reason = None, json: Json = False) -> None:
    """Let a held run decide, at its own observation if it has crossed."""
    with client() as connection:
        answer(connection.release(experiment_id, reason=reason), json)


@app.command(rich_help_panel="Experiments")
def cancel(experiment_id: Id, reason: Reason = None, json: Json = False) -> None:
    """End the experiment, and its live run if there is one."""
    with client() as connection:
        answer(connection.cancel(experiment_id, reason=reason), json)


@app.command(rich_help_panel="Experiments")
def archive(experiment_id: Id, reason: Reason = None, json: Json = False) -> None:
    """Have the archive of the newest run written if it is missing, and announced again if it stands."""
    with client() as connection:
        answer(connection.archive(experiment_id, reason=reason), json)


@app.command(rich_help_panel="Experiments")
def unblind(experiment_id: Id, reason: Reason = None, json: Json = False) -> None:
    """Let the walk of a blinded run be seen before its decision; --reason is asked for."""
    with client() as connection:
        answer(connection.unblind(experiment_id, reason=reason), json)
