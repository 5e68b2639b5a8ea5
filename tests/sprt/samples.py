"""Examples of every family, with values inside and outside its support: the contract suite runs on them."""

from dataclasses import dataclass, field

import numpy as np

from sprt import (
    Bernoulli,
    Exponential,
    Family,
    Multinomial,
    NegativeBinomial,
    Normal,
    PairedBernoulli,
    Poisson,
    StudentT,
    TwoArmNormal,
)
from sprt.arrays import ArmArray, FloatArray


@dataclass(frozen=True)
class Example:
    """A family with values that lie outside its support, and its far but finite ones."""

    model: Family
    outside: tuple[float, ...]
    extreme: tuple[float, ...]
    swapped: Family  # h0 and h1 exchanged
    two_sided: bool = True
    label: str = field(default="")

    def draw(self, size: int, seed: int, theta: float | None = None) -> tuple[FloatArray, ArmArray | None]:
        """Return observations at h1 (or theta), with random arms where the family has them."""
        rng = np.random.default_rng(seed)
        at = self.model.h1 if theta is None else theta
        if isinstance(self.model, PairedBernoulli):
            return (rng.random(size) < 0.4).astype(np.float64), rng.integers(0, 2, size).astype(np.int8)
        values = self.model.sample(at, (1, size), rng)[0]
        return values, rng.integers(0, 2, size).astype(np.int8) if self.model.has_arms else None


NOT_FINITE = (float("nan"), float("inf"), float("-inf"))
NOT_BINARY = (*NOT_FINITE, -1.0, 2.0, 0.5, 1.0000001)
NOT_COUNTS = (*NOT_FINITE, -1.0, 0.5, 1e10)
TOO_LARGE = (*NOT_FINITE, 1e200, -1e200)

EXAMPLES: list[Example] = [
    Example(Bernoulli(0.1, 0.3), NOT_BINARY, (0.0, 1.0), Bernoulli(0.3, 0.1)),
    Example(Bernoulli(0.6, 0.45), NOT_BINARY, (0.0, 1.0), Bernoulli(0.45, 0.6), label="less"),
    Example(Normal(1.0, 1.5, 2.0), TOO_LARGE, (1e150, -1e150, 0.0, 5e-324), Normal(1.5, 1.0, 2.0)),
    Example(Normal(1e6, 1e6 - 0.4, 1.0), TOO_LARGE, (1e150, -1e150), Normal(1e6 - 0.4, 1e6, 1.0), label="offset"),
    Example(Poisson(1.2, 2.0), NOT_COUNTS, (0.0, 1e9), Poisson(2.0, 1.2)),
    Example(Exponential(1.0, 1.7), (*TOO_LARGE, -1e-9), (0.0, 1e150, 5e-324), Exponential(1.7, 1.0)),
    Example(NegativeBinomial(2.0, 3.5, 0.8), NOT_COUNTS, (0.0, 1e9), NegativeBinomial(3.5, 2.0, 0.8)),
    Example(PairedBernoulli(1.0, 2.5), NOT_BINARY, (0.0, 1.0), PairedBernoulli(2.5, 1.0)),
    Example(TwoArmNormal(0.0, 0.8, 1.3), TOO_LARGE, (1e150, -1e150), TwoArmNormal(0.8, 0.0, 1.3)),
    Example(StudentT(0.0, 0.5), TOO_LARGE, (1e150, -1e150, 0.0), StudentT(0.5, 0.0)),
    Example(StudentT(0.1, 0.6, 2), TOO_LARGE, (1e150, -1e150), StudentT(0.6, 0.1, 2), label="two samples"),
    Example(Multinomial(0.0, 40.0), (*NOT_FINITE, -1.0, 3.0, 0.5), (0.0, 2.0), Multinomial(40.0, 0.0), two_sided=False),
    Example(
        Multinomial(0.0, 20.0, "logistic", 5),
        (*NOT_FINITE, -1.0, 5.0),
        (0.0, 4.0),
        Multinomial(20.0, 0.0, "logistic", 5),
        two_sided=False,
        label="pairs",
    ),
]


def name_of(example: Example) -> str:
    """Return the name of an example in test ids."""
    return f"{example.model.name}{'-' + example.label if example.label else ''}".replace(" ", "-")
