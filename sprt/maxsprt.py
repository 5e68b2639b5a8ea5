"""MaxSPRT: critical values and exact performance for Poisson and binomial surveillance, continuous or in groups.

The null is a known rate, the alternative any higher one, maximised over; the test signals at `LLR >= cv` with at least
M events and ends without a signal at a horizon. Source: Kulldorff et al. (2011), A maximized sequential probability
ratio test for drug and vaccine safety surveillance, Seq. Anal. 30(1), 58-78.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize, special

from sprt.arguments import FloatArray, real_array, real_number, whole_array, whole_number
from sprt.errors import DesignError

_TIE = 1e-9
"""Two log likelihood ratios closer than this are one value, so that a tie with cv signals."""
_LONGEST = 10_000
"""Largest horizon (expected events, or observations): the recursion's cost grows as its power 3/2."""
_MOST_LOOKS = 5_000
"""Largest number of looks, for the same reason: this many take some seconds to solve."""
_NEGLIGIBLE = 1e-60
"""Counts less likely than this leave the recursion."""


@dataclass(frozen=True, slots=True)
class MaxSPRTPerformance:
    """Exact behaviour of a MaxSPRT; time is the expected number of events under H0, for the binomial the number n."""

    alpha: float
    """Probability of a signal at relative risk 1."""
    power: float
    """Probability of a signal at the relative risk asked for."""
    e_signal: float | None
    """Expected time of the signal, given that there is one; None if there cannot be."""
    e_length: float
    """Expected time at which surveillance ends, by a signal or at the horizon."""
    reject_counts: tuple[int | None, ...] | None
    """Least number of events that signals at each look, None where no number does; None as a whole if continuous."""


@dataclass(frozen=True, slots=True)
class _Looks:
    """Surveillance at given times: how counts grow between looks, and their log likelihood ratio at each."""

    times: FloatArray
    llr: Callable[[FloatArray, float], FloatArray]
    """(counts, time) -> LLR against H0, 0 where the counts do not exceed their expectation."""
    increment: Callable[[int, float, int], tuple[FloatArray, FloatArray]]
    """(look, relative risk, size) -> P(N = j) and P(N >= j) of j further events, as far as `size` needs."""
    largest: Callable[[float, float], int]
    """(time, LLR) -> a count at that time at or beyond which the LLR exceeds this value, or the largest there is."""


def maxsprt_critical_value(
    T: float | None = None,  # noqa: N803 - T, N, M, RR are the names of the field and of the R package Sequential
    alpha: float = 0.05,
    M: int = 1,  # noqa: N803 - as T
    *,
    N: int | None = None,  # noqa: N803 - as T
    z: float | None = None,
    groups: Sequence[float] | None = None,
) -> float:
    """Return the least critical value with which the type I error is at most `alpha`: exactly `alpha` if continuous.

    With looks in groups, and for the binomial, the error is a step function of cv; the value returned is the least
    attainable LLR that keeps it, which is the upper end of its step.

    Parameters
    ----------
    T
        Poisson: horizon in expected events under H0, in (0, 10 000]. May be left out if `groups` is given.
    alpha
        Type I error of the whole surveillance, in [1e-12, 1).
    M
        Least number of events for a signal, >= 1.
    N, z
        Binomial: horizon in observations (<= 10 000), and the matching ratio: an event is a case with probability
        1 / (1 + z) under H0, z in [1e-12, 1e12].
    groups
        Sizes of successive looks: expected events (Poisson), numbers of observations (binomial). None: continuous
        monitoring (Poisson), or a look at each observation (binomial).

    Raises
    ------
    DesignError
        If an argument is missing, contradicts another or is out of range, or if no critical value can give `alpha`.

    References
    ----------
    Kulldorff et al. (2011), Seq. Anal. 30(1), 58-78. Values agree with the R package Sequential.
    """
    alpha = real_number("alpha", alpha, at_least=1e-12, below=1.0)
    least = whole_number("M", M, at_least=1)
    looks = _looks(T, N, z, groups)
    if looks is not None:
        return _staged_critical_value(looks, alpha, least)
    horizon = real_number("T", T if T is not None else math.nan, above=0.0, at_most=_LONGEST)

    def excess(cv: float) -> float:
        return _continuous(horizon, cv, least, 1.0).alpha - alpha

    # cv -> 0 signals as soon as M events precede their expectation; no critical value errs more often
    low = 1.0
    while excess(low) < 0.0:
        low /= 4.0
        if low < 1e-9:
            most = alpha + excess(low)
            raise DesignError(f"alpha = {alpha:g} with T = {horizon:g}, M = {least}: at most {most:.6g} can be reached")
    high = 4.0 * max(low, 1.0)
    while excess(high) > 0.0:
        high *= 2.0
    return float(optimize.brentq(excess, low, high, xtol=1e-13, rtol=1e-13))


def maxsprt_performance(
    cv: float,
    RR: float = 1.0,  # noqa: N803 - T, N, M, RR are the names of the field and of the R package Sequential
    M: int = 1,  # noqa: N803 - as RR
    *,
    T: float | None = None,  # noqa: N803 - as RR
    N: int | None = None,  # noqa: N803 - as RR
    z: float | None = None,
    groups: Sequence[float] | None = None,
) -> MaxSPRTPerformance:
    """Return the exact error, power and expected times of a MaxSPRT with critical value `cv`.

    Parameters
    ----------
    cv
        Critical value of the log likelihood ratio, in nats, in (0, 100].
    RR
        Relative risk: events come RR times as fast (Poisson), or are cases with probability RR / (RR + z); in (0, 1e6].
    M, T, N, z, groups
        As for `maxsprt_critical_value`.

    Raises
    ------
    DesignError
        If an argument is missing, contradicts another or is out of range.

    Notes
    -----
    Recursion over the number of events at the looks (Armitage, McPherson & Rowe 1969); continuous Poisson monitoring
    is split at the times when one more event is needed, between which the number needed is constant.
    """
    cv = real_number("cv", cv, above=0.0, at_most=100.0)
    risk = real_number("RR", RR, above=0.0, at_most=1e6)
    least = whole_number("M", M, at_least=1)
    looks = _looks(T, N, z, groups)
    if looks is None:
        horizon = real_number("T", T if T is not None else math.nan, above=0.0, at_most=_LONGEST)
        performance = _continuous(horizon, cv, least, risk)
        return performance if risk == 1.0 else replace(performance, alpha=_continuous(horizon, cv, least, 1.0).alpha)
    counts = _reject_counts(looks, cv, least)
    signals, silent = _signal_probabilities(looks, counts, risk)
    power = float(signals.sum())
    signal = float(signals @ looks.times)
    return MaxSPRTPerformance(
        alpha=power if risk == 1.0 else _error(looks, cv, least),
        power=power,
        e_signal=signal / power if power > 0.0 else None,
        e_length=signal + silent * float(looks.times[-1]),
        reject_counts=tuple(counts),
    )


def _looks(T: float | None, N: int | None, z: float | None, groups: Sequence[float] | None) -> _Looks | None:  # noqa: N803 - as in the public functions
    """Return the looks asked for; None means continuous Poisson monitoring."""
    if N is not None or z is not None:
        if T is not None or N is None or z is None:
            raise DesignError(f"T = {T}, N = {N}, z = {z}: either T (Poisson), or N and z (binomial) are allowed")
        observations = whole_number("N", N, at_least=1)
        sizes = whole_array(
            "groups", np.ones(observations) if groups is None else groups, at_least=1, error=DesignError
        )
        return _binomial_looks(_times(sizes, observations), real_number("z", z, at_least=1e-12, at_most=1e12))
    if groups is None:
        return None
    expected = real_array("groups", groups, above=0.0, error=DesignError)
    return _poisson_looks(_times(expected, float(expected.sum()) if T is None else real_number("T", T, above=0.0)))


def _times(sizes: FloatArray, horizon: float) -> FloatArray:
    if sizes.ndim != 1 or sizes.size == 0:
        raise DesignError(f"groups has shape {sizes.shape}: a list of at least one size is allowed")
    times = np.cumsum(sizes)
    if abs(times[-1] - horizon) > 1e-9 * horizon:
        raise DesignError(f"groups add up to {times[-1]:g}: the horizon {horizon:g} is allowed")
    if horizon > _LONGEST or times.size > _MOST_LOOKS:
        raise DesignError(f"{times.size} looks to {horizon:g}: {_MOST_LOOKS} looks, to at most {_LONGEST}, are allowed")
    return times


def _poisson_looks(times: FloatArray) -> _Looks:
    gaps = np.diff(times, prepend=0.0)

    def llr(counts: FloatArray, time: float) -> FloatArray:
        return np.where(counts > time, special.xlogy(counts, counts / time) - (counts - time), 0.0)

    def increment(look: int, risk: float, size: int) -> tuple[FloatArray, FloatArray]:
        return _poisson_increment(risk * gaps[look], size)

    return _Looks(times, llr, increment, _beyond)


def _binomial_looks(times: FloatArray, z: float) -> _Looks:
    sizes = np.diff(times, prepend=0.0)

    def llr(counts: FloatArray, time: float) -> FloatArray:
        # against p0 = 1 / (1 + z): c log((c / n) / p0) + (n - c) log((1 - c / n) / (1 - p0))
        cases = special.xlogy(counts, counts * (1.0 + z) / time)
        controls = special.xlogy(time - counts, (time - counts) * (1.0 + 1.0 / z) / time)
        return np.where(counts * (1.0 + z) > time, cases + controls, 0.0)

    def increment(look: int, risk: float, size: int) -> tuple[FloatArray, FloatArray]:
        n = int(sizes[look])
        k = np.arange(min(size, n + 1), dtype=np.float64)
        log_choose = special.gammaln(n + 1.0) - special.gammaln(k + 1.0) - special.gammaln(n - k + 1.0)
        pmf = np.exp(log_choose - k * math.log1p(z / risk) - (n - k) * math.log1p(risk / z))
        return pmf, np.append(1.0, special.bdtrc(k, n, risk / (risk + z)))

    def largest(time: float, value: float) -> int:
        # the Poisson LLR of the same counts is never above the binomial one
        return min(int(time), _beyond(time / (1.0 + z), value))

    return _Looks(times, llr, increment, largest)


def _beyond(expected: float, value: float) -> int:
    """Return a count whose Poisson LLR exceeds `value`: the LLR is at least d^2 / (2 (t + d / 3)) at an excess d."""
    return math.ceil(expected + value / 3.0 + math.sqrt(value**2 / 9.0 + 2.0 * expected * value)) + 1


def _reject_counts(looks: _Looks, cv: float, least: int) -> list[int | None]:
    """Return the least count at each look with LLR >= cv and at least `least` events."""
    needed: list[int | None] = []
    for time in looks.times:
        counts = np.arange(least, max(looks.largest(float(time), cv), least) + 1.0)
        counts = counts[looks.llr(counts, float(time)) >= cv - _TIE]
        needed.append(int(counts[0]) if counts.size else None)
    return needed


def _signal_probabilities(looks: _Looks, needed: list[int | None], risk: float) -> tuple[FloatArray, float]:
    """Return the probabilities of the first signal at each look, and of none at all."""
    signals = np.zeros(looks.times.size)
    alive, first = np.ones(1), 0  # probabilities of the counts first, first + 1, ... without a signal so far
    for look, count in enumerate(needed):
        limit = int(looks.times[look]) + 1 if count is None else count
        pmf, at_least = looks.increment(look, risk, limit - first)
        if count is not None:
            room = count - first - np.arange(alive.size)  # events still missing for a signal
            signals[look] = alive @ at_least[np.minimum(room, pmf.size)]
        alive, first = _trimmed(np.convolve(alive, pmf)[: limit - first], first)
        if not alive.size:
            break
    return signals, float(alive.sum())


def _staged_critical_value(looks: _Looks, alpha: float, least: int) -> float:
    # the LLR at one look reaches B with probability at most exp(-B): beyond log(looks / alpha) nothing is needed
    enough = math.log(looks.times.size / alpha)
    attainable = [
        looks.llr(np.arange(least, looks.largest(float(time), enough) + 1.0), float(time)) for time in looks.times
    ]
    values = np.sort(np.concatenate(attainable))
    values = values[(values > 0.0) & (np.diff(values, prepend=-math.inf) > _TIE)]
    if not values.size or _error(looks, float(values[-1]), least) > alpha:
        raise DesignError(f"alpha = {alpha:g}: no count at any look is so unlikely, a longer horizon is allowed")
    low, high = -1, values.size - 1  # the error at values[low] exceeds alpha, at values[high] it does not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _error(looks, float(values[middle]), least) <= alpha else (middle, high)
    return float(values[high])


def _error(looks: _Looks, cv: float, least: int) -> float:
    return float(_signal_probabilities(looks, _reject_counts(looks, cv, least), 1.0)[0].sum())


def _continuous(horizon: float, cv: float, least: int, risk: float) -> MaxSPRTPerformance:
    """Return the behaviour under continuous Poisson monitoring, `alpha` being the probability at this `risk`.

    Until `ends[k]` the count `least + k` signals. Over an interval d from `start`, with N Poisson of mean risk d, an
    experiment m events short of a signal gives one with probability P(N >= m), and the mean of its time over that
    event is `start P(N >= m) + m / risk P(N >= m + 1)`.
    """
    power, signal, start = 0.0, 0.0, 0.0
    alive, first = np.ones(1), 0
    for k, end in enumerate(_last_signal_times(horizon, cv, least)):
        short = least + k - first - np.arange(alive.size)
        pmf, at_least = _poisson_increment(risk * (end - start), least + k - first)
        now = at_least[np.minimum(short, pmf.size)]
        power += float(alive @ now)
        signal += float(alive @ (start * now + short / risk * at_least[np.minimum(short + 1, pmf.size + 1)]))
        alive, first = _trimmed(np.convolve(alive, pmf)[: least + k - first], first)
        start = end
        if not alive.size:
            break
    length = signal + horizon * float(alive.sum())
    return MaxSPRTPerformance(power, power, signal / power if power > 0.0 else None, length, None)


def _last_signal_times(horizon: float, cv: float, least: int) -> FloatArray:
    """Return for least, least + 1, ... events the last time at which that many signal, up to the horizon."""
    counts = np.arange(least, max(least, horizon + 2.0 * math.sqrt(2.0 * horizon * cv) + 2.0 * cv) + 2.0)
    share = cv / counts
    # c log(c / t) - (c - t) = cv has the solution t = -c W(-exp(-1 - cv / c)), W Lambert's
    ratio = -special.lambertw(-np.exp(-1.0 - share)).real  # type: ignore[call-overload] # stubs miss float arrays
    # near t = c Lambert's W loses digits: there Newton's method on w - log(1 + w) = cv / c, w = t / c - 1
    near = share < 0.5
    w = np.where(near, ratio - 1.0, -0.5)
    for _ in range(3):
        w = np.where(near, w - (w - np.log1p(w) - share) * (1.0 + w) / w, w)
    times = counts * np.where(near, 1.0 + w, ratio)
    inside = times[times < horizon]
    return np.append(inside, horizon)


def _poisson_increment(mean: float, size: int) -> tuple[FloatArray, FloatArray]:
    k = np.arange(min(size, math.ceil(mean + 14.0 * math.sqrt(mean) + 45.0)), dtype=np.float64)
    pmf = np.exp(special.xlogy(k, mean) - mean - special.gammaln(k + 1.0))
    return pmf, np.append(1.0, special.pdtrc(np.append(k, k.size), mean))


def _trimmed(alive: FloatArray, first: int) -> tuple[FloatArray, int]:
    kept = np.flatnonzero(alive > _NEGLIGIBLE)
    return (alive[kept[0] : kept[-1] + 1], first + int(kept[0])) if kept.size else (alive[:0], first)
