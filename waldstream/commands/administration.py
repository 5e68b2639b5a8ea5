"""Looking after an installation: topics, schemas, the read model, settings."""

from dataclasses import asdict

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from waldstream import settings as settings_module
from waldstream.terminal import Json, RefusedError, err, fail, out, print_json
from waldstream.wiring import Wiring

app = typer.Typer()
topics = typer.Typer(help="The topics of an installation.", no_args_is_help=True)
schemas = typer.Typer(help="The schemas of events.", no_args_is_help=True)
app.add_typer(topics, name="topics", rich_help_panel="Administration")
app.add_typer(schemas, name="schemas", rich_help_panel="Administration")


@topics.command("create")
def create_topics(json: Json = False) -> None:
    """Create the topics that are missing; refuses if one exists otherwise than it must be."""
    from processors import topics as kafka_topics

    given = settings_module.load()
    results = kafka_topics.create_topics(given.kafka(), given.topics(), given.partitions, given.replication_factor)
    if json:
        print_json([{"topic": result.topic, "status": type(result).__name__.lower()} for result in results])
        return
    for result in results:
        out.print(f"{result.topic}: {type(result).__name__.lower()}")


@schemas.command("check")
def check_schemas(json: Json = False) -> None:
    """Check that events are what their newest schemas say, and that all versions of each read one another.

    A schema registry, if one is set, is asked whether it would take them.
    """
    from schemas import avro
    from schemas.compatibility import all_problems

    given = settings_module.load()
    problems = all_problems()
    if (registry := Wiring(given).registry()) is not None:
        with err.status("asking the schema registry"):
            subjects = avro.subjects(given.topics())
            refused = [name for name, schema in subjects.items() if not registry.is_compatible(name, schema)]
        problems += [f"{name}: does not fit the versions that the registry has" for name in refused]
    if json:
        print_json({"ok": not problems, "problems": problems, "events": len(avro.BY_NAME)})
        if problems:
            raise typer.Exit(1)
    elif problems:
        fail("\n".join(problems))
    else:
        out.print(
            f"{len(avro.BY_NAME)} event types match their committed schemas; all versions of each read one another"
        )


@schemas.command("register")
def register_schemas(json: Json = False) -> None:
    """Hand the newest schemas of observations and commands to the schema registry, and say under which ids."""
    from schemas import avro

    given = settings_module.load()
    if (registry := Wiring(given).registry()) is None:
        raise RefusedError("schema_registry_url: not given; allowed: the address of a schema registry")
    ids = {subject: registry.register(subject, schema) for subject, schema in avro.subjects(given.topics()).items()}
    if json:
        print_json(ids)
        return
    for subject, schema_id in ids.items():
        out.print(f"{subject}: {schema_id}")


@app.command(rich_help_panel="Administration")
def doctor(json: Json = False) -> None:
    """Look a cluster over before it is used: versions, topics, transactions, clocks, disk; say what to change."""
    from processors.doctor import examine

    given = settings_module.load()
    with err.status("looking"):
        found = examine(
            given.kafka(),
            given.topics(),
            given.partitions,
            given.replication_factor,
            app_id=given.app_id,
            folders=(given.archives, given.data),
        )
    wrong = sum(finding.status == "wrong" for finding in found)
    if json:
        print_json({"ok": not wrong, "findings": [asdict(finding) for finding in found]})
    else:
        table = Table()
        for head in ("check", "", "found", "what to change"):
            table.add_column(head, no_wrap=not head)
        signs = {"ok": "ok", "warning": "look", "wrong": "WRONG"}
        styles = {"ok": "", "warning": "yellow", "wrong": "red"}
        for finding in found:
            table.add_row(
                finding.check, signs[finding.status], finding.found, finding.remedy, style=styles[finding.status]
            )
        out.print(table)
    if wrong:
        raise typer.Exit(1)


@app.command(rich_help_panel="Administration")
def rebuild(json: Json = False) -> None:
    """Clear the read model in Redis and replay it from Kafka."""
    from console.projector import rebuild as replay

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=err, disable=not err.is_terminal) as progress:
        task = progress.add_task("replaying", total=None)
        result = replay(
            Wiring(settings_module.load()).projector(),
            lambda done, total: progress.update(task, completed=done, total=total),
        )
    if json:
        print_json({"records": result.records, "seconds": result.seconds})
    else:
        out.print(f"the read model was replayed: {result.records} records in {result.seconds:.1f} s")


@app.command(rich_help_panel="Administration")
def settings(json: Json = False) -> None:
    """List every setting with its value and where that came from; secrets are masked."""
    entries = settings_module.origins(settings_module.load())
    if json:
        print_json([entry._asdict() for entry in entries])
        return
    table = Table()
    for head, wraps in (("setting", False), ("value", True), ("from", True), ("what it is", True)):
        table.add_column(head, no_wrap=not wraps)
    for entry in entries:
        table.add_row(entry.name, entry.value, entry.origin, entry.description)
    out.print(table)
