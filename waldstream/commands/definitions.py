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
Pictures = Annotated[
    Path | None,
    typer.Option(
        "--pictures", help="Draw error rates, expected n, boundaries and distribution of n: a .svg, .png or .pdf file."
    ),
]
Watch = Annotated[bool, typer.Option("--watch", help="Follow the run to its decision.")]

_CERTIFIED = {
    "alpha": "achieved alpha",
    "beta": "achieved beta",
    "power": "power under H1",
    "p_undecided_h0": "P(inconclusive) under H0",
    "p_undecided_h1": "P(inconclusive) under H1",
    "mean_n_h0": "expected n under H0",
    "mean_n_h1": "expected n under H1",
    "mass_error": "mass error of the recursion",
    "standard_error": "standard error (alpha, beta)",
}


@app.command(rich_help_panel="Experiments")
def design(file: File, pictures: Pictures = None, json: Json = False) -> None:
    """Show what the design of a definition achieves: thresholds, error rates, how many observations it takes."""
    from waldstream.planned import planned

    with err.status("solving the design"):
        plan = planned(_parsed(file, json))
    if pictures is not None:
        _draw(plan, pictures)
    if json:
        print_json(plan)
        return
    definition, certificate = plan.solution.definition, plan.solution.certificate
    out.print(f"{definition['id']}: {_hypotheses(definition)}", style="bold")
    table = Table("figure", Column("value", justify="right"))
    table.add_row("lower boundary (nats)", _number(plan.solution.lower))
    table.add_row("upper boundary (nats)", _number(plan.solution.upper))
    for name, words in _CERTIFIED.items():
        table.add_row(words, _number(certificate[name]))
    table.add_row("fixed n with these errors", _number(plan.fixed_n))
    table.add_row("computed by", certificate["method"])
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
    _show_modes(plan, definition["errors"]["thresholds"])
    for warning in certificate["warnings"]:
        out.print(f"warning: {warning['message']}", style="yellow")


def _show_modes(plan: Any, chosen: str) -> None:
    """Print the four ways to set the thresholds side by side; the one of the definition is marked."""
    columns = ("lower", "upper", "alpha", "beta", "undecided H0", "undecided H1", "mean n H0", "mean n H1")
    table = Table("thresholds", *(Column(name, justify="right") for name in columns))
    for mode in plan.modes:
        name = f"{mode.mode} (this design)" if mode.mode == chosen else mode.mode
        figures = (
            mode.lower, mode.upper, mode.alpha, mode.beta,
            mode.p_undecided_h0, mode.p_undecided_h1, mode.mean_n_h0, mode.mean_n_h1,
        )  # fmt: skip
        table.add_row(name, *(("refused",) if mode.refused else map(_number, figures)))
    out.print(table)
    for mode in plan.modes:
        if mode.refused:
            out.print(f"{mode.mode}: {mode.refused}")


def _draw(plan: Any, file: Path) -> None:
    """Write the pictures of the design to a file, in the format that its name ends with."""
    from experiments.planning import stored_design
    from waldstream.pictures import FORMATS, pictures

    kind = next((name for name in FORMATS if file.suffix.lower() == f".{name}"), None)
    if kind is None:
        raise typer.BadParameter(f"{str(file)!r} ends otherwise; allowed: {', '.join('.' + name for name in FORMATS)}")
    solution = plan.solution
    solved = stored_design(solution.definition, solution.lower, solution.upper)
    title = f"{solution.definition['id']}: {_hypotheses(solution.definition)}"
    try:
        file.write_bytes(pictures(solved, title, plan.fixed_n, kind))
    except OSError as error:
        fail(f"{file}: {error}")
    err.print(f"pictures written to {file}")


@app.command(rich_help_panel="Experiments")
def validate(file: File, json: Json = False) -> None:
    """Check a definition; every problem is named with field, given value, and what is allowed."""
    from experiments.planning import in_words, solve

    definition = _parsed(file, json)
    with err.status("solving the design"):
        solution = solve(definition)
    if json:
        print_json(solution.definition)
        return
    out.print(f"{definition.id}: a valid definition; planned: {in_words(solution)}")
    for warning in solution.certificate["warnings"]:
        out.print(f"warning: {warning['message']}", style="yellow")


@app.command(rich_help_panel="Experiments")
def define(file: File, reason: Reason = None, json: Json = False) -> None:
    """Register a definition; nothing starts."""
    stored = _parsed(file, json).stored()
    with client() as connection:
        answer(connection.define(stored, reason=reason), json)


@app.command(rich_help_panel="Experiments")
def run(file: File, reason: Reason = None, watch: Watch = False, json: Json = False) -> None:
    """Define and start in one step."""
    stored = _parsed(file, json).stored()
    with client() as connection:
        answer(connection.run(stored, reason=reason), json)
    if watch:
        from waldstream.commands.history import follow_to_decision

        follow_to_decision([stored["id"]], json)


def _parsed(file: Path, json: bool = False) -> Any:
    from experiments.definition import DefinitionError, parse

    try:
        text = typer.get_text_stream("stdin").read() if str(file) == "-" else file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file}: {error}")
    try:
        return parse(text)
    except DefinitionError as error:
        if json:
            print_json({"problems": error.problems})
        fail(f"{file} is not a valid definition:\n" + "\n".join(f"  {problem}" for problem in error.problems))


def _hypotheses(definition: dict[str, Any]) -> str:
    model = definition["model"]
    sides = (", ".join(f"{name} = {value:g}" for name, value in model[side].items()) for side in ("h0", "h1"))
    return f"{model['family']}, " + " against ".join(sides)


def _number(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, list):
        return ", ".join(map(_number, value))
    return f"{value:.5g}" if isinstance(value, float) else str(value)
