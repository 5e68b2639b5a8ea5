"""What was known of a run's health when it ended: checks whose failure can hold a verdict.

Each check gives a figure, a limit and whether it passed. They look at what the run has counted and never drop anything:
a suspect observation is shown, not purged.
"""

import math
from collections.abc import Callable
from typing import Any, Final

from scipy.special import chdtrc

from experiments.experiment import LATE, Experiment, Share
from sprt.mixtures import beta_mixture_log_e

#: What people call each check.
TITLES: Final = {
    "duplicates": "Duplicates",
    "gaps": "Sequence gaps",
    "rejected": "Rejected records",
    "late": "Late observations",
    "homogeneity": "Sources agree",
    "drift": "Halves agree",
    "sample_ratio": "Sample ratio",
}
#: A run with fewer observations is not judged by its halves or its sources.
_ENOUGH = 50
#: A sound run fails a check less often than this.
_LEVEL = 1e-4


def checks(experiment: Experiment) -> dict[str, Any]:
    """Return the checks that are not off, by name: `{"value", "limit", "passed", "words"}`, in JSON's types."""
    guards = experiment.cold.definition["health"]
    found = {name: check(experiment) for name, check in _CHECKS.items() if guards.get(name, "off") != "off"}
    return {name: check for name, check in found.items() if check is not None}


def must_hold(experiment: Experiment, found: dict[str, Any]) -> bool:
    """Return whether a failed check is one that holds the verdict."""
    guards = experiment.cold.definition["health"]
    return any(not check["passed"] and guards.get(name) == "hold" for name, check in found.items())


def _check(value: float, limit: float, words: str, *, passed: bool | None = None) -> dict[str, Any]:
    return {"value": value, "limit": limit, "passed": value <= limit if passed is None else passed, "words": words}


def _duplicates(experiment: Experiment) -> dict[str, Any]:
    share = _share(experiment, "duplicate")
    return _check(share, 0.01, f"{share:.2%} of the records were sent more than once and dropped")


def _rejected(experiment: Experiment) -> dict[str, Any]:
    share = _share(experiment, "rejected")
    return _check(share, 0.01, f"{share:.2%} of the records were rejected")


def _late(experiment: Experiment) -> dict[str, Any]:
    number = experiment.hot.shares.get(LATE, Share(0, 0.0)).observations
    share = number / max(1, experiment.hot.observations)
    return _check(share, 0.01, f"{share:.2%} of the observations came to Kafka over a minute after they were made")


def _share(experiment: Experiment, result: str) -> float:
    counts = experiment.hot.counts
    return counts.get(result, 0) / max(1, sum(counts.values()))


def _gaps(experiment: Experiment) -> dict[str, Any]:
    missing = sum(seen.gaps for seen in experiment.hot.sources.values())
    return _check(missing, 0, f"{missing} sequence numbers of the sources have not arrived")


def _sample_ratio(experiment: Experiment) -> dict[str, Any] | None:
    """Compare the sizes of the arms with the planned 1:1 by a beta mixture: valid whenever the run stops."""
    shares = experiment.hot.shares
    if not experiment.design.model.has_arms:
        return None
    a, b = (shares.get(f"arm:{arm}", Share(0, 0.0)).observations for arm in "ab")
    log_e = float(beta_mixture_log_e(b, a + b, 0.5, 1.0, 1.0))
    words = f"{a} observations in arm a, {b} in arm b; evidence against 1:1 is e = {math.exp(min(log_e, 700)):.3g}"
    return _check(log_e, -math.log(_LEVEL), words)


def _homogeneity(experiment: Experiment) -> dict[str, Any] | None:
    shares = [share for name, share in experiment.hot.shares.items() if name.startswith("source:")]
    large = [share for share in shares if share.observations >= _ENOUGH]
    if len(large) < 2:
        return None
    statistic = _spread(experiment, large)
    if statistic is None:
        return None
    p = float(chdtrc(len(large) - 1, statistic))
    return _check(_LEVEL, p, f"{len(large)} sources agree in their means with p = {p:.3g}", passed=p >= _LEVEL)


def _drift(experiment: Experiment) -> dict[str, Any] | None:
    hot, n = experiment.hot, experiment.hot.observations
    early = min(hot.marks, key=lambda mark: abs(mark.observations - n / 2), default=None)
    if early is None or n < 2 * _ENOUGH:
        return None
    halves = [early, Share(n - early.observations, hot.total - early.total)]
    statistic = _spread(experiment, halves)
    if statistic is None:
        return None
    p = float(chdtrc(1, statistic))
    words = f"the first {early.observations} observations and the rest agree in their means with p = {p:.3g}"
    return _check(_LEVEL, p, words, passed=p >= _LEVEL)


def _spread(experiment: Experiment, parts: list[Share]) -> float | None:
    """Return the chi-square statistic of the parts' means about their common mean, None without a known variance."""
    n, total = sum(part.observations for part in parts), math.fsum(part.total for part in parts)
    model = experiment.design.model
    variance = _VARIANCES[model.name](model, total / n) if model.name in _VARIANCES else 0.0
    if variance <= 0:
        return None
    return math.fsum(p.observations * (p.total / p.observations - total / n) ** 2 for p in parts) / variance


#: The variance of one observation at a mean, for the families that know it.
_VARIANCES: dict[str, Callable[[Any, float], float]] = {
    "bernoulli": lambda _, mean: mean * (1 - mean),
    "normal": lambda model, _: model.sd**2,
    "poisson": lambda _, mean: mean,
    "exponential": lambda _, mean: mean**2,
    "negative_binomial": lambda model, mean: mean + mean**2 / model.dispersion,
}

_CHECKS = {
    "duplicates": _duplicates,
    "gaps": _gaps,
    "rejected": _rejected,
    "late": _late,
    "homogeneity": _homogeneity,
    "drift": _drift,
    "sample_ratio": _sample_ratio,
}
