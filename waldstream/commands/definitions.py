"""Definitions: look at the design of a file, check it, define it, run it."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from waldstream.commands.orders import answer, client
from waldstream.terminal import Json, Reason, err, fail, out, print_json

app = typer.Typer()


def _readable(file: Path) -> Path:
    if str(file) != "-" and not file.is_file():
        raise typer.BadParameter(f"{str(file)!r} is not a file; allowed: a TOML or JSON file, or - for standard input")
    return file


File = Annotated[Path, typer.Argument(callback=_readable, help="TOML or JSON; - for standard input.")]
Watch = Annotated[bool, typer.Option("--watch", help="Follow the run to its decision.")]


@app.command(rich_help_panel="Experiments")
def design(file: File, json: Json = False) -> None:
    """Show what the design of a definition achieves: thresholds, error rates, how many observations it takes."""
    from waldstream.planned import planned

    with err.status("solving the design"):
        plan = planned(_parsed(file))
    if json:
        print_json(plan)
        return
    definition = plan.solution.definition
    out.print(f"{definition['id']}: {_hypotheses(definition)}", style="bold")
    table = Table("figure", Column("value", justify="right"))
    table.add_row("lower boundary (nats)", _number(plan.solution.lower))
    table.add_row("upper boundary (nats)", _number(plan.solution.upper))
    for name, value in plan.solution.certificate.items():
        table.add_row(name.replace("_", " "), _number(value))
    table.add_row("fixed n with these errors", _number(plan.fixed_n))
    table.add_row("design digest", plan.solution.design_digest[:16])
    out.print(table)
    levels = {"0.05": "5 % of n", "0.5": "median n", "0.95": "95 % of n"}
    figures = ("accepts H1", "accepts H0", "undecided", "mean n", "sd n", *levels.values())
    curve = Table("where", "at", *(Column(name, justify="right") for name in figures))
    for point in plan.points:
        shown = (point.p_accept_h1, point.p_accept_h0, point.p_undecided, point.mean_n, point.sd_n)
        quantiles = (point.quantiles.get(level) for level in levels)
        curve.add_row(point.where, *map(_number, (point.theta, *shown, *quantiles)))
    out.print(curve)


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
    return f"{value:.5g}" if isinstance(value, float) else str(value)
