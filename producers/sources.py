"""Which source a definition asks for."""

from pathlib import Path
from typing import Any

from experiments.definition import ExperimentDefinition
from producers.columns import CsvColumn
from producers.entropy import EntropyBits
from producers.errors import SourceError
from producers.simulated import Simulated
from producers.source import Source


def open_source(definition: dict[str, Any], run: int, files: Path) -> Source:
    """Return the source that the `[source]` section of a definition describes.

    Parameters
    ----------
    definition
        As stored: defaults filled in.
    run
        Which run of the experiment it feeds; simulated observations differ from run to run.
    files
        The only folder that files are read from.

    Raises
    ------
    SourceError
        If the source cannot be opened.
    """
    section = definition["source"]
    kind, batch = section["kind"], section["batch"]
    if kind == "entropy":
        return EntropyBits(batch, section["p"])
    if kind == "csv":
        return CsvColumn(section["path"], section["column"], batch, files)
    if kind == "simulate":
        family = ExperimentDefinition.model_validate(definition).model.hypotheses()
        return Simulated(family, section["theta"], batch, section["seed"], run)
    raise SourceError(f"source.kind: {kind!r}; this runner knows: 'csv', 'entropy', 'simulate'")
