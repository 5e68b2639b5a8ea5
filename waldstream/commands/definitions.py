"""Definitions: look at the design of a file, check it, define it, run it."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from waldstream.commands.orders import answer, client
from waldstream.terminal import Json, Reason, fail, out, print_json

app = typer.Typer()


def _readable(file: Path) -> Path:
    if str(file) != "-" and not file.is_file():
        raise typer.BadParameter(f"{str(file)!r} is not a file; allowed: a TOML or JSON file, or - for standard input")
    return file


File = Annotated[Path, typer.Argument(callback=_readable, help="TOML or JSON; - for standard input.")]
Watch = Annotated[bool, typer.Option("--watch", help="Follow the run to its decision.")]


@app.command(rich_help_panel="Experiments")
def design(file: File, json: Json = False) -> None:
    """Show what the design of a definition achieves: thresholds and error rates."""
    from experiments.planning import solve

    solution = solve(_parsed(file))
    if json:
        print_json(solution)
        return
    table = Table(title=f"{solution.definition['id']}: {_hypotheses(solution.definition)}", title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_row("lower boundary (nats)", _number(solution.lower))
    table.add_row("upper boundary (nats)", _number(solution.upper))
    for name, value in solution.certificate.items():
        table.add_row(name.replace("_", " "), _number(value))
    table.add_row("design digest", solution.design_digest[:16])
    out.print(table)


@app.command(rich_help_panel="Experiments")
def validate(file: File, json: Json = False) -> None:
    """Check a definition; every problem is named with field, given value, and what is allowed."""
    stored = _parsed(file).stored()
    if json:
        print_json(stored)
    else:
        out.print(f"{stored['id']}: a valid definition")


@app.command(rich_help_panel="Experiments")
def define(file: File, reason: Reason = None, json: Json = False) -> None:
    """Register a definition; nothing starts."""
    stored = _parsed(file).stored()
    with client() as connection:
        answer(connection.define(stored, reason=reason), json)


@app.command(rich_help_panel="Experiments")
def run(file: File, reason: Reason = None, watch: Watch = False, json: Json = False) -> None:
    """Define and start in one step."""
    stored = _parsed(file).stored()
    with client() as connection:
        answer(connection.run(stored, reason=reason), json)
    if watch:
        from waldstream.commands.history import follow_to_decision

        follow_to_decision([stored["id"]], json)


def _parsed(file: Path) -> Any:
    from experiments.definition import DefinitionError, parse

    try:
        text = typer.get_text_stream("stdin").read() if str(file) == "-" else file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file}: {error}")
    try:
        return parse(text)
    except DefinitionError as error:
        fail(f"{file} is not a valid definition:\n" + "\n".join(f"  {problem}" for problem in error.problems))


def _hypotheses(definition: dict[str, Any]) -> str:
    model = definition["model"]
    sides = (", ".join(f"{name} = {value:g}" for name, value in model[side].items()) for side in ("h0", "h1"))
    return f"{model['family']}, " + " against ".join(sides)


def _number(value: object) -> str:
    if value is None:
        return "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
