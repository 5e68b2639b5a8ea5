"""Designs to begin with, one TOML file each: what a researcher copies, changes and runs."""

from dataclasses import dataclass
from functools import cache
from importlib import resources

from experiments.definition import ExperimentDefinition, parse


@dataclass(frozen=True, slots=True)
class Template:
    """A definition to begin with: `text` is TOML with remarks, `about` says in one line what it is for."""

    name: str
    about: str
    text: str

    def definition(self) -> ExperimentDefinition:
        """Return the definition as it stands."""
        return parse(self.text)


@cache
def templates() -> dict[str, Template]:
    """Return every template by name, in order of names."""
    files = sorted((resources.files("experiments") / "templates").iterdir(), key=lambda file: file.name)
    found = [(file.name.removesuffix(".toml"), file.read_text("utf-8")) for file in files]
    return {name: Template(name, text.split("\n", 1)[0].removeprefix("# "), text) for name, text in found}
