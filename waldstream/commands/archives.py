"""Archives: whether a folder is what it claims to be."""

from pathlib import Path
from typing import Annotated

import typer

from waldstream.terminal import Json, fail, out, print_json

app = typer.Typer()


@app.command(rich_help_panel="Archives")
def verify(
    path: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder of the archive of one run.")],
    digest: Annotated[
        str | None, typer.Option("--digest", help="The manifest digest that was published, in hexadecimal.")
    ] = None,
    json: Json = False,
) -> None:
    """Recompute the hashes and the decision of an archive from the archive alone."""
    from exporter.verify import verify as verified

    found = verified(path, digest)
    if json:
        print_json({"ok": found.ok, "reasons": list(found.reasons), "summary": found.summary})
        if not found.ok:
            raise typer.Exit(1)
    elif found.ok:
        out.print(f"{path}: verified: {found.summary}")
    else:
        fail("\n".join((f"{path}: not verified", *(f"  {reason}" for reason in found.reasons))))
