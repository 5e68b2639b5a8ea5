"""The maximum-likelihood estimate at a state: unbiased by nothing, and after a stop biased away from the null."""

import math
from typing import Final

import numpy as np

from sprt.arrays import FloatArray
from sprt.families.base import Family
from sprt.families.bernoulli import Bernoulli
from sprt.families.counting import CountFamily
from sprt.families.exponential import Exponential
from sprt.families.multinomial import Multinomial
from sprt.families.normal import Normal
from sprt.families.paired_bernoulli import PairedBernoulli
from sprt.families.student_t import StudentT
from sprt.families.two_arm_normal import TwoArmNormal
from sprt.state import State

ELO: Final = 400.0 / math.log(10.0)


def naive_estimate(model: Family, state: State) -> float | None:
    """Return the maximum-likelihood estimate of the family's parameter, None where it does not exist or is infinite."""
    n = state.n
    value = math.nan
    if isinstance(model, Bernoulli | CountFamily):
        value = state.counts[0] / n if n else math.nan
    elif isinstance(model, Normal):
        value = model.h0 + state.sums[0] / n if n else math.nan
    elif isinstance(model, Exponential):
        value = n / state.sums[0] if state.sums[0] > 0.0 else math.nan
    elif isinstance(model, PairedBernoulli):
        value = state.counts[0] / (n - state.counts[0]) if n > state.counts[0] else math.nan
    elif isinstance(model, TwoArmNormal):
        n_a, n_b = state.counts
        value = state.sums[2] / n_b - state.sums[1] / n_a if n_a and n_b else math.nan
    elif isinstance(model, StudentT):
        value = standardised_effect(model, state)
    elif isinstance(model, Multinomial):
        value = elo_of(model, np.array(state.counts, dtype=np.float64))
    return value if math.isfinite(value) else None


def standardised_effect(model: StudentT, state: State) -> float:
    """Return the mean (or the difference b - a) over the pooled standard deviation, nan without one."""
    means, spread, df = [], 0.0, -model.samples
    for sample in range(model.samples):
        n, (first, total, squares) = state.counts[sample], state.sums[3 * sample : 3 * sample + 3]
        if n == 0:
            return math.nan
        means.append(first + total / n)
        spread += squares - total * (total / n)
        df += n
    if df < 1 or spread <= 0.0:
        return math.nan
    effect = means[0] if model.samples == 1 else means[1] - means[0]
    return effect / math.sqrt(spread / df)


def elo_of(model: Multinomial, counts: FloatArray) -> float:
    """Return the effect of the observed scores on the model's own scale, nan where it is infinite."""
    games = float(counts.sum())
    if games == 0.0:
        return math.nan
    p = counts / games
    score = np.linspace(0.0, 1.0, model.categories)
    mean = float(p @ score)
    if model.model == "normalized":
        sd = math.sqrt(float(p @ (score - mean) ** 2)) * (math.sqrt(2.0) if model.categories == 5 else 1.0)
        return 2.0 * ELO * (mean - 0.5) / sd if sd > 0.0 else math.nan
    if model.model == "logistic":
        return ELO * math.log(mean / (1.0 - mean)) if 0.0 < mean < 1.0 else math.nan
    win, loss = float(p[2]), float(p[0])
    if not (0.0 < win < 1.0 and 0.0 < loss < 1.0):
        return math.nan
    return 0.5 * ELO * (math.log(win / (1.0 - win)) - math.log(loss / (1.0 - loss)))
