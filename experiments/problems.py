"""What is wrong with a definition, in words a researcher understands: every problem at once, by field."""

from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from experiments.families import Model
from experiments.sources import Source


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where, what was given, what is allowed."""

    field: str
    given: str
    allowed: str

    def __str__(self) -> str:
        """Return the problem as one line."""
        return f"{self.field}: given {self.given}; {self.allowed}"


class DefinitionError(ValueError):
    """A definition that cannot be used; `problems` lists everything that is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Return the problems that validating `model` has found."""
    return [
        Problem(
            ".".join(str(step) for step in entry["loc"] if step not in _MEMBERS) or "definition",
            "nothing" if entry["type"] == "missing" else _short(entry.get("input")),
            _allowed(entry["type"], entry["msg"], entry["loc"], model),
        )
        for entry in error.errors(include_url=False)
    ]


def _members(union: Any) -> set[str]:
    """Return the names by which pydantic tells the members of a tagged union apart."""
    annotated, info = get_args(union)
    members = get_args(annotated)
    return {get_args(member.model_fields[info.discriminator].annotation)[0] for member in members}


#: These appear in the location of an error, but no field of a definition is called so.
_MEMBERS = _members(Model) | _members(Source)


def _allowed(kind: str, message: str, location: tuple[int | str, ...], model: type[BaseModel]) -> str:
    if kind == "extra_forbidden":
        return f"unknown field; allowed: {', '.join(_siblings(location, model))}"
    return message[0].lower() + message[1:]


def _siblings(location: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
    """Return the field names that exist where an unknown one was given."""
    schema = model.model_json_schema()
    known = schema["$defs"]
    here: dict[str, Any] = schema
    for step in location[:-1]:
        options = [known[o["$ref"].rsplit("/", 1)[1]] for o in here.get("oneOf", [])]
        tagged = [o for o in options for f in ("family", "kind") if step == o["properties"].get(f, {}).get("const")]
        here = tagged[0] if tagged else here["properties"].get(str(step), {})
        if "$ref" in here:
            here = known[here["$ref"].rsplit("/", 1)[1]]
    return sorted(here.get("properties", {}))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
