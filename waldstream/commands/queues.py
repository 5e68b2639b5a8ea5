"""Queues: which runs hold a slot, which wait and for how long already, and how many may run at once."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from waldstream import settings
from waldstream.terminal import Json, out, print_json

if TYPE_CHECKING:
    from experiments.memory import Queue

app = typer.Typer()
queue = typer.Typer(help="Queues of runs.", no_args_is_help=True)
app.add_typer(queue, name="queue", rich_help_panel="Experiments")


def queues() -> "dict[str, Queue]":
    """Return every queue as its owner remembers it."""
    from experiments import rows
    from producers import reading
    from producers.connection import partitions_of

    given = settings.load()
    kafka, topics = given.kafka(), given.topics()
    records = reading.until_end(kafka, topics.state, range(partitions_of(kafka, topics.state)))
    return rows.queues((record.key, record.value) for record in records if record.key is not None)


@queue.command("list")
def list_queues(json: Json = False) -> None:
    """List the queues: limit, runs that hold a slot, runs that wait in the order in which they will start."""
    from experiments import slots

    found = queues()
    if json:
        print_json(
            [
                {
                    "queue": name,
                    "limit": each.limit,
                    "holding": sorted(each.holding),
                    "waiting": [
                        {
                            "position": place,
                            "id": it.id,
                            "priority": it.priority,
                            "since": it.at,
                            "reason": slots.reason(each, place),
                        }
                        for place, it in enumerate(slots.in_order(each), 1)
                    ],
                }
                for name, each in sorted(found.items())
            ]
        )
        return
    table = Table("queue", Column("limit", justify="right"), "run", "priority", "position", "since", "why it waits")
    now = datetime.now(UTC)
    for name, each in sorted(found.items()):
        for run in sorted(each.holding):
            table.add_row(name, str(each.limit), run, "", "running", "", "")
        for place, it in enumerate(slots.in_order(each), 1):
            since = f"{(now - it.at).total_seconds():.0f} s"
            why = slots.reason(each, place)
            table.add_row(name, str(each.limit), it.id, str(it.priority), str(place), since, why)
        if not each.holding and not each.waiting:
            table.add_row(name, str(each.limit), "", "", "", "", "")
    out.print(table if found else "no queues yet; a definition names one in [schedule] queue")


@queue.command("limit")
def limit_queue(
    name: Annotated[str, typer.Argument(help="Name of the queue.")],
    limit: Annotated[int, typer.Argument(help="Runs that may be live at once.", min=0, max=10**6)],
    json: Json = False,
) -> None:
    """Set how many runs of a queue may be live at once; runs that are live already go on."""
    from producers.connection import partitions_of
    from producers.sending import Sender
    from schemas import codecs, events

    if not codecs.EXPERIMENT_ID.fullmatch(name):
        raise typer.BadParameter(f"{name!r}; allowed: {codecs.EXPERIMENT_ID.pattern}", param_hint="NAME")
    given = settings.load()
    kafka, topics = given.kafka(), given.topics()
    partitions_of(kafka, topics.queues)
    told = events.SlotLimit(queue=name, limit=limit, actor=given.actor)
    sender = Sender(kafka)
    sender.send(topics.queues, name.encode(), codecs.encode_json(told))
    sender.flush()
    if json:
        print_json(told)
    else:
        out.print(f"{name}: at most {limit} runs at once")
