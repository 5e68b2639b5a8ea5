"""Designs to begin with: what there is, and the TOML to copy."""

import sys
from typing import Annotated

import typer
from rich.table import Column, Table

from waldstream.terminal import Json, out, print_json

app = typer.Typer()
template = typer.Typer(help="Designs to begin with.", no_args_is_help=True)
app.add_typer(template, name="template", rich_help_panel="Experiments")


@template.command("list")
def list_templates(json: Json = False) -> None:
    """List the designs to begin with."""
    from experiments.templates import templates

    found = templates().values()
    if json:
        print_json([{"name": each.name, "about": each.about, "family": _family(each.name)} for each in found])
        return
    table = Table(Column("template", no_wrap=True), "family", "what it is for")
    for each in found:
        table.add_row(each.name, _family(each.name), each.about)
    out.print(table)


@template.command("show")
def show_template(
    name: Annotated[str, typer.Argument(help="Name of the template.")],
    json: Json = False,
) -> None:
    """Print a design as TOML: `waldstream template show NAME > mine.toml`, change it, `waldstream run mine.toml`."""
    from experiments.templates import templates

    found = templates().get(name)
    if found is None:
        raise typer.BadParameter(f"{name!r}; allowed: {', '.join(templates())}", param_hint="NAME")
    if json:
        print_json(found.definition().stored())
    else:
        sys.stdout.write(found.text)


def _family(name: str) -> str:
    from experiments.templates import templates

    return templates()[name].definition().model.family
