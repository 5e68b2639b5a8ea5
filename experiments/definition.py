"""What a researcher writes down: the one model of an experiment's definition, from a file, a form or a command.

All errors come at once, each with field, given value and what is allowed. Hypotheses, error rates and stop rules are
the design; the rest describes and schedules it.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from experiments.families import Model, Part
from experiments.problems import DefinitionError, Problem, problems_of
from experiments.rules import Errors, Stop
from experiments.schedule import Schedule
from experiments.sources import Export, ExternalSource, Health, Retry, Source

__all__ = ["DefinitionError", "ExperimentDefinition", "Problem", "parse"]

_UNSEEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")


def _is_visible(given: str) -> str:
    """Return the text unless it has characters that act on a screen or a file instead of being read."""
    if found := _UNSEEN.search(given):
        raise PydanticCustomError(
            "text", "allowed: text without control characters such as {it}", {"it": ascii(found[0])}
        )
    return given


_Visible = AfterValidator(_is_visible)
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), _Visible]
Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40), _Visible]
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]


class ExperimentDefinition(Part):
    """An experiment as its researcher describes it."""

    id: Identifier
    title: Text = ""
    owner: Text = ""
    tags: Annotated[tuple[Tag, ...], Field(max_length=20)] = ()
    question: Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000), _Visible] = ""
    model: Model
    errors: Errors
    stop: Stop = Stop()
    schedule: Schedule = Schedule()
    retry: Retry = Retry()
    source: Source = ExternalSource()
    health: Health = Health()
    export: Export = Export()
    blinded: bool = False

    @model_validator(mode="after")
    def _fills_in_boundaries(self) -> Self:
        if self.stop.boundaries is None:
            with_p = "none" if self.errors.beta is None else "lower"
            chosen = "both" if self.stop.p_value is None else with_p
            object.__setattr__(self, "stop", self.stop.model_copy(update={"boundaries": chosen}))
        return self

    def stored(self) -> dict[str, Any]:
        """Return the form that is stored, digested and published: plain JSON values, defaults filled in."""
        return self.model_dump(mode="json")


def parse(given: dict[str, Any] | str) -> ExperimentDefinition:
    """Return the definition in a mapping, or in the text of a TOML or JSON document.

    Raises
    ------
    DefinitionError
        With every problem found.
    """
    try:
        definition = ExperimentDefinition.model_validate(_document(given) if isinstance(given, str) else given)
    except ValidationError as error:
        raise DefinitionError(problems_of(error, ExperimentDefinition)) from error
    if problems := list(_contradictions(definition)):
        raise DefinitionError(problems)
    return definition


def _document(text: str) -> dict[str, Any]:
    as_json = text.lstrip().startswith("{")
    try:
        document: dict[str, Any] = json.loads(text) if as_json else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        kind = "JSON" if as_json else "TOML"
        raise DefinitionError([Problem("document", f"text that is not {kind}", f"the reader says: {error}")]) from error
    return document


def _contradictions(definition: ExperimentDefinition) -> Iterator[Problem]:
    """Yield what is wrong between parts that are each right."""
    errors, stop = definition.errors, definition.stop
    if stop.p_value is not None and stop.p_value > errors.alpha:
        yield Problem("stop.p_value", f"{stop.p_value}", f"allowed: at most alpha = {errors.alpha}")
    if errors.beta is None and stop.boundaries == "lower":
        yield Problem("stop.boundaries", "'lower' without errors.beta", "allowed: 'none', or give errors.beta")
    if stop.boundaries != "both" and stop.p_value is None and stop.at_limit == "undecided":
        yield Problem(
            "stop.boundaries",
            f"'{stop.boundaries}'",
            "allowed without p_value and at_limit: 'both' (H1 could not be accepted)",
        )
    if stop.max_samples is None and (errors.beta is None or stop.boundaries == "none"):
        yield Problem(
            "stop.max_samples",
            "nothing, and no lower boundary",
            "allowed: a limit, or errors.beta with a lower boundary; else the run could go on for ever",
        )
    if definition.schedule.overlap == "queue" and not definition.schedule.recurs:
        yield Problem("schedule.overlap", "'queue' without cron or every", "allowed: 'skip'")
