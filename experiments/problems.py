"""What is wrong with a definition, in words a researcher understands: every problem at once, by field."""

from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from experiments.families import Model
from experiments.sources import Source
from experiments.texts import shown

#: So many problems are told at once; more are no help.
MOST = 20


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
    entries = error.errors(include_url=False)
    problems = [
        Problem(
            shown(".".join(str(step)[:80] for step in entry["loc"] if step not in _MEMBERS), 200) or "definition",
            "nothing" if entry["type"] == "missing" else _short(entry.get("input")),
            shown(_allowed(entry["type"], entry["msg"], entry["loc"], model), 500),
        )
        for entry in entries[:MOST]
    ]
    if len(entries) > MOST:
        problems.append(Problem("definition", f"{len(entries) - MOST} further problems", f"shown are the first {MOST}"))
    return problems


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
    if kind == "string_pattern_mismatch":
        return "allowed: the pattern " + message.removeprefix("String should match pattern '^").removesuffix("$'")
    return message if message.startswith(("H0", "H1")) else message[0].lower() + message[1:]


def _siblings(location: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
    """Return the field names that exist where an unknown one was given."""
    schema = _schema_of(model)
    known = schema["$defs"]
    here: dict[str, Any] = schema
    for step in location[:-1]:
        options = [known[o["$ref"].rsplit("/", 1)[1]] for o in here.get("oneOf", [])]
        tagged = [o for o in options for f in ("family", "kind") if step == o["properties"].get(f, {}).get("const")]
        here = tagged[0] if tagged else here["properties"].get(str(step), {})
        if "$ref" in here:
            here = known[here["$ref"].rsplit("/", 1)[1]]
    return sorted(here.get("properties", {}))


@cache
def _schema_of(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
