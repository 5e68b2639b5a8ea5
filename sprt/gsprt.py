"""Generalised SPRT for scores of games: the log likelihood ratio of multinomial counts under two constrained fits.

Under each hypothesis the category probabilities are those of greatest likelihood that have the hypothesised effect, on
a named scale; the same counts give different ratios on different scales. Source: Van den Bergh's GSPRT as in fishtest.
"""

import math
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from sprt.arguments import FloatArray, FloatOrArray, plain, real_number, whole_array
from sprt.errors import DesignError, ObservationError

EloModel = Literal["normalized", "logistic", "bayeselo"]

_EMPTY = 1e-3
"""What a category without a game counts as, so that its probability is never 0; the value of fishtest."""
_BLOCK = 4_096
"""Count vectors fitted at once, so that memory stays bounded."""
_ROUNDS = 60
"""Rounds of the fixed point; a few do for the effects of real games."""
_STEEP = 1.2
"""Beyond this ratio of mean to standard deviation the constrained likelihood often has several maxima."""
_WIDEST = 1e4
"""Largest elo; as a mean score it is already 1 in double precision."""
_SEARCHED = 64
"""Count vectors searched at once, as `_BLOCK`."""


def gsprt_llr(counts: ArrayLike, elo0: float, elo1: float, model: str = "normalized") -> FloatOrArray:
    """Return the log likelihood ratio of the fit constrained to `elo1` against the one constrained to `elo0`, in nats.

    Its thresholds keep the error rates asymptotically only: the hypotheses are composite, so this is no e-process.

    Parameters
    ----------
    counts
        Games (or pairs of games) by score, from lowest to highest, shape `(..., 3)` (loss, draw, win) or `(..., 5)`
        (0, 1/2, 1, 3/2, 2 points of a pair); whole numbers. An empty category counts as 0.001.
    elo0, elo1
        Effects under H0 and H1, in elo of the model, within +-10 000.
    model
        `logistic`: mean score 1 / (1 + 10^(-elo/400)). `normalized`: (mean - 1/2) / sd = elo ln(10) / 800, for pairs
        times sqrt(2). `bayeselo` (3 categories): the mean score of a win with probability 1 / (1 + 10^((d - elo)/400))
        and a loss with probability 1 / (1 + 10^((d + elo)/400)), the draw elo d read off the counts.

    Raises
    ------
    ObservationError
        If a count is negative, not whole or not finite, or there are not 3 or 5 of them.
    DesignError
        If the model is unknown or lacks these categories, or no distribution of the scores has such an effect.

    References
    ----------
    Van den Bergh, M. Generalized sequential probability ratio test for multinomial and related distributions, notes to
    official-stockfish/fishtest.
    """
    if model not in get_args(EloModel):
        raise DesignError(f"model = {model!r}: {', '.join(get_args(EloModel))} are allowed")
    observed = whole_array("counts", counts)
    categories = observed.shape[-1] if observed.ndim else 0
    if categories not in {3, 5}:
        raise ObservationError(
            f"counts has shape {observed.shape}: 3 or 5 categories, shape (..., 3) or (..., 5), are allowed"
        )
    if model == "bayeselo" and categories != 3:
        raise DesignError("model = 'bayeselo' with 5 categories: pairs do not show the draws, 3 categories are allowed")
    hypotheses = [
        real_number(field, elo, at_least=-_WIDEST, at_most=_WIDEST) for field, elo in (("elo0", elo0), ("elo1", elo1))
    ]
    # categories first: sums over them are then a few additions of long rows
    games = np.where(observed > 0.0, observed, _EMPTY).reshape(-1, categories).T
    llr = np.empty(games.shape[1])
    with np.errstate(all="ignore"):
        for start in range(0, games.shape[1], _BLOCK):
            block = np.ascontiguousarray(games[:, start : start + _BLOCK])
            under0, under1 = (_fitted_log_likelihood(block, elo, model) for elo in hypotheses)
            llr[start : start + _BLOCK] = under1 - under0
    return plain("llr", llr.reshape(observed.shape[:-1]))


def quick_llr(counts: FloatArray, elo0: float, elo1: float, model: str) -> FloatArray:
    """Return an approximation of `gsprt_llr` by the first two moments of the scores, good to some percent: to screen.

    `n/2 log(second moment about score 0 / about score 1)` of the mean score, or of mean over standard deviation.
    """
    games = np.moveaxis(np.where(counts > 0.0, counts, _EMPTY), -1, 0)
    total = _over_categories(games)
    weights = games / total
    scores = np.linspace(-0.5, 0.5, games.shape[0]).reshape(-1, *[1] * (games.ndim - 1))
    mean = _over_categories(weights * scores)
    variance = _over_categories(weights * (scores - mean) ** 2)
    with np.errstate(all="ignore"):
        if model == "normalized":
            root = math.log(10.0) / 800.0 * (math.sqrt(2.0) if games.shape[0] == 5 else 1.0)
            spread, mean = np.ones(mean.shape), mean / np.sqrt(variance)
            centres = [np.full(mean.shape, root * elo) for elo in (elo0, elo1)]
        else:
            spread = variance
            flat = weights.reshape(games.shape[0], -1)
            centres = [_mean_score(flat, elo, model).reshape(mean.shape) for elo in (elo0, elo1)]
        moments = [np.log(spread + (mean - centre) ** 2) for centre in centres]
    return np.asarray(0.5 * total * (moments[0] - moments[1]))


def _over_categories(values: FloatArray) -> FloatArray:
    """Return the sum over the categories, in their order: no bit depends on how many columns there are."""
    total: FloatArray = values[0] + values[1]
    for row in values[2:]:
        total = total + row
    return total


def _fitted_log_likelihood(games: FloatArray, elo: float, model: str) -> FloatArray:
    """Return the log likelihood of the constrained fit less that of the unconstrained one, one value per column."""
    weights = games / _over_categories(games)
    scores = np.linspace(-0.5, 0.5, games.shape[0])  # about 1/2
    if model == "normalized":
        effect = elo * math.log(10.0) / 800.0 * (math.sqrt(2.0) if scores.size == 5 else 1.0)
        fitted = _fit_standardised(weights, scores, effect)
    else:
        fitted = _fit_linear(weights, scores[:, None] - _mean_score(weights, elo, model))
    if np.isnan(fitted).any():
        raise DesignError(
            f"elo = {elo:g} ({model}): no distribution over {scores.size} scores near these counts has it"
        )
    return _over_categories(games * fitted)


def _mean_score(weights: FloatArray, elo: float, model: str) -> FloatArray:
    """Return the hypothesised mean score less 1/2, one value per column."""
    scale = math.log(10.0) / 400.0
    if model == "logistic":
        return np.full(weights.shape[1], 0.5 * math.tanh(scale * elo / 2.0))
    draw_elo = -(special.logit(weights[0]) + special.logit(weights[-1])) / (2.0 * scale)
    win, loss = (special.expit(scale * (sign * elo - draw_elo)) for sign in (1.0, -1.0))
    return np.asarray((win - loss) / 2.0)


def _fit_linear(weights: FloatArray, x: FloatArray) -> FloatArray:
    """Return log(p / weights) of the likeliest p with mean of x zero: p = weights / (1 + multiplier x)."""
    return -np.log1p(_multiplier(weights, x) * x)


def _fit_standardised(weights: FloatArray, scores: FloatArray, effect: float) -> FloatArray:
    """Return log(p / weights) of the likeliest p whose mean is `effect` standard deviations.

    The constraint is not linear in p, but its derivative is that of the mean of
    x = score - effect sd (1 + ((score - mean) / sd)^2) / 2 with the mean and sd of p: so p is a fixed point of fitting
    that linear constraint. The uniform distribution is a start from which some x has each sign.
    """
    if abs(effect) > _STEEP:
        return _fit_by_search(weights, scores, effect)
    size = weights.shape[1]
    fitted = np.full(weights.shape, np.nan)
    active = np.arange(size)
    m, s, w = np.zeros(size), np.full(size, scores.std()), weights
    multiplier = np.zeros(size)
    score = scores[:, None]
    for _ in range(_ROUNDS):
        x = score - effect * s * (1.0 + ((score - m) / s) ** 2) / 2.0
        multiplier = _multiplier(w, x, multiplier)
        ratio = 1.0 + multiplier * x
        p = w / ratio
        mean = _over_categories(p * score)
        sd = np.sqrt(_over_categories(p * (score - mean) ** 2))
        going = ~(np.maximum(np.abs(mean - m), np.abs(sd - s)) <= 1e-13)
        done = ~going
        fitted[:, active[done]] = -np.log(ratio[:, done])
        active = active[going]
        if not active.size:
            return fitted
        m, s, w, multiplier = mean[going], sd[going], w[:, going], multiplier[going]
    fitted[:, active] = _fit_by_search(weights[:, active], scores, effect)
    return fitted


def _multiplier(weights: FloatArray, x: FloatArray, start: FloatArray | None = None) -> FloatArray:
    """Return per column the root l of sum weights x / (1 + l x), NaN where x has one sign only.

    The sum falls from +inf to -inf between the poles that belong to the largest and the smallest x: Newton's method,
    with bisection whenever it leaves the bracket.
    """
    low, high = -1.0 / x.max(axis=0), -1.0 / x.min(axis=0)
    possible = (low < 0.0) & (high > 0.0) & np.isfinite(low) & np.isfinite(high)
    multiplier = np.zeros(x.shape[1]) if start is None else np.where((low < start) & (start < high), start, 0.0)
    multiplier[~possible] = np.nan
    active = np.flatnonzero(possible)
    before, below, above, x, weights = multiplier[active], low[active], high[active], x[:, active], weights[:, active]
    for _ in range(200):
        if not active.size:
            break
        ratio = x / (1.0 + before * x)
        weighted = weights * ratio
        excess = _over_categories(weighted)
        below, above = np.where(excess > 0.0, before, below), np.where(excess > 0.0, above, before)
        newton = before + excess / _over_categories(weighted * ratio)
        following = np.where((below <= newton) & (newton <= above), newton, (below + above) / 2.0)
        # Newton's step squares the error: one this small was the last that mattered
        going = np.abs(following - before) > 1e-11 * np.abs(following)
        multiplier[active] = following
        if not going.all():
            active, following, below, above = active[going], following[going], below[going], above[going]
            x, weights = x[:, going], weights[:, going]
        before = following
    return multiplier


def _fit_by_search(weights: FloatArray, scores: FloatArray, effect: float) -> FloatArray:
    """Return what `_fit_standardised` does, by search over all means that the constraint leaves; NaN where none fits.

    Given the mean m (about 1/2), sd = m / effect, x is known and its fit is the one linear root; m is right where that
    fit has mean m. Some x is positive only for m within score (1 +- 1 / sqrt(1 + effect^2)) of a score.
    """
    score = scores[:, None]

    def fit(games: FloatArray, m: FloatArray) -> tuple[FloatArray, FloatArray]:
        x = score - m / 2.0 - effect**2 / (2.0 * m) * (score - m) ** 2
        ratio = 1.0 + _multiplier(games, x) * x
        return -np.log(ratio), _over_categories(games / ratio * score) - m

    spread = np.cos(np.linspace(0.0, math.pi, 130)[1:-1]) / math.sqrt(1.0 + effect**2)
    near_scores = [score * (1.0 + spread) for score in scores[scores > 0.0]]
    by_sd = abs(effect) * np.geomspace(1e-6, 0.5, 128)
    means = np.unique(math.copysign(1.0, effect) * np.concatenate([by_sd, *near_scores]))
    best, likelihood = np.full(weights.shape, np.nan), np.full(weights.shape[1], -np.inf)
    for start in range(0, weights.shape[1], _SEARCHED):
        block = weights[:, start : start + _SEARCHED]
        gaps = fit(np.repeat(block, means.size, axis=1), np.tile(means, block.shape[1]))[1].reshape(-1, means.size)
        row, column = np.nonzero(gaps[:, :-1] * gaps[:, 1:] <= 0.0)
        low, high, games = means[column], means[column + 1], block[:, row]
        rising = gaps[row, column] < 0.0
        for _ in range(50):
            middle = (low + high) / 2.0
            before = (fit(games, middle)[1] < 0.0) == rising
            low, high = np.where(before, middle, low), np.where(before, high, middle)
        fitted, gap = fit(games, (low + high) / 2.0)
        # a change of sign at a pole of x is no solution
        for k in np.flatnonzero(np.abs(gap) < 1e-9):
            value = float((fitted[:, k] * games[:, k]).sum())
            if value > likelihood[start + row[k]]:
                likelihood[start + row[k]], best[:, start + row[k]] = value, fitted[:, k]
    return best
