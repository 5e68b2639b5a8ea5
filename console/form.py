"""The form of a new experiment as a definition, and each problem of the definition at the field that holds it.

The form has no rules of its own: `experiments.definition` judges what it makes, as it judges files and commands.
"""

import re
import unicodedata
from typing import Any, Final

from experiments.definition import Problem

#: Field of the form -> place in the definition.
PLACES: Final = {
    "id": "id",
    "title": "title",
    "question": "question",
    "owner": "owner",
    "tags": "tags",
    "p0": "model.h0.p",
    "p1": "model.h1.p",
    "alpha": "errors.alpha",
    "beta": "errors.beta",
    "thresholds": "errors.thresholds",
    "p_value": "stop.p_value",
    "max_samples": "stop.max_samples",
    "max_duration": "stop.max_duration",
    "stall_timeout": "stop.stall_timeout",
    "source": "source.kind",
    "rate": "source.rate",
    "batch": "source.batch",
    "source_p": "source.p",
}
_NUMBERS: Final = {"p0", "p1", "alpha", "beta", "p_value", "max_samples", "rate", "batch", "source_p"}
_OF_ENTROPY: Final = {"rate", "batch", "source_p"}


def definition(values: dict[str, str]) -> dict[str, Any]:
    """Return the definition that the form's fields make; empty fields are left out."""
    made: dict[str, Any] = {"model": {"family": "bernoulli"}}
    for field, place in PLACES.items():
        text = values.get(field, "").strip()
        if not text or (field in _OF_ENTROPY and values.get("source") != "entropy"):
            continue
        at = made
        *path, last = place.split(".")
        for step in path:
            at = at.setdefault(step, {})
        at[last] = _value(field, text)
    return made


def by_field(problems: list[Problem]) -> tuple[dict[str, str], list[str]]:
    """Return the problems by field of the form, and those that belong to none."""
    found: dict[str, str] = {}
    rest: list[str] = []
    for problem in problems:
        field = _field_of(problem.field)
        text = f"given {problem.given}; {problem.allowed}"
        if field is None:
            rest.append(f"{problem.field}: {text}")
        else:
            found.setdefault(field, text)
    return found, rest


def suggested_id(title: str) -> str:
    """Return an id made of a title: small letters, digits and dashes, at most 40."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-")


def _value(field: str, text: str) -> Any:
    """Return the text as what it means; what is no number stays text, for the definition to refuse."""
    if field == "tags":
        return [part for part in re.split(r"[,\s]+", text) if part]
    if field not in _NUMBERS:
        return text
    try:
        return int(text.replace(" ", ""))
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


def _field_of(place: str) -> str | None:
    exact = {target: field for field, target in PLACES.items()}
    if place in exact:
        return exact[place]
    near = {
        "model": "p1",
        "model.h1": "p1",
        "model.h0": "p0",
        "errors": "beta",
        "stop": "max_samples",
        "source": "source",
    }
    if place in near:
        return near[place]
    return "tags" if place.startswith("tags.") else None
