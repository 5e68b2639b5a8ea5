"""The error rates and stop rules of a definition."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from experiments.durations import Duration
from experiments.families import Part, Probability


class Errors(Part):
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


class Stop(Part):
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
                "stop",
                "min_samples is {low}; allowed: at most max_samples = {high}",
                {"low": self.min_samples, "high": self.max_samples},
            )
        if self.at_limit != "undecided" and self.max_samples is None:
            raise PydanticCustomError("stop", "at_limit '{given}' needs max_samples", {"given": self.at_limit})
        return self
