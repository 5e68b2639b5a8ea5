"""Scores of games or of pairs of games: the effect in elo, by the generalised SPRT of Van den Bergh.

The likelihood ratio is that of two constrained fits to the same counts, so its thresholds and its p hold
asymptotically only, and there is no p rule. Values are category numbers, from the lowest score.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.optimize import brentq

from sprt.arrays import ArmArray, BoolArray, FloatArray
from sprt.errors import DesignError
from sprt.families.base import Family, Walk, numbered, require_different, require_finite
from sprt.gsprt import gsprt_llr
from sprt.state import State

SCALES = ("normalized", "logistic", "bayeselo")


@dataclass(frozen=True)
class Multinomial(Family):
    """The effect is `elo0` under H0 and `elo1` under H1, on the scale of `model`; 3 or 5 categories of score."""

    elo0: float
    elo1: float
    model: str = "normalized"
    categories: int = 3

    name: ClassVar[str] = "multinomial"
    parameter: ClassVar[str] = "elo"
    is_lattice: ClassVar[bool] = True
    has_exact_law: ClassVar[bool] = False
    has_two_sided: ClassVar[bool] = False
    has_p_rule: ClassVar[bool] = False
    p_kind: ClassVar[str] = "asymptotic p: the generalised likelihood ratio is no e-process"

    def __post_init__(self) -> None:
        require_finite(elo0=self.elo0, elo1=self.elo1)
        require_different("elo", self.elo0, self.elo1)
        if self.model not in SCALES:
            raise DesignError(f"model: {self.model!r} given, one of {', '.join(SCALES)} is allowed")
        if isinstance(self.categories, bool) or self.categories not in (3, 5):
            raise DesignError(f"categories: {self.categories!r} given, 3 or 5 is allowed")
        gsprt_llr([1] * self.categories, self.elo0, self.elo1, self.model)  # refuses effects that no scores can have

    @property
    def support(self) -> str:  # type: ignore[override]  # for this family it depends on the number of categories
        """The values allowed, in words."""
        return f"a whole number from 0 to {self.categories - 1}"

    @property
    def h0(self) -> float:  # noqa: D102 - as in Family
        return float(self.elo0)

    @property
    def h1(self) -> float:  # noqa: D102 - as in Family
        return float(self.elo1)

    def mirrored(self) -> float:  # noqa: D102 - as in Family
        return 2.0 * self.h0 - self.h1

    def check_theta(self, theta: FloatArray) -> None:  # noqa: D102 - as in Family
        for elo in np.unique(theta):
            self.probabilities(float(elo))

    def supports(self, xs: FloatArray, arms: ArmArray | None = None) -> BoolArray:  # noqa: ARG002, D102 - one arm; as in Family
        result: BoolArray = np.isin(xs, np.arange(self.categories))
        return result

    def start(self) -> tuple[tuple[int, ...], tuple[float, ...]]:  # noqa: D102 - as in Family
        return (0,) * self.categories, ()

    def walk(self, state: State, xs: FloatArray, arms: ArmArray | None, *, two_sided: bool) -> Walk:  # noqa: ARG002, D102 - one arm, one side; as in Family
        seen = xs[:, None] == np.arange(self.categories)[None, :]
        counts = np.asarray(state.counts)[None, :] + np.cumsum(seen, axis=0)
        n = numbered(state.n, xs.shape[0])
        llr = np.asarray(gsprt_llr(counts, self.elo0, self.elo1, self.model))
        return Walk(llr, n, lambda k: (state.n + k + 1, tuple(int(count) for count in counts[k]), (), ""))

    def probabilities(self, elo: float) -> FloatArray:
        """Return one law of the scores with this effect: for simulation, the even law tilted until it has it."""
        score = np.linspace(0.0, 1.0, self.categories)

        def law(tilt: float) -> FloatArray:
            weight = np.exp(tilt * (score - 0.5) - abs(0.5 * tilt))
            result: FloatArray = weight / weight.sum()
            return result

        def excess(tilt: float) -> float:
            p = law(tilt)
            mean = float(p @ score)
            if self.model == "normalized":
                sd = math.sqrt(float(p @ (score - mean) ** 2)) * (math.sqrt(2.0) if self.categories == 5 else 1.0)
                return (mean - 0.5) / sd - elo * math.log(10.0) / 800.0
            if self.model == "logistic":
                return mean - 1.0 / (1.0 + math.pow(10.0, -elo / 400.0))
            win, loss = float(p[2]), float(p[0])
            return 200.0 * math.log10(win / loss * (1.0 - loss) / (1.0 - win)) - elo

        if excess(-60.0) > 0.0 or excess(60.0) < 0.0:
            raise DesignError(f"theta: {elo!r} given, an effect nearer to 0 is allowed (no such law of scores)")
        return law(float(brentq(excess, -60.0, 60.0, xtol=1e-13)))

    def drifts(self) -> tuple[float, float]:
        """Return the mean steps in the long run: the ratio of a million games with the expected counts, per game."""
        games = 1e6
        low, high = (
            float(gsprt_llr(np.round(games * self.probabilities(elo)), self.elo0, self.elo1, self.model)) / games
            for elo in (self.h0, self.h1)
        )
        return low, high

    def sample(self, theta: float, shape: tuple[int, int], rng: np.random.Generator) -> FloatArray:  # noqa: D102 - as in Family
        edges = np.cumsum(self.probabilities(theta))[:-1]
        return np.searchsorted(edges, rng.random(shape), side="right").astype(np.float64)
