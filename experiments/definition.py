"""What a researcher writes down: the one model of an experiment's definition, from a file, a form or a command.

All errors come at once, each with field, given value and what is allowed. Hypotheses, error rates and stop rules are
the design; the rest describes it.
"""

import json
import tomllib
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from experiments.durations import Duration

Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
Probability = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


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


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _P(_Part):
    p: Probability


class _Mean(_Part):
    mean: Finite


class _Rate(_Part):
    rate: Positive


class _PositiveMean(_Part):
    mean: Positive


class _Model(_Part):
    """What all families share: the alternative must agree with the hypotheses' order."""

    alternative: Literal["greater", "less", "two_sided"] | None = Field(
        default=None, description="Left out, it follows from the order of the hypotheses."
    )

    @model_validator(mode="after")
    def _hypotheses_agree(self) -> Self:
        null, other = self.parameters()
        if null == other:
            raise PydanticCustomError("hypotheses", "H0 and H1 must differ; both are {value}", {"value": null})
        implied = "greater" if other > null else "less"
        if self.alternative is None:
            object.__setattr__(self, "alternative", implied)  # frozen only for others
        elif self.alternative not in (implied, "two_sided"):
            raise PydanticCustomError(
                "hypotheses",
                "alternative '{given}' contradicts H1 = {other} against H0 = {null}; allowed: '{implied}', 'two_sided'",
                {"given": self.alternative, "other": other, "null": null, "implied": implied},
            )
        return self

    def parameters(self) -> tuple[float, float]:
        """Return the tested parameter under H0 and under H1."""
        (null,) = self.h0.model_dump().values()  # type: ignore[attr-defined]  # every family declares h0 and h1
        (other,) = self.h1.model_dump().values()  # type: ignore[attr-defined]  # with exactly one parameter
        return null, other


class BernoulliModel(_Model):
    """Zeros and ones; `p` is the probability of a one."""

    family: Literal["bernoulli"]
    h0: _P
    h1: _P


class NormalModel(_Model):
    """Normal measurements of known standard deviation."""

    family: Literal["normal"]
    h0: _Mean
    h1: _Mean
    sd: Positive


class PoissonModel(_Model):
    """Counts per unit of exposure."""

    family: Literal["poisson"]
    h0: _Rate
    h1: _Rate


class ExponentialModel(_Model):
    """Waiting times; `rate` is one over their mean."""

    family: Literal["exponential"]
    h0: _Rate
    h1: _Rate


class NegativeBinomialModel(_Model):
    """Over-dispersed counts of mean m and variance m + m^2/dispersion."""

    family: Literal["negative_binomial"]
    h0: _PositiveMean
    h1: _PositiveMean
    dispersion: Positive


Model = Annotated[
    BernoulliModel | NormalModel | PoissonModel | ExponentialModel | NegativeBinomialModel,
    Field(discriminator="family"),
]


class Errors(_Part):
    """Error rates: `alpha` of accepting H1 wrongly, `beta` of accepting H0 wrongly."""

    alpha: Probability
    beta: Probability | None = None
    thresholds: Literal["exact", "wald", "ville", "siegmund"] = "exact"

    @model_validator(mode="after")
    def _sum_below_one(self) -> Self:
        if self.beta is not None and self.alpha + self.beta >= 1:
            raise PydanticCustomError(
                "errors", "alpha + beta is {sum}; allowed: below 1", {"sum": self.alpha + self.beta}
            )
        return self


class Stop(_Part):
    """When a run ends; on one observation a boundary comes before the p rule, that before `max_samples`."""

    boundaries: Literal["both", "lower", "none"] | None = None
    p_value: Probability | None = None
    max_samples: Annotated[int, Field(ge=1, le=10**9)] | None = None
    min_samples: Annotated[int, Field(ge=1, le=10**9)] = 1
    at_limit: Literal["undecided", "sign", "midpoint"] = "undecided"
    max_duration: Duration | None = None
    stall_timeout: Duration | None = None

    @model_validator(mode="after")
    def _limits_agree(self) -> Self:
        if self.max_samples is not None and self.min_samples > self.max_samples:
            raise PydanticCustomError(
                "stop", "min_samples is {low}; allowed: at most max_samples = {high}",
                {"low": self.min_samples, "high": self.max_samples},
            )  # fmt: skip
        if self.at_limit != "undecided" and self.max_samples is None:
            raise PydanticCustomError("stop", "at_limit '{given}' needs max_samples", {"given": self.at_limit})
        return self


class _Paced(_Part):
    rate: Annotated[float, Field(gt=0, le=1e6)] = Field(default=1000.0, description="Records per second.")
    batch: Annotated[int, Field(ge=1, le=10_000)] = Field(default=1, description="Observations per record.")


class ExternalSource(_Part):
    """Observations come from producers of the researcher's own."""

    kind: Literal["external"] = "external"


class EntropySource(_Paced):
    """Bits of the operating system's entropy source; `p` is the share of ones made of them."""

    kind: Literal["entropy"]
    p: Probability = 0.5


class CsvSource(_Paced):
    """A column of a CSV file that the runner can read."""

    kind: Literal["csv"]
    path: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    column: Annotated[str, StringConstraints(min_length=1, max_length=200)] = "value"


Source = Annotated[ExternalSource | EntropySource | CsvSource, Field(discriminator="kind")]
Format = Literal["csv", "xlsx", "json", "parquet", "pdf"]


class Export(_Part):
    """Which formats the archive of a run holds; CSV, Parquet and JSON are its proof and always written."""

    formats: tuple[Format, ...] = ("csv", "xlsx", "json", "parquet", "pdf")


class ExperimentDefinition(_Part):
    """An experiment as its researcher describes it."""

    id: Identifier
    title: Text = ""
    owner: Text = ""
    tags: Annotated[tuple[Tag, ...], Field(max_length=20)] = ()
    question: Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)] = ""
    model: Model
    errors: Errors
    stop: Stop = Stop()
    source: Source = ExternalSource()
    export: Export = Export()

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
        definition = ExperimentDefinition.model_validate(given if isinstance(given, dict) else _document(given))
    except ValidationError as error:
        raise DefinitionError(_problems(error)) from error
    if problems := list(_contradictions(definition)):
        raise DefinitionError(problems)
    return definition


def _document(text: str) -> dict[str, Any]:
    as_json = text.lstrip().startswith("{")
    try:
        document: dict[str, Any] = json.loads(text) if as_json else tomllib.loads(text)
    except ValueError as error:
        kind = "JSON" if as_json else "TOML"
        raise DefinitionError([Problem("document", f"text that is not {kind}", f"the reader says: {error}")]) from error
    return document


def _contradictions(definition: ExperimentDefinition) -> Any:
    errors, stop = definition.errors, definition.stop
    limited = stop.max_samples is not None or stop.max_duration is not None
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
    if not limited and (errors.beta is None or stop.boundaries == "none"):
        yield Problem(
            "stop",
            "no lower boundary and no limit",
            "allowed: give max_samples or max_duration, or the run could go on for ever",
        )


def _problems(error: ValidationError) -> list[Problem]:
    return [
        Problem(
            ".".join(str(step) for step in entry["loc"] if step not in _TAGS) or "definition",
            _short(entry.get("input")) if entry["type"] != "missing" else "nothing",
            _allowed(entry["type"], entry["msg"], entry["loc"]),
        )
        for entry in error.errors(include_url=False)
    ]


#: The names pydantic puts into a location for the chosen member of a union; no field is called so.
_TAGS = {"bernoulli", "normal", "poisson", "exponential", "negative_binomial", "external", "entropy", "csv"}


def _allowed(kind: str, message: str, location: tuple[int | str, ...]) -> str:
    if kind == "extra_forbidden":
        return f"unknown field; allowed: {', '.join(_siblings(location))}"
    return message[0].lower() + message[1:]


def _siblings(location: tuple[int | str, ...]) -> list[str]:
    """Return the field names that exist where an unknown one was given."""
    schema = ExperimentDefinition.model_json_schema()
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
