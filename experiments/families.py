"""The model part of a definition: one class per family, and the `sprt` family it stands for."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

import sprt

Probability = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Part(BaseModel):
    """A part of a definition: frozen, and unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _P(Part):
    p: Probability


class _Mean(Part):
    mean: Finite


class _Rate(Part):
    rate: Positive


class _PositiveMean(Part):
    mean: Positive


class _OddsRatio(Part):
    odds_ratio: Positive


class _Difference(Part):
    difference: Finite


class _Effect(Part):
    effect: Finite


class _Elo(Part):
    elo: Finite


class _Model(Part):
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

    def hypotheses(self) -> sprt.Family:
        """Return the family with its two hypotheses."""
        return sprt.Bernoulli(*self.parameters())


class NormalModel(_Model):
    """Normal measurements of known standard deviation."""

    family: Literal["normal"]
    h0: _Mean
    h1: _Mean
    sd: Positive

    def hypotheses(self) -> sprt.Family:
        """Return the family with its two hypotheses."""
        return sprt.Normal(*self.parameters(), self.sd)


class PoissonModel(_Model):
    """Counts per unit of exposure."""

    family: Literal["poisson"]
    h0: _Rate
    h1: _Rate

    def hypotheses(self) -> sprt.Family:
        """Return the family with its two hypotheses."""
        return sprt.Poisson(*self.parameters())


class ExponentialModel(_Model):
    """Waiting times; `rate` is one over their mean."""

    family: Literal["exponential"]
    h0: _Rate
    h1: _Rate

    def hypotheses(self) -> sprt.Family:
        """Return the family with its two hypotheses."""
        return sprt.Exponential(*self.parameters())


class NegativeBinomialModel(_Model):
    """Over-dispersed counts of mean m and variance m + m^2/dispersion."""

    family: Literal["negative_binomial"]
    h0: _PositiveMean
    h1: _PositiveMean
    dispersion: Positive

    def hypotheses(self) -> sprt.Family:
        """Return the family with its two hypotheses."""
        return sprt.NegativeBinomial(*self.parameters(), self.dispersion)


class PairedBernoulliModel(_Model):
    """Zeros and ones of two arms, the k-th of `a` with the k-th of `b`; only discordant pairs tell them apart."""

    family: Literal["paired_bernoulli"]
    h0: _OddsRatio
    h1: _OddsRatio

    def hypotheses(self) -> sprt.Family:
        """Return the family with its two hypotheses."""
        return sprt.PairedBernoulli(*self.parameters())


class TwoArmNormalModel(_Model):
    """Normal measurements of two arms with one known standard deviation; the difference is b - a."""

    family: Literal["two_arm_normal"]
    h0: _Difference
    h1: _Difference
    sd: Positive

    def hypotheses(self) -> sprt.Family:
        """Return the family with its two hypotheses."""
        return sprt.TwoArmNormal(*self.parameters(), self.sd)


class StudentTModel(_Model):
    """Normal measurements of unknown standard deviation; `effect` is standardised."""

    family: Literal["student_t"]
    h0: _Effect
    h1: _Effect
    samples: Literal[1, 2] = 1

    def hypotheses(self) -> sprt.Family:
        """Return the family with its two hypotheses."""
        return sprt.StudentT(*self.parameters(), self.samples)


class MultinomialModel(_Model):
    """Scores of matches by category, from the worst to the best; the strength is in Elo on the scale `model`."""

    family: Literal["multinomial"]
    h0: _Elo
    h1: _Elo
    model: Literal["normalized", "logistic", "bayeselo"] = "normalized"
    categories: Literal[3, 5] = 3

    def hypotheses(self) -> sprt.Family:
        """Return the family with its two hypotheses."""
        return sprt.Multinomial(*self.parameters(), self.model, self.categories)


Model = Annotated[
    BernoulliModel
    | NormalModel
    | PoissonModel
    | ExponentialModel
    | NegativeBinomialModel
    | PairedBernoulliModel
    | TwoArmNormalModel
    | StudentTModel
    | MultinomialModel,
    Field(discriminator="family"),
]
