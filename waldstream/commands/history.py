"""Looking: lists, one experiment, a live run. All of it is read from Kafka; no Redis is needed."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from experiments import slots
from waldstream import settings
from waldstream.commands.orders import Id
from waldstream.terminal import Json, RefusedError, out, print_json

if TYPE_CHECKING:
    from console.fold import Shelf

app = typer.Typer()

State = Annotated[str | None, typer.Option("--state", help="Only runs in this state, as RUNNING or DECIDED.")]


@app.command("list", rich_help_panel="Experiments")
def list_runs(state: State = None, json: Json = False) -> None:
    """List every run, live ones first."""
    from console.documents import STATES
    from producers.connection import partitions_of
    from waldstream import lookup

    if state is not None and state.upper() not in STATES:
        raise typer.BadParameter(f"{state!r}; allowed: {', '.join(STATES)}", param_hint="--state")
    given = settings.load()
    kafka, topics = given.kafka(), given.topics()
    documents = [run for shelf in lookup.shelves(kafka, topics).values() for run in lookup.runs(shelf)]
    documents = [run for run in documents if state is None or run.state == state.upper()]
    documents.sort(key=lambda run: (not run.is_active, -run.since.timestamp()))
    if json:
        print_json(documents)
        return
    live = any(run.is_active for run in documents)
    points = lookup.newest_points(kafka, topics, range(partitions_of(kafka, topics.walks))) if live else {}
    table = Table(Column("experiment", no_wrap=True), "run", "state", "n", "llr", "outcome", "reason", "since")
    for run in documents:
        point = points.get((run.experiment_id, run.run))
        n = run.n if run.n is not None else point and point.n
        llr = run.llr if run.llr is not None or run.is_blinded else point and point.llr
        table.add_row(
            run.experiment_id,
            str(run.run or ""),
            run.state,
            "" if n is None else str(n),
            "" if llr is None else f"{llr:.3f}",
            run.outcome or "",
            run.reason or "",
            run.since.strftime("%Y-%m-%d %H:%M:%S"),
        )
    out.print(table if documents else "no experiments yet; `waldstream run FILE` starts one")


@app.command(rich_help_panel="Experiments")
def show(experiment_id: Id, json: Json = False) -> None:
    """Show an experiment: its newest run, and everything that happened to it."""
    from producers.connection import partitions_of
    from schemas.partitions import partition_of
    from waldstream import lookup

    given = settings.load()
    kafka, topics = given.kafka(), given.topics()
    partition = partition_of(experiment_id, partitions_of(kafka, topics.control))
    shelf = lookup.shelves(kafka, topics, only=[partition]).get(experiment_id)
    if shelf is None:
        raise RefusedError(f"no experiment {experiment_id!r}; `waldstream list` shows those there are")
    documents = lookup.runs(shelf)
    if json:
        print_json({"runs": documents, "definitions": list(shelf.definitions.values()), "timeline": shelf.entries})
        return
    newest = documents[0]
    head = Table.grid(padding=(0, 2))
    for name in (
        "title",
        "owner",
        "state",
        "run",
        "outcome",
        "reason",
        "n",
        "llr",
        "p_value",
        "lower",
        "upper",
        "failure",
    ):
        value = getattr(newest, name)
        if value not in (None, ""):
            head.add_row(name, f"{value:.6g}" if isinstance(value, float) else str(value))
    if newest.state == "QUEUED" and (reason := _why_it_waits(experiment_id, newest.run)) is not None:
        head.add_row("waits", reason)
    out.print(experiment_id, style="bold")
    out.print(head)
    if (text := _verdict(shelf, newest.run)) is not None:
        out.print(text)
    timeline = Table("at", "what", "run", "by", "why", title="timeline", title_justify="left")
    for entry in shelf.entries:
        words = entry.type if entry.kind != "reply" else f"reply: {entry.body.get('status')}"
        timeline.add_row(
            entry.at.strftime("%Y-%m-%d %H:%M:%S"), words, str(entry.run or ""), entry.actor or "", entry.reason or ""
        )
    out.print(timeline)


def _why_it_waits(experiment_id: str, run: int) -> str | None:
    """Return the place of a run in its queue and what it waits for, None if it waits no more."""
    from waldstream.commands.queues import queues

    for name, queue in queues().items():
        for place, request in enumerate(slots.in_order(queue), 1):
            if request.id == f"{experiment_id}/{run}":
                return f"position {place} of {len(queue.waiting)} in queue {name}: {slots.reason(queue, place)}"
    return None


def _verdict(shelf: "Shelf", run: int) -> str | None:
    """Return the verdict of a run as a block to copy, None while there is none."""
    import msgspec

    from schemas import events
    from waldstream.commands.verdict import block

    told = [entry for entry in shelf.entries if entry.run == run and entry.type == "decision"]
    document = shelf.runs.get(run)
    if not told or document is None:
        return None
    (entry,) = told[-1:]
    beside = {name: getattr(entry, name) for name in ("type", "id", "experiment_id", "run", "version", "at", "reason")}
    decision = msgspec.convert({"lower": None, "upper": None} | entry.body | beside, events.Decision)
    return block(shelf.definitions[document.definition_revision], decision)


@app.command(rich_help_panel="Experiments")
def watch(experiment_id: Id, json: Json = False) -> None:
    """Follow the newest run of an experiment to its decision."""
    follow_to_decision([experiment_id], json)


def follow_to_decision(ids: list[str], json: bool) -> None:
    """Show live progress until every experiment's newest run is decided, then print the decisions."""
    from waldstream.following import Follower
    from waldstream.progress import show_until

    given = settings.load()
    with Follower(given.kafka(), given.topics(), ids) as follower:
        follower.catch_up()
        for key in ids:
            if follower.run(key) is None:
                raise RefusedError(f"no experiment {key!r}; `waldstream list` shows those there are")
        show_until(follower, ids, lambda: all(not run.is_active for run in follower.runs()))
        for run in follower.runs():
            if json:
                print_json(follower.decisions.get((run.experiment_id, run.run)))
            elif run.outcome is None:
                out.print(f"{run.experiment_id}: {run.state}; nothing has run yet")
            else:
                out.print(f"{run.experiment_id} run {run.run}: {run.outcome} ({run.reason}), n = {run.n}")
